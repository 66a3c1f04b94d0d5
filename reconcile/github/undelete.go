package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"tagline/reconcile/registry"
)

// GitHub keeps a deleted version for 30 days (GitHub documentation, "Deleting and
// restoring a package"), and with it the blobs.

// Deleted implements what [registry.Deleted] asks. A version may come back with its
// tags, so one whose tags exist by now is left alone.
func (r *reader) Deleted(ctx context.Context, digests []string) []registry.Answer[bool] {
	answers := make([]registry.Answer[bool], len(digests))
	found, err := r.versions.deleted(ctx, digests)
	for i, digest := range digests {
		if err != nil {
			answers[i].Err = err
			continue
		}
		of, ok := found[digest]
		if !ok {
			continue
		}
		answers[i].Value = true
		for _, now := range r.Resolve(ctx, of.Metadata.Container.Tags) {
			if !errors.Is(now.Err, registry.ErrNotFound) {
				answers[i] = registry.Answer[bool]{Err: now.Err}
				break
			}
		}
	}
	return answers
}

// deleted returns the deleted versions of digests, the last one of each. Without a
// token there are none.
func (v *versions) deleted(ctx context.Context, digests []string) (map[string]version, error) {
	found := map[string]version{}
	_, path, err := v.first(ctx)
	if errors.Is(err, registry.ErrUnsupported) || errors.Is(err, registry.ErrNotFound) {
		return found, nil
	}
	for path += "&state=deleted"; err == nil && path != ""; {
		var p page
		p, err = v.page(ctx, path)
		for _, one := range p.versions {
			if slices.Contains(digests, one.Name) && one.ID > found[one.Name].ID {
				found[one.Name] = one
			}
		}
		path = p.next
	}
	return found, err
}

// Undelete implements what [registry.Undelete] asks.
func (w *writer) Undelete(ctx context.Context, digests []string) []error {
	errs := make([]error, len(digests))
	found, err := w.versions.deleted(ctx, digests)
	for i, digest := range digests {
		of, ok := found[digest]
		if errs[i] = err; err == nil && !ok {
			errs[i] = fmt.Errorf("%s: %w among the deleted versions", w.versions.repository.Reference(digest), registry.ErrNotFound)
		} else if err == nil {
			errs[i] = w.restore(ctx, of)
		}
	}
	return errs
}

func (w *writer) restore(ctx context.Context, of version) error {
	address, err := w.address(of.ID)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, done := registry.Finishing(ctx)
	defer done()
	resp, err := w.versions.client.send(ctx, http.MethodPost, address+"/restore")
	if err != nil {
		return w.versions.failure(fmt.Sprintf("restore version %d", of.ID), err)
	}
	return resp.Body.Close()
}
