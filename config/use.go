package config

import (
	"fmt"
	"maps"
	"path/filepath"
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
			w.unknownProfile(item, name)
			ok = false
		case slices.Contains(used, p):
			w.report(item, findings.DuplicateKey, "profile %s is given twice in use; keep one", quote(name))
		default:
			used = append(used, p)
		}
	}
	return used, ok
}

// unknownProfile reports the name of a profile that does not exist. It leaves what
// may be meant for later: there may be as many such names as profiles.
func (w *walk) unknownProfile(n *yaml.Node, name string) {
	if w.refused[n] {
		return
	}
	w.findings.add(&Finding{ID: findings.UnknownProfile, Pos: w.pos(n), Message: fmt.Sprintf("profile %s does not exist", quote(name)),
		ending: &knownProfiles{name, w.profiles, (w.alone || w.root.file == "") && !isRootName(filepath.Base(w.file))}})
}

// knownProfiles says which profile may be meant by a name.
type knownProfiles struct {
	name   string
	known  profiles
	noRoot bool // the file may be one of a team, without its root file
}

func (k *knownProfiles) text() string {
	known := slices.Sorted(maps.Keys(k.known))
	root := ""
	if k.noRoot {
		root = "; if it is a profile of the root file, name that with the first -f"
	}
	switch hint := didYouMean(k.name, known); {
	case hint != "":
		return hint
	case len(known) == 0:
		return `; the file has no "profiles"` + root
	case len(known) > 10:
		known = append(known[:9], fmt.Sprintf("%d more", len(known)-9))
	}
	return "; there are " + strings.Join(known, ", ") + root
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
