package oci

import (
	"context"
	"errors"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"tagline/config"
	"tagline/reconcile/oci/transport"
	"tagline/reconcile/registry"
)

// copyAttempts is how often a copy is started. A blob's upload can't be
// resumed, but a second copy skips what has arrived.
const copyAttempts = 2

// Copy implements [registry.Writer].
//
// Errors: [registry.ErrNotFound] if the manifest is not in the source
// repository.
func (w *writer) Copy(ctx context.Context, from config.Repository, digest string) error {
	source := w.client.named(from)
	if err := errors.Join(source.err, w.err); err != nil {
		return w.failure("copy to "+w.String(), err)
	}
	for attempt := 1; ; attempt++ {
		err := w.copy(ctx, source, digest, "")
		if err == nil || attempt == copyAttempts || transport.IsLasting(err) {
			return err
		}
		if status := transport.StatusOf(err); status != nil && !transport.Transient(status.StatusCode) {
			return err
		}
		if transport.Sleep(ctx, w.client.options.Patience.Backoff) != nil {
			return err
		}
	}
}

// copy leaves the order, children first, and the mounts to
// go-containerregistry. listedBy is the digest of the index that lists the
// manifest, if complete copies it.
func (w *writer) copy(ctx context.Context, source repository, digest, listedBy string) error {
	what := "copy " + source.subject(digest)
	if listedBy != "" {
		what += ", which " + listedBy + " lists,"
	}
	what += " to " + w.String()
	manifest, err := w.writers.source.Get(ctx, source.name.Digest(digest))
	if err != nil {
		return source.answer(what, err)
	}
	if manifest.MediaType.IsIndex() {
		switch _, err := w.client.puller.Head(ctx, w.name.Digest(digest)); {
		case err == nil:
			return w.complete(ctx, source, manifest)
		case !isAbsent(err):
			return w.failure(what, err)
		}
	}
	all := copied{mount: w.mayMount(ctx, source)}
	tree, err := all.manifest(manifest)
	if err != nil {
		return source.failure(what, err)
	}
	if err := w.copyForeign(ctx, source, all.foreign); err != nil {
		return err
	}
	raw := registry.RawManifest{Digest: digest, MediaType: string(manifest.MediaType), Body: manifest.Manifest}
	if err := w.attached(ctx, raw, func() error {
		return w.writers.pusher.Load().Push(ctx, w.name.Digest(digest), tree)
	}); err != nil {
		return w.failure(what, err)
	}
	return nil
}

// complete copies what an index lists and this repository lacks although it has
// the index: it may have been deleted. A registry can have an image without its
// foreign layers.
func (w *writer) complete(ctx context.Context, source repository, index *remote.Descriptor) error {
	i, err := index.ImageIndex()
	if err != nil {
		return source.failure(source.subject(index.Digest.String()), err)
	}
	m, err := i.IndexManifest()
	if err != nil {
		return source.failure(source.subject(index.Digest.String()), err)
	}
	for _, child := range m.Manifests {
		if err := w.completeChild(ctx, source, child, index.Digest.String()); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) completeChild(ctx context.Context, source repository, child v1.Descriptor, listedBy string) error {
	digest := child.Digest.String()
	failed := func(err error) error {
		if err == nil {
			return nil
		}
		return w.failure(w.subject(digest)+", which "+listedBy+" lists", err)
	}
	switch {
	case child.MediaType.IsIndex():
		return w.copy(ctx, source, digest, listedBy)
	case !child.MediaType.IsImage(): // a layer, as in the build cache of buildx
		return failed(w.upload(ctx, source, child.Digest))
	}
	there, err := w.client.puller.Get(ctx, w.name.Digest(digest))
	switch {
	case isAbsent(err):
		return w.copy(ctx, source, digest, listedBy)
	case err != nil:
		return failed(err)
	}
	var all copied
	if _, err := all.manifest(there); err != nil {
		return failed(err)
	}
	return w.copyForeign(ctx, source, all.foreign)
}
