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
	var check []string
	for i, err := range a.w.DeleteTags(a.ctx, due) {
		tag := due[i].Tag
		switch {
		case err == nil:
			check = append(check, tag)
		case errors.Is(err, registry.ErrNotFound):
			a.outcome[tag], a.already[tag] = nil, true
		case errors.Is(err, registry.ErrMoved):
			a.outcome[tag] = fmt.Errorf("%w: the tag named %s when it was planned: %w; run again", ErrStale, due[i].Digest, err)
		default:
			a.outcome[tag] = interrupted(err)
		}
	}
	a.readBack(check, nil)
}
