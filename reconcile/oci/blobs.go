package oci

import (
	"context"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/partial"

	"tagline/reconcile/registry"
)

// HasBlobs costs one HEAD per digest. It reports false for a digest that the
// registry answers with 404. It returns no sentinel error: every error means
// that the answer is not known.
func (r *reader) HasBlobs(ctx context.Context, digests []string) []registry.Answer[bool] {
	return ask(r, digests, func(digest name.Reference) (bool, error) {
		layer, err := r.client.puller.Layer(ctx, r.name.Digest(digest.Identifier()))
		if err != nil {
			return false, err
		}
		return partial.Exists(layer)
	})
}
