package registry

import (
	"context"
	"errors"
	"slices"
)

// Check returns a [TaggedError] if the manifest has a tag that may not go with it.
// listed are the tags that an API says it has. An API can lag behind, so each tag
// that counts is resolved.
func (r Removal) Check(ctx context.Context, w Writer, listed []string) error {
	others := slices.DeleteFunc(slices.Clone(listed), func(tag string) bool { return slices.Contains(r.Tags, tag) })
	if len(others) == 0 {
		return nil
	}
	slices.Sort(others)
	var has []string
	for i, now := range w.Resolve(ctx, others) {
		switch {
		case errors.Is(now.Err, ErrNotFound):
		case now.Err != nil:
			return now.Err
		case now.Value.Digest == r.Digest:
			has = append(has, others[i])
		}
	}
	if len(has) > 0 {
		return &TaggedError{has}
	}
	return nil
}

// Check returns a [MovedError] if the tag does not name the digest any more, or why that
// is not known.
func (t TagDigest) Check(ctx context.Context, w Writer) error {
	now := w.Resolve(ctx, []string{t.Tag})[0]
	if now.Err == nil && now.Value.Digest != t.Digest {
		return &MovedError{Now: now.Value.Digest}
	}
	return now.Err
}

// Forget has a writer that remembers what it copied copy it again. Call it after a
// deletion of which the writer does not know.
func Forget(w Writer) {
	if remembers, is := w.(interface{ Forget() }); is {
		remembers.Forget()
	}
}
