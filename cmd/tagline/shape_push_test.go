package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// bare is a manifest as go-containerregistry wants it for a PUT.
type bare struct{ *shapeObject }

func (b bare) RawManifest() ([]byte, error) { return b.body, nil }

func (b bare) MediaType() (types.MediaType, error) { //nolint:unparam // of an interface
	return types.MediaType(b.Descriptor.MediaType), nil
}

// push writes all of it to a registry.
func (s *shape) push(ctx context.Context, host string, options ...remote.Option) error {
	pusher, err := remote.NewPusher(options...)
	if err != nil {
		return err
	}
	at := func(repository string) (name.Repository, error) { return name.NewRepository(host + "/" + repository) }
	for _, o := range s.order {
		repository, err := at(o.repository)
		if err != nil {
			return err
		}
		if o.MediaType == "" {
			if err := pusher.Upload(ctx, repository, static.NewLayer(o.body, types.OCIUncompressedLayer)); err != nil {
				return fmt.Errorf("%s: %w", o.name, err)
			}
			continue
		}
		for _, blob := range o.blobs {
			if err := pusher.Upload(ctx, repository, static.NewLayer(blob, types.OCIUncompressedLayer)); err != nil {
				return fmt.Errorf("blob of %s: %w", o.name, err)
			}
		}
		if err := pusher.Put(ctx, repository.Digest(o.Digest.String()), bare{o}); err != nil {
			return fmt.Errorf("%s: %w", o.name, err)
		}
	}
	for _, t := range s.tags {
		repository, err := at(t.repository)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(s.order, func(o *shapeObject) bool { return o.name == t.object && o.repository == t.repository })
		if i < 0 {
			return fmt.Errorf("tag %s: no object of %s is called %s", t.tag, t.repository, t.object)
		}
		if err := pusher.Put(ctx, repository.Tag(t.tag), bare{s.order[i]}); err != nil {
			return fmt.Errorf("tag %s: %w", t.tag, err)
		}
	}
	return nil
}
