package google

import (
	"context"
	"errors"
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

// DeleteManifests removes manifests, and first the tags that Google keeps them for
// (GOOGLE_MANIFEST_DANGLING_TAG). One more listing finds those.
func (w *writer) DeleteManifests(ctx context.Context, digests []string) []error {
	errs := w.Writer.DeleteManifests(ctx, digests)
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
		return errs
	}
	for _, i := range tagged {
		errs[i] = w.untag(ctx, page, digests[i])
	}
	for _, i := range tagged {
		if errs[i] == nil {
			errs[i] = w.Writer.DeleteManifests(ctx, digests[i:i+1])[0]
		}
	}
	return errs
}

// hasCode reports whether a registry refused something for a reason.
func hasCode(err error, code transport.ErrorCode) bool {
	status := (*transport.Error)(nil)
	return errors.As(err, &status) && slices.ContainsFunc(status.Errors, func(d transport.Diagnostic) bool { return d.Code == code })
}

func (w *writer) untag(ctx context.Context, page listing.Page, digest string) error {
	i := slices.IndexFunc(page.Manifests, func(m registry.StoredManifest) bool { return m.Digest == digest })
	if i < 0 {
		return nil // it is gone
	}
	var due []registry.TagDigest
	for _, tag := range page.Manifests[i].Tags {
		due = append(due, registry.TagDigest{Tag: tag, Digest: digest})
	}
	for _, err := range w.DeleteTags(ctx, due) {
		if err != nil && !errors.Is(err, registry.ErrNotFound) {
			return err
		}
	}
	return nil
}
