package oci

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	ggcr "github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/opencontainers/go-digest"

	"tagline/config"
	"tagline/reconcile/oci/transport"
	"tagline/reconcile/registry"
)

// A registry that can't delete refuses every deletion in the same way.

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

// deletion is a kind of deletion in a repository. A registry may support one
// kind and not the other. Repositories of one host may differ: some are caches.
type deletion struct {
	repository config.Repository
	kind       string // "tag" or "manifest"
}

// delete does n deletions. It does the first one alone until one of its kind
// has been answered. If the registry says that it does not support them,
// refused returns that error for the others. After one success, each refusal
// concerns only its own deletion.
func (w *writer) delete(kind string, n int, do func(i int) error) []error {
	of := deletion{w.Repository, kind}
	var errs []error
	if _, known := w.writers.deletions.Load(of); !known && n > 0 {
		errs = w.client.each(w.repository, 1, do)
		switch {
		case errors.Is(errs[0], registry.ErrUnsupported):
			w.writers.deletions.LoadOrStore(of, fmt.Errorf("%w: it refused another %s, so this one was not tried", registry.ErrUnsupported, kind))
		case errs[0] == nil:
			w.writers.deletions.LoadOrStore(of, nil)
		}
	}
	first := len(errs)
	return append(errs, w.client.each(w.repository, n-first, func(i int) error { return do(first + i) })...)
}

// refused returns the error of a deletion that need not be sent, or nil.
func (w *writer) refused(kind string) error {
	answer, _ := w.writers.deletions.Load(deletion{w.Repository, kind})
	err, _ := answer.(error)
	return err
}

// unsupported reports whether a registry deletes no manifest
// (distribution-spec, "Deleting Manifests": 400 or 405; others answer 501).
// Amazon ECR answers 405 and UNSUPPORTED for a single manifest that an index
// lists, and says so (user guide, image-artifact-delete), and Azure for one that
// is locked (Azure/acr-cli#70): that is not a lack of support.
func unsupported(status *ggcr.Error) bool {
	return (status.StatusCode == http.StatusBadRequest || transport.IsNoSuchMethod(status.StatusCode)) && !IsLocked(status) &&
		!strings.Contains(strings.ToLower(message(status)), "referenced")
}

// IsLocked reports whether an answer of Azure's says that what was to be changed is
// locked.
func IsLocked(err error) bool {
	status := transport.StatusOf(err)
	return status != nil && slices.ContainsFunc(status.Errors, func(d ggcr.Diagnostic) bool { return d.Code == "REGISTRY_DISALLOWED_OPERATION" })
}
