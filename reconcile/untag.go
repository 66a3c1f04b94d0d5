package reconcile

import (
	"errors"

	"tagline/reconcile/registry"
)

// deleteTags does one batch: delete, see that they are gone. The writer reads each tag
// again just before it deletes it.
func (a *applying) deleteTags(batch []DeleteTag) {
	due := make([]TagDigest, len(batch))
	for i, d := range batch {
		due[i] = TagDigest{Tag: d.Tag, Digest: d.Old}
	}
	var check, written []string
	for i, err := range a.w.DeleteTags(a.ctx, due) {
		tag := due[i].Tag
		if !errors.Is(err, registry.ErrUnsupported) {
			written = append(written, tag) // or perhaps written, where there is an error
		}
		switch {
		case err == nil:
			check = append(check, tag)
		case errors.Is(err, registry.ErrNotFound):
			a.outcome[tag], a.already[tag] = nil, true
		default:
			a.outcome[tag] = interrupted(stale(err, due[i].Digest))
		}
	}
	a.readBack(check, nil)
	a.ensure(written)
}
