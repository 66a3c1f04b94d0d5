package reconcile

import (
	"errors"
	"fmt"

	"tagline/reconcile/registry"
)

// deleteTags does one batch: delete, see that they are gone. The writer reads
// each tag again just before it deletes it.
func (a *applying) deleteTags(batch []DeleteTag) {
	due := make([]TagDigest, len(batch))
	for i, d := range batch {
		due[i] = TagDigest{Tag: d.Tag, Digest: d.Old}
	}
	var check, written []string
	var moved *registry.MovedError
	for i, err := range a.w.DeleteTags(a.ctx, due) {
		tag := due[i].Tag
		if !errors.Is(err, registry.ErrMoved) && !errors.Is(err, registry.ErrUnsupported) {
			written = append(written, tag) // or perhaps written, where there is an error
		}
		switch {
		case err == nil:
			check = append(check, tag)
		case errors.Is(err, registry.ErrNotFound):
			a.outcome[tag], a.already[tag] = nil, true
		case errors.As(err, &moved):
			a.outcome[tag] = unmoved(registry.Answer[registry.Descriptor]{Value: registry.Descriptor{Digest: moved.Now}}, due[i].Digest)
		case errors.Is(err, registry.ErrMoved):
			a.outcome[tag] = fmt.Errorf("%w: the tag no longer names %s: %w; plan again", ErrStale, due[i].Digest, err)
		default:
			a.outcome[tag] = interrupted(err)
		}
	}
	a.readBack(check, nil)
	a.ensure(written)
}
