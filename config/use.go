package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"tagline/config/findings"
)

// uses reads the profiles that a use names: one name, or a list. ok is false if
// it can't be known what they give.
func (w *walk) uses(n *yaml.Node, none string) (used []*profile, ok bool) {
	want := "the name of a profile, or a list of names" + none
	items := n.Content
	switch {
	case n.Kind == yaml.ScalarNode && !isNull(n):
		items = []*yaml.Node{n}
	case n.Kind != yaml.SequenceNode:
		w.mismatch(n, "use", want)
		return nil, false
	case len(items) == 0 && none == "":
		w.report(n, findings.EmptyValue, "use is an empty list; expected %s", want)
	}
	ok = true
	for _, item := range items {
		name, isText := w.scalar(item, "use", "the name of a profile")
		if !isText {
			ok = false
			continue
		}
		p := w.profiles[name]
		switch {
		case p == nil && w.root.unread: // it may be there
			ok = false
		case p == nil:
			w.report(item, findings.UnknownProfile, "profile %s does not exist%s", quote(name), w.knownProfiles(name))
			ok = false
		case slices.Contains(used, p):
			w.report(item, findings.DuplicateKey, "profile %s is given twice in use; keep one", quote(name))
		default:
			used = append(used, p)
		}
	}
	return used, ok
}

// knownProfiles says which profile may be meant.
func (w *walk) knownProfiles(name string) string {
	known := slices.Sorted(maps.Keys(w.profiles))
	switch hint := didYouMean(name, known); {
	case hint != "":
		return hint
	case len(known) == 0:
		return `; the file has no "profiles"`
	case len(known) > 10:
		known = append(known[:9], fmt.Sprintf("%d more", len(known)-9))
	}
	return "; there are " + strings.Join(known, ", ")
}

// marked notes that profiles are used.
func (w *walk) marked(used []*profile) {
	for _, p := range used {
		if w.used == nil {
			w.used = map[*profile]bool{}
		}
		w.used[p] = true
	}
}

// unused warns of the profiles that no image uses.
func (l *loading) unused() []*Finding {
	reached := map[*profile]bool{}
	var reach func(p *profile)
	reach = func(p *profile) {
		if !reached[p] {
			reached[p] = true
			for _, next := range p.uses {
				reach(next)
			}
		}
	}
	for _, part := range l.parts {
		for p := range part.used {
			reach(p)
		}
	}
	var all []*Finding
	for _, part := range l.parts {
		for _, p := range part.profiles {
			if !reached[p] {
				all = append(all, &Finding{ID: findings.UnusedProfile, Warning: true, Pos: p.pos,
					Message: fmt.Sprintf("no image uses profile %s; use it, or remove it", quote(p.name))})
			}
		}
	}
	return all
}
