package oci

import (
	"cmp"
	"context"
	"fmt"

	"tagline/reconcile/oci/transport"
	"tagline/reconcile/registry"
)

// Put implements [registry.Writer].
//
// Errors: [registry.MovedError] if a tag has been moved before its push was sent.
func (w *writer) Put(ctx context.Context, pushes []registry.TaggedManifest) []error {
	errs := w.client.each(w.repository, len(pushes), func(i int) error {
		if subject := subjectOf(pushes[i].Manifest); subject != "" {
			defer w.alone(subject)()
		}
		ctx := ctx
		if push := pushes[i]; push.Tag != "" {
			ctx = w.checked(ctx, push.Tag, push.Was, push.Manifest.Digest)
		}
		return w.writers.pusher.Load().Put(ctx, w.reference(target(pushes[i])), taggable{pushes[i].Manifest})
	})
	for i, err := range errs {
		if err != nil {
			errs[i] = w.failure("push "+w.subject(target(pushes[i])), err)
		}
	}
	return errs
}

// checked returns a context for a write of a tag. A write that is late reads the tag once
// more, and is not sent if the tag names neither what it named nor what it should.
func (w *writer) checked(ctx context.Context, tag, was, becomes string) context.Context {
	return transport.WithCheck(ctx, tag, func(ctx context.Context) error {
		now, err := w.head(ctx, w.name.Tag(tag))
		switch {
		case isAbsent(err):
			now.Digest = ""
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return &transport.RequestError{Err: fmt.Errorf("the tag could not be read again before that: %s", w.reason(err))}
		}
		if now.Digest != was && now.Digest != becomes {
			return &registry.MovedError{Now: now.Digest}
		}
		return nil
	})
}

// target is the tag that a manifest is pushed under, or its digest if it has
// none.
func target(push registry.TaggedManifest) string { return cmp.Or(push.Tag, push.Manifest.Digest) }
