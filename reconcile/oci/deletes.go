package oci

import (
	"context"
	"fmt"

	ggcr "github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/opencontainers/go-digest"

	"tagline/reconcile/oci/transport"
	"tagline/reconcile/registry"
)

// noManifest is a digest that no manifest has.
var noManifest = digest.FromString("tagline asks whether manifests can be deleted").String()

// Deletes asks to delete a manifest that does not exist. CNCF distribution
// 3.1.2 without storage.delete.enabled answers 405 before it looks for the
// manifest, and 404 with it (tried). OPTIONS doesn't tell: its Allow header
// lists DELETE in both cases.
//
// Errors: [registry.ErrUnsupported] for an answer of 405 or 501; no other.
func (w *writer) Deletes(ctx context.Context) error {
	var status *ggcr.Error
	if w.err == nil { // otherwise every later request reports it
		status = transport.StatusOf(w.writers.pusher.Load().Delete(ctx, w.name.Digest(noManifest)))
	}
	if status == nil || transport.RouteOf(status.Request).Resource != "manifests" || !transport.IsNoSuchMethod(status.StatusCode) {
		return nil
	}
	return fmt.Errorf("%w (%s)", registry.ErrUnsupported, w.reason(status))
}
