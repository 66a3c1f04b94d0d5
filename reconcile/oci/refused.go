package oci

import (
	"errors"
	"fmt"

	"tagline/config"
	"tagline/reconcile/registry"
)

// A registry that has no deletions refuses each of them alike.

// deletion is one of the two kinds of deletions, in a repository. A registry may have one kind
// and not the other, and repositories of one host may differ: some are caches.
type deletion struct {
	repository config.Repository
	kind       string // "tag" or "manifest"
}

// delete does n deletions, the first alone until one of its kind has been
// answered: if the registry says that it has no such operation, refused says so
// of the others. What it refuses after it has deleted something concerns that
// alone.
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

// refused is the error of a deletion that need not be sent, nil if it must be.
func (w *writer) refused(kind string) error {
	answer, _ := w.writers.deletions.Load(deletion{w.Repository, kind})
	err, _ := answer.(error)
	return err
}
