package report

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"tagline/reconcile"
	"tagline/reconcile/registry"
)

// after is what a run in which something failed has done to the tags of a registry,
// for whoever reads the end of its log.
type after struct {
	unsure []string // "my-image:10", of which it is not known
	lost   int      // manifests that are needed, and that may be missing
	stay   bool     // manifests were to be deleted, and that failed or was not begun
}

// add adds the actions of one repository.
func (a *after) add(plan reconcile.Plan, result reconcile.Result) {
	for _, o := range slices.Concat(result.Pushed, result.Deleted) {
		if o.Err != nil && mayBeDone(o.Err) {
			a.unsure = append(a.unsure, plan.Image+":"+o.Tag)
		}
	}
	a.stay = a.stay || slices.ContainsFunc(result.Removed, func(o reconcile.Outcome) bool { return o.Err != nil })
	for _, o := range result.Ensured {
		if o.Err != nil {
			a.lost++
		}
	}
}

// mayBeDone reports whether an action that failed may have changed the registry.
func mayBeDone(err error) bool {
	var (
		written   *reconcile.WrittenError
		unwritten *reconcile.UnwrittenError
		host      *registry.HostError
	)
	switch {
	case errors.As(err, &written):
		return true
	case errors.As(err, &unwritten):
		return false
	case OutcomeOf(err) != Failed, errors.Is(err, registry.ErrRefused), errors.As(err, &host):
		return false
	}
	return true
}

// sentence says whether anything is worse than before a run that changed so many tags.
func (a *after) sentence(changed int) string {
	line := "This run left every tag as it was."
	switch {
	case changed > 0:
		line = fmt.Sprintf("%s changed as planned; this run left every other tag as it was.", were(changed))
	case len(a.unsure) > 0:
		line = "This run left every other tag as it was."
	}
	if n := len(a.unsure); n > 0 {
		const most = 3
		names := strings.Join(a.unsure[:min(n, most)], ", ")
		if n > most {
			names += fmt.Sprintf(" and %d more", n-most)
		}
		line = fmt.Sprintf("It is not known whether %s changed; the next run finds out. %s", names, line)
	}
	line += " Run again once the cause is gone: a run does what is left."
	if a.stay {
		line += " Where a registry lists no untagged manifests, the next run finds those that stayed only if a tag leads to them."
	}
	if a.lost > 0 {
		line += fmt.Sprintf(" %s that images need may be missing, see above.", Count(a.lost, "manifest"))
	}
	return line
}

// were is "1 tag was", "2 tags were".
func were(n int) string {
	if n == 1 {
		return "1 tag was"
	}
	return Count(n, "tag") + " were"
}
