package azure

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"golang.org/x/sync/errgroup"

	"tagline/reconcile/oci"
	"tagline/reconcile/registry"
)

// writer deletes tags by the API: the OCI protocol of Azure deletes by digest
// alone (azure-rest-api-specs, ContainerRegistry_DeleteManifest). A manifest goes
// with all of its tags.
type writer struct {
	registry.Writer // by the OCI protocol
	api             *api
}

// DeleteTags implements [registry.Writer]. Each tag costs a HEAD and a DELETE.
// The API has no conditional deletion, so a tag that moves between them is deleted.
//
// Errors: registry.ErrNotFound if the tag does not exist; [registry.MovedError] if
// it names another digest. A tag that is locked is refused by itself.
func (w *writer) DeleteTags(ctx context.Context, tags []registry.TagDigest) []error {
	errs := make([]error, len(tags))
	var group errgroup.Group
	group.SetLimit(w.AtOnce())
	for i := range tags {
		switch {
		case i == 0: // a registry that counts failed logins would lock the account
			errs[i] = w.deleteTag(ctx, tags[i])
		case isForbidden(errs[0]):
			errs[i] = errs[0]
		default:
			group.Go(func() error {
				errs[i] = w.deleteTag(ctx, tags[i])
				return nil
			})
		}
	}
	_ = group.Wait() // every error is in its place
	return errs
}

func (w *writer) deleteTag(ctx context.Context, t registry.TagDigest) error {
	subject := "delete tag " + w.api.repository.Reference(t.Tag)
	unmoved := func(ctx context.Context) error {
		if err := t.Check(ctx, w); errors.Is(err, registry.ErrMoved) {
			return fmt.Errorf("%s: %w", subject, err)
		} else if err != nil {
			return fmt.Errorf("delete tag: %w", err)
		}
		return nil
	}
	if err := unmoved(ctx); err != nil {
		return err
	}
	gone := false // by an attempt whose answer was lost, it seems
	again := func(ctx context.Context) error {
		err := unmoved(ctx)
		gone = errors.Is(err, registry.ErrNotFound)
		return err
	}
	_, err := w.api.ask(oci.Checked(ctx, t.Tag, again), http.MethodDelete, "/_tags/"+url.PathEscape(t.Tag), deletes, subject, nil)
	if gone && errors.Is(err, registry.ErrNotFound) {
		return nil
	}
	return err
}

// Put implements [registry.Writer].
func (w *writer) Put(ctx context.Context, pushes []registry.TaggedManifest) []error {
	return explained(w.Writer.Put(ctx, pushes), "content/write")
}

// DeleteManifests implements [registry.Writer]. One that is locked is refused by
// itself. Its referrers go with a manifest, see Facts.TakesReferrers, and so do its
// tags, whichever they are. So each costs a GET, for its tags, and a
// DELETE, beside the tokens for them.
func (w *writer) DeleteManifests(ctx context.Context, due []registry.Removal) []error {
	errs := make([]error, len(due))
	for first := 0; first < len(due); {
		n := w.AtOnce()
		if first == 0 { // a registry that counts failed logins would lock the account
			n = 1
		} else if isForbidden(errs[0]) {
			for i := range errs {
				errs[i] = errs[0]
			}
			break
		}
		last := min(first+n, len(due))
		copy(errs[first:], w.deleteManifests(ctx, due[first:last]))
		first = last
	}
	return errs
}

// deleteManifests deletes as many manifests as go at once, so that little time passes
// after their tags have been read.
func (w *writer) deleteManifests(ctx context.Context, due []registry.Removal) []error {
	errs := make([]error, len(due))
	var group errgroup.Group
	for i := range due {
		group.Go(func() error {
			check := func(ctx context.Context) error { return w.checkTags(ctx, due[i]) }
			if errs[i] = check(ctx); errs[i] == nil {
				deleted := w.Writer.DeleteManifests(oci.Checked(ctx, due[i].Digest, check), due[i:i+1])
				errs[i] = explained(deleted, permissions[deletes])[0]
			}
			return nil
		})
	}
	_ = group.Wait() // every error is in its place
	return errs
}

// checkTags returns an error for a manifest that has a tag that may not go with it.
func (w *writer) checkTags(ctx context.Context, r registry.Removal) error {
	subject := "delete " + w.api.repository.Reference(r.Digest)
	tags := map[string]tag{}
	for _, err := range w.api.tagPages(ctx, "&digest="+url.QueryEscape(r.Digest), subject, tags) {
		if errors.Is(err, registry.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	var listed []string
	for name, t := range tags {
		if t.Digest == r.Digest {
			listed = append(listed, name)
		}
	}
	if err := r.Check(ctx, w, listed); err != nil {
		return fmt.Errorf("%s: %w", subject, err)
	}
	return nil
}

// explained adds to refusals that what they are about is locked, or which
// permission is missing.
func explained(errs []error, permission string) []error {
	for i, err := range errs {
		switch {
		case oci.IsLocked(err):
			errs[i] = fmt.Errorf("%w%s", err, locked)
		case isForbidden(err):
			errs[i] = fmt.Errorf("%w (permission %s)", err, permission)
		}
	}
	return errs
}

// Deletes returns [registry.ErrUnsupported] for a repository that is locked. It
// tries no deletion.
func (w *writer) Deletes(ctx context.Context) error {
	all, _, err := w.api.attributes(ctx)
	switch {
	case err != nil: // perhaps it may not be read
		return w.Writer.Deletes(ctx)
	case !all.Locks.deletable():
		return fmt.Errorf("%w: %s is locked", registry.ErrUnsupported, w.api.repository)
	}
	return nil
}
