package google

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"tagline/config"
	"tagline/reconcile/listing"
	"tagline/reconcile/registry"
)

// Writer opens a repository for writing. It asks nothing yet.
func (c *Client) Writer(repository config.Repository, over registry.Writer) registry.Writer {
	return &writer{Writer: over, api: api{c.over, repository}}
}

// writer writes one repository. Deletions of manifests are all that differs from
// the OCI protocol.
type writer struct {
	registry.Writer
	api api
}

// DeleteManifests removes manifests, and first the tags that may go with them, since
// Google keeps a manifest that has a tag (GOOGLE_MANIFEST_DANGLING_TAG). One more
// listing finds those tags.
func (w *writer) DeleteManifests(ctx context.Context, due []registry.Removal) []error {
	errs := w.Writer.DeleteManifests(ctx, due)
	var tagged []int
	for i, err := range errs {
		if hasCode(err, "GOOGLE_MANIFEST_DANGLING_TAG") {
			tagged = append(tagged, i)
		}
	}
	if len(tagged) == 0 {
		return errs
	}
	page, err := w.api.page(ctx)
	if err != nil {
		for _, i := range tagged {
			errs[i] = fmt.Errorf("%w; its tags could not be listed: %s", errs[i], err.Error())
		}
		return errs
	}
	for _, i := range tagged {
		errs[i] = w.untag(ctx, page, due[i])
	}
	for _, i := range tagged {
		if errs[i] == nil {
			errs[i] = w.Writer.DeleteManifests(ctx, due[i:i+1])[0]
		}
	}
	return errs
}

// hasCode reports whether a registry refused something for a reason.
func hasCode(err error, code transport.ErrorCode) bool {
	status := (*transport.Error)(nil)
	return errors.As(err, &status) && slices.ContainsFunc(status.Errors, func(d transport.Diagnostic) bool { return d.Code == code })
}

// untag deletes the tags that may go with a manifest, unless it has another one.
func (w *writer) untag(ctx context.Context, page listing.Page, r registry.Removal) error {
	i := slices.IndexFunc(page.Manifests, func(m registry.StoredManifest) bool { return m.Digest == r.Digest })
	if i < 0 {
		return nil // it is gone
	}
	listed := page.Manifests[i].Tags
	if err := r.Check(ctx, w, listed); err != nil {
		return fmt.Errorf("delete %s: %w", w.api.repository.Reference(r.Digest), err)
	}
	var tags []registry.TagDigest
	for _, tag := range listed {
		if slices.Contains(r.Tags, tag) {
			tags = append(tags, registry.TagDigest{Tag: tag, Digest: r.Digest})
		}
	}
	for _, err := range w.DeleteTags(ctx, tags) {
		if err != nil && !errors.Is(err, registry.ErrNotFound) {
			return err
		}
	}
	return nil
}
