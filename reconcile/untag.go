package reconcile

import (
	"errors"

	"tagline/reconcile/registry"
)

// deleteTags does one batch: re-read, delete, see that they are gone.
func (a *applying) deleteTags(batch []DeleteTag) {
	tags := make([]string, len(batch))
	for i, d := range batch {
		tags[i] = d.Tag
	}
	at := a.w.Resolve(a.ctx, tags)
	var due []string
	for i, d := range batch {
		if errors.Is(at[i].Err, registry.ErrNotFound) {
			a.outcome[d.Tag], a.already[d.Tag] = nil, true
			continue
		}
		if a.outcome[d.Tag] = unmoved(at[i], d.Old); a.outcome[d.Tag] == nil {
			due = append(due, d.Tag)
		}
	}
	if len(due) == 0 {
		return
	}
	errs := a.w.DeleteTags(a.ctx, due)
	var check []string
	for i, tag := range due {
		a.outcome[tag] = interrupted(errs[i])
		if errs[i] == nil {
			check = append(check, tag)
		}
	}
	a.readBack(check, nil)
}
