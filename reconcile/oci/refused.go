package oci

import (
	"errors"
	"fmt"

	"tagline/config"
	"tagline/reconcile/registry"
)

// A registry that can't delete refuses every deletion in the same way.

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
