package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"tagline/config"
	"tagline/config/findings"
	"tagline/reconcile"
	"tagline/reconcile/registry"
)

// A run over thousands of images meets one cause many times: a host is down, or a
// source that all follow is gone. A report tells such a cause in full for the first
// images, and counts the others.
const (
	fewOfCause = 3  // images of one cause that are told in place
	fewOfKind  = 10 // images of one kind, whatever their causes
	mostCauses = 10 // causes that a summary tells one by one
)

// cause is why something was left alone. Problems with the same key have the same
// cause:
//
//   - violations with the same ID and the same source, as images.yaml spells it,
//     or without a source the same message;
//   - failures of the same host with the same status or reason, see
//     [registry.Cause], or if no host is behind them the same message;
//   - all actions that are stale.
//
// In a message, the image's own repository makes no difference.
type cause struct {
	key  string
	kind string // the ID of a finding, or the outcome of an action: "failed"
	text string // for a summary, without what differs between images

	finding *config.Finding // the violation, nil for a failure
	later   bool            // it is done once the problem is solved that it waits for
}

// causeOfFinding is the cause of a violation, or of a warning.
func causeOfFinding(of config.Repository, f *config.Finding) cause {
	text := own(of, f.Message)
	what := text
	if f.Source != "" {
		what = "source " + f.Source
	}
	severity := "error"
	if f.Warning {
		severity = "warning"
	}
	return cause{key: string(f.ID) + ": " + what, kind: string(f.ID), text: fmt.Sprintf("%s[%s]: %s", severity, f.ID, text), finding: f, later: f.ID == findings.BlockedSource}
}

// causeOfFailure is the cause of what could not be found out.
func causeOfFailure(of config.Repository, e reconcile.Failure) cause {
	text := cmp.Or(e.Cause, own(of, e.Message))
	return cause{key: Failed + ": " + text, kind: Failed, text: "error: " + text}
}

// causeOfError is the cause of an action that was not done.
func causeOfError(of config.Repository, err error) cause {
	kind := OutcomeOf(err)
	text := cmp.Or(registry.Cause(err), own(of, registry.Line(err)))
	if kind == Stale {
		text = "stale: the registry is not what the plan saw; plan again"
	}
	return cause{key: kind + ": " + text, kind: kind, text: "error: " + text, later: kind == Skipped && registry.Cause(err) == ""}
}

// own is a message about an image that fits other images, too.
func own(of config.Repository, message string) string {
	if of == (config.Repository{}) {
		return message
	}
	return strings.ReplaceAll(message, of.String(), "its own repository")
}

// group is what has one cause.
type group struct {
	cause
	images, aliases int  // that it concerns; a manifest counts as an alias
	folded          bool // not all of them were told in place
	others          int  // causes of this kind, where it stands for several
}

func (g group) count() string {
	if g.aliases > g.images {
		return Count(g.images, "image") + ", " + Count(g.aliases, "alias")
	}
	return Count(g.images, "image")
}

// causes are those of a run, in the order in which they were met.
type causes struct {
	groups map[string]*group // by key
	told   map[string]int    // images told in place, by kind
}

// add adds what has one cause in one image. It reports whether it is to be told
// in place.
func (c *causes) add(of cause, aliases int) bool {
	if c.groups == nil {
		c.groups, c.told = map[string]*group{}, map[string]int{}
	}
	g := c.groups[of.key]
	if g == nil {
		g = &group{cause: of}
		c.groups[of.key] = g
	}
	g.images++
	g.aliases += aliases
	if g.images > fewOfCause || c.told[of.kind] >= fewOfKind {
		g.folded = true
		return false
	}
	c.told[of.kind]++
	return true
}

// all returns the causes, those of most images first.
func (c *causes) all() []group {
	var all []group
	for _, g := range c.groups {
		all = append(all, *g)
	}
	slices.SortFunc(all, byImages)
	return all
}

// folded returns the causes of which not all was told in place, those of most
// images first, and what remains by kind if there are too many.
func (c *causes) folded() (first, rest []group) {
	first = slices.DeleteFunc(c.all(), func(g group) bool { return !g.folded })
	if len(first) <= mostCauses {
		return first, nil
	}
	kinds := map[string]*group{}
	for _, g := range first[mostCauses:] {
		k := kinds[g.kind]
		if k == nil {
			k = &group{cause: cause{key: g.kind, kind: g.kind}}
			kinds[g.kind] = k
		}
		k.others++
		k.images += g.images
		k.aliases += g.aliases
	}
	for _, k := range kinds {
		rest = append(rest, *k)
	}
	slices.SortFunc(rest, byImages)
	return first[:mostCauses], rest
}

// byImages puts what concerns most images first.
func byImages(a, b group) int {
	return cmp.Or(cmp.Compare(b.images, a.images), cmp.Compare(b.aliases, a.aliases), cmp.Compare(a.key, b.key))
}
