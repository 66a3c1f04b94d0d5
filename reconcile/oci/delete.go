package oci

import (
	"context"
	"fmt"
	"net/http"

	"tagline/config"
	"tagline/reconcile/oci/transport"
	"tagline/reconcile/registry"
)

// DeleteTags implements [registry.Writer].
//
// Errors: [registry.ErrNotFound] if the tag does not exist;
// [registry.MovedError] if it names another digest; [registry.ErrUnsupported]
// if the registry does not delete by tag.
func (w *writer) DeleteTags(ctx context.Context, tags []registry.TagDigest) []error {
	errs := w.delete("tag", len(tags), func(i int) error {
		return w.deleteTag(ctx, tags[i])
	})
	for i, err := range errs {
		if err != nil {
			errs[i] = w.failure("delete tag "+w.subject(tags[i].Tag), err)
		}
	}
	return errs
}

// deleteTag never deletes by digest, which would delete every other tag of the
// manifest. The protocol has no conditional deletion, so the tag can move
// between the last HEAD and the DELETE.
func (w *writer) deleteTag(ctx context.Context, named registry.TagDigest) error {
	tag := named.Tag
	now, err := w.head(ctx, w.name.Tag(tag))
	switch {
	case isAbsent(err):
		return registry.ErrNotFound
	case err != nil:
		return err
	case now.Digest != named.Digest:
		return &registry.MovedError{Now: now.Digest}
	}
	if err := w.refused("tag"); err != nil {
		return err
	}
	err = w.writers.pusher.Load().Delete(w.checked(ctx, tag, named.Digest, ""), w.name.Tag(tag))
	status := transport.StatusOf(err)
	switch {
	case status == nil || transport.RouteOf(status.Request).Resource != "manifests":
		return err
	case status.StatusCode == http.StatusBadRequest || transport.IsNoSuchMethod(status.StatusCode):
		return fmt.Errorf("%w (%s)", registry.ErrUnsupported, w.reason(err))
	case status.StatusCode == http.StatusNotFound: // it may have looked for a digest of that name
		return w.gone(ctx, tag, err)
	}
	return err
}

// gone reports what a 404 to a deletion means: nil if the tag or manifest is
// gone, ErrUnsupported if it is still there.
func (w *writer) gone(ctx context.Context, reference string, err error) error {
	what := "tag"
	if config.IsDigest(reference) {
		what = "manifest"
	}
	_, still := w.head(ctx, w.reference(reference))
	switch {
	case still == nil:
		return fmt.Errorf("%w (%s, though the %s is there)", registry.ErrUnsupported, w.reason(err), what)
	case isAbsent(still):
		return nil
	}
	return still
}

// DeleteManifests implements [registry.Writer]. The protocol can't ask which tags
// name a manifest, so all of them go with it.
//
// Errors: [registry.ErrUnsupported] if the registry does not delete by digest.
func (w *writer) DeleteManifests(ctx context.Context, due []registry.Removal) []error {
	errs := w.delete("manifest", len(due), func(i int) error {
		if err := w.refused("manifest"); err != nil {
			return err
		}
		err := w.writers.pusher.Load().Delete(ctx, w.name.Digest(due[i].Digest))
		status := transport.StatusOf(err)
		switch {
		case isAbsent(err):
			return w.gone(ctx, due[i].Digest, err)
		case status != nil && transport.RouteOf(status.Request).Resource == "manifests" && unsupported(status):
			return fmt.Errorf("%w (%s)", registry.ErrUnsupported, w.reason(err))
		}
		return err
	})
	for i, err := range errs {
		if err != nil {
			errs[i] = w.failure("delete "+w.subject(due[i].Digest), err)
		}
	}
	if len(due) > 0 {
		w.writers.Forget()
	}
	return errs
}
