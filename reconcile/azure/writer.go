package azure

import (
	"context"
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
	subject := fmt.Sprintf("delete tag %s:%s", w.api.repository, t.Tag)
	unmoved := func(ctx context.Context) error {
		switch now := w.Resolve(ctx, []string{t.Tag})[0]; {
		case now.Err != nil:
			return fmt.Errorf("delete tag: %w", now.Err)
		case now.Value.Digest != t.Digest:
			return fmt.Errorf("%s: %w", subject, &registry.MovedError{Now: now.Value.Digest})
		}
		return nil
	}
	if err := unmoved(ctx); err != nil {
		return err
	}
	_, err := w.api.ask(oci.Checked(ctx, t.Tag, unmoved), http.MethodDelete, "/_tags/"+url.PathEscape(t.Tag), deletes, subject, nil)
	return err
}

// Put implements [registry.Writer].
func (w *writer) Put(ctx context.Context, pushes []registry.TaggedManifest) []error {
	return explained(w.Writer.Put(ctx, pushes), "content/write")
}

// DeleteManifests implements [registry.Writer]. One that is locked is refused by
// itself. The artifacts that refer to a manifest go with it (Azure/acr-cli,
// cmd/common/image_functions.go).
func (w *writer) DeleteManifests(ctx context.Context, digests []string) []error {
	return explained(w.Writer.DeleteManifests(ctx, digests), permissions[deletes])
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
