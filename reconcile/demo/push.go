package demo

import (
	"context"
	"fmt"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Push pushes images to a repository of a registry ("127.0.0.1:5000",
// "my-image"), and returns the digest of each tag.
func Push(ctx context.Context, host, repository string, images []Image, options ...remote.Option) (map[string]string, error) {
	p, err := newPusher(host, repository, options)
	if err != nil {
		return nil, err
	}
	digests := map[string]string{}
	for _, image := range images {
		objects, err := image.Objects()
		if err != nil {
			return nil, err
		}
		if err := p.push(ctx, image.Tag, objects); err != nil {
			return nil, err
		}
		digests[image.Tag] = objects[len(objects)-1].Digest.String()
	}
	return digests, nil
}

// PushObjects pushes objects in their order, byte for byte. It pushes the last
// one, a manifest, under the tag.
//
// If a registry has no referrers API, go-containerregistry also updates the
// fallback tag of a manifest's subject, as BuildKit does.
func PushObjects(ctx context.Context, host, repository, tag string, objects []Object, options ...remote.Option) error {
	p, err := newPusher(host, repository, options)
	if err != nil {
		return err
	}
	return p.push(ctx, tag, objects)
}

// pusher pushes to a repository. It logs in once.
type pusher struct {
	*remote.Pusher
	target name.Repository
}

func newPusher(host, repository string, options []remote.Option) (pusher, error) {
	target, err := name.NewRepository(host + "/" + repository)
	if err != nil {
		return pusher{}, fmt.Errorf("push: %w", err)
	}
	p, err := remote.NewPusher(options...)
	if err != nil {
		return pusher{}, fmt.Errorf("push to %s: %w", target, err)
	}
	return pusher{p, target}, nil
}

func (p pusher) push(ctx context.Context, tag string, objects []Object) error {
	for i, o := range objects {
		var err error
		mediaType := types.MediaType(o.MediaType)
		switch {
		case i == len(objects)-1:
			err = p.Put(ctx, p.target.Tag(tag), manifest(o))
		case mediaType.IsIndex() || mediaType.IsImage():
			err = p.Put(ctx, p.target.Digest(o.Digest.String()), manifest(o))
		default:
			err = p.Upload(ctx, p.target, static.NewLayer(o.Body, mediaType))
		}
		if err != nil {
			return fmt.Errorf("push %s of %s:%s: %w", o.Digest, p.target, tag, err)
		}
	}
	return nil
}

// manifest is an object that go-containerregistry can push with a single PUT.
type manifest Object

func (m manifest) RawManifest() ([]byte, error) { return m.Body, nil }
func (m manifest) MediaType() (types.MediaType, error) {
	return types.MediaType(m.Descriptor.MediaType), nil
}
