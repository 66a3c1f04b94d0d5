package harbor

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"golang.org/x/sync/errgroup"

	"tagline/reconcile/oci"
	"tagline/reconcile/registry"
)

// writer writes one repository. By the OCI protocol Harbor deletes no tag, and a
// manifest only for those who may delete the whole repository (src/server/registry/
// manifest.go, deleteManifest; src/server/middleware/v2auth/auth.go). Its API
// deletes both.
type writer struct {
	registry.Writer // by the OCI protocol
	artifacts       *artifacts
}

// Deletes implements [registry.Writer].
func (w *writer) Deletes(context.Context) error { return nil }

// DeleteTags implements [registry.Writer]. Harbor compares the digest: it deletes a
// tag only of the artifact that it names (src/server/v2.0/handler/artifact.go,
// DeleteTag).
func (w *writer) DeleteTags(ctx context.Context, tags []registry.TagDigest) []error {
	return w.each(ctx, len(tags), func(ctx context.Context, i int) error {
		t := tags[i]
		err := w.remove(ctx, toUntag, "artifacts/"+t.Digest+"/tags/"+t.Tag)
		if errors.Is(err, registry.ErrNotFound) {
			said := err.Error()
			if err = t.Check(ctx, w); err == nil { // the tag is there, so it is no ErrNotFound
				err = errors.New("it is there, and Harbor does not find it: " + said)
			}
		}
		if err != nil {
			err = fmt.Errorf("delete tag %s: %w", w.artifacts.repository.Reference(t.Tag), err)
		}
		return err
	})
}

// DeleteManifests implements [registry.Writer], but for what Harbor deletes with a
// manifest: see Facts.Cascades. Its tags go with it, whichever they are, so each
// costs a GET, for its tags, and a DELETE.
func (w *writer) DeleteManifests(ctx context.Context, due []registry.Removal) []error {
	errs := w.each(ctx, len(due), func(ctx context.Context, i int) error {
		digest := due[i].Digest
		err := w.deleteManifest(ctx, due[i])
		if errors.Is(err, registry.ErrNotFound) {
			switch now := w.Resolve(ctx, []string{digest})[0]; {
			case errors.Is(now.Err, registry.ErrNotFound):
				err = nil
			case now.Err != nil:
				err = now.Err
			default: // the manifest is there, so it is no ErrNotFound
				err = errors.New(err.Error())
			}
		}
		if err != nil {
			err = fmt.Errorf("delete %s: %w", w.artifacts.repository.Reference(digest), err)
		}
		return err
	})
	if len(due) > 0 {
		registry.Forget(w.Writer)
	}
	return errs
}

func (w *writer) deleteManifest(ctx context.Context, r registry.Removal) error {
	check := func(ctx context.Context) error {
		var now artifact
		if _, err := w.artifacts.get(ctx, toRead, "artifacts/"+r.Digest+"?with_tag=true", &now); err != nil {
			return err
		}
		if now.Digest != r.Digest {
			return fmt.Errorf("the answer is that of %q, so this may be no Harbor", now.Digest)
		}
		return r.Check(ctx, w, now.stored().Tags)
	}
	if err := check(ctx); err != nil {
		return err
	}
	return w.remove(oci.Checked(ctx, r.Digest, check), toDelete, "artifacts/"+r.Digest)
}

// each does n deletions. Those that have begun when the context ends go on.
func (w *writer) each(ctx context.Context, n int, do func(ctx context.Context, i int) error) []error {
	errs := make([]error, n)
	var group errgroup.Group
	group.SetLimit(w.AtOnce())
	for i := range n {
		group.Go(func() error {
			if errs[i] = ctx.Err(); errs[i] == nil {
				finishing, cancel := registry.Finishing(ctx)
				defer cancel()
				errs[i] = do(finishing, i)
			}
			return nil
		})
	}
	_ = group.Wait()
	return errs
}

func (w *writer) remove(ctx context.Context, what, path string) error {
	resp, err := w.artifacts.send(ctx, http.MethodDelete, path)
	if err != nil {
		return w.artifacts.failure(ctx, what, err)
	}
	return resp.Body.Close()
}
