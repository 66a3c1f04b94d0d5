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
	digests := map[string]string{}
	for _, image := range images {
		objects, err := image.Objects()
		if err != nil {
			return nil, err
		}
		if err := PushObjects(ctx, host, repository, image.Tag, objects, options...); err != nil {
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
	target, err := name.NewRepository(host + "/" + repository)
	if err != nil {
		return fmt.Errorf("push: %w", err)
	}
	pusher, err := remote.NewPusher(options...)
	if err != nil {
		return fmt.Errorf("push to %s: %w", target, err)
	}
	for i, o := range objects {
		mediaType := types.MediaType(o.MediaType)
		switch {
		case i == len(objects)-1:
			err = pusher.Put(ctx, target.Tag(tag), manifest(o))
		case mediaType.IsIndex() || mediaType.IsImage():
			err = pusher.Put(ctx, target.Digest(o.Digest.String()), manifest(o))
		default:
			err = pusher.Upload(ctx, target, static.NewLayer(o.Body, mediaType))
		}
		if err != nil {
			return fmt.Errorf("push %s of %s:%s: %w", o.Digest, target, tag, err)
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
