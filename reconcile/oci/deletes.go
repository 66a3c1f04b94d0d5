package oci

import (
	"context"
	"fmt"

	"github.com/opencontainers/go-digest"

	"tagline/reconcile/registry"
)

// noManifest is a digest that no manifest has.
var noManifest = digest.FromString("tagline asks whether manifests can be deleted").String()

// Deletes asks for the deletion of a manifest that does not exist. CNCF
// distribution without storage.delete.enabled answers 405 before it looks for the
// manifest, and 404 with it (3.1.2, tried). OPTIONS tells nothing: its Allow has
// DELETE in both cases.
func (w *writer) Deletes(ctx context.Context) error {
	if w.err != nil {
		return nil // every request says so
	}
	err := w.writers.pusher.Load().Delete(ctx, w.name.Digest(noManifest))
	status := statusOf(err)
	if status == nil || routeOf(status.Request).resource != "manifests" || !isNoSuchMethod(status.StatusCode) {
		return nil
	}
	return fmt.Errorf("%w (%s)", registry.ErrUnsupported, w.reason(err))
}
