package config

import (
	"maps"
	"regexp"
	"slices"

	"gopkg.in/yaml.v3"

	"tagline/config/findings"
)

// maxProfileDepth is how many profiles may use each other in a chain.
const maxProfileDepth = 16

var profileNamePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// readProfiles reads the profiles of a file. w.profiles has those of the root
// file by then; in the root file itself it is empty.
func (w *walk) readProfiles(n *yaml.Node) {
	if n == nil {
		return
	}
	var own []*profile
	uses := map[*profile]*yaml.Node{}
	visible := maps.Clone(w.profiles)
	if visible == nil {
		visible = profiles{}
	}
	for key, value := range w.entries(n, "profiles", "a map from name to policies and aliases") {
		p := &profile{name: key.Value, pos: w.pos(key)}
		if !profileNamePattern.MatchString(p.name) {
			w.report(key, findings.InvalidValue, `profile %s is not a valid name; expected 1 to 64 letters, digits, ".", "_" and "-", the first a letter or a digit`, quote(p.name))
		}
		what := "profile " + quote(p.name)
		fields, ok := w.fields(value, what, "use", "policies", "aliases")
		if ok && len(value.Content) == 0 {
			w.report(value, findings.EmptyValue, "%s is empty; expected policies, aliases, or use", what)
		}
		p.policies = w.settings(fields["policies"])
		for name, s := range p.policies {
			s.Profile = p.name
			p.policies[name] = s
		}
		p.aliases = w.profileAliases(p.name, fields["aliases"])
		switch before := visible[p.name]; {
		case before == nil:
			visible[p.name] = p
			own = append(own, p)
		case !slices.Contains(own, before): // else the key is a duplicate
			w.report(key, findings.DuplicateProfile, "%s is a profile of %s too; give it another name", quote(p.name), before.pos)
		}
		uses[p] = fields["use"]
	}
	w.profiles = visible
	for _, p := range own {
		if uses[p] != nil {
			p.uses, _ = w.uses(uses[p], "")
		}
	}
	w.profileCycles(own, uses)
	w.ownProfiles = own
}

// profileAliases reads the aliases of a profile.
func (w *walk) profileAliases(of string, n *yaml.Node) []Alias {
	if n == nil {
		return nil
	}
	if isEmpty(n) {
		w.report(n, findings.EmptyValue, "aliases of profile %s is empty; expected at least one tag", quote(of))
		return nil
	}
	var all []Alias
	seen := map[string]bool{}
	for key, value := range w.entries(n, "aliases", "a map from alias tag to source") {
		if alias := w.alias(key, value, nowhere); alias.Tag != "" && !seen[alias.Tag] {
			seen[alias.Tag] = true
			alias.Profile = of
			w.onHosts(alias)
			all = append(all, alias)
		}
	}
	return all
}

// profileCycles reports profiles that lead back to themselves, and chains that
// are too long. It cuts them there. nodes has the use of each profile of the file;
// those of the root file, which other files read at the same time, are done.
func (w *walk) profileCycles(own []*profile, nodes map[*profile]*yaml.Node) {
	onPath := map[*profile]bool{}
	var path []string
	var visit func(p *profile)
	visit = func(p *profile) {
		onPath[p] = true
		path = append(path, p.name)
		deepest := 0
		p.uses = slices.DeleteFunc(p.uses, func(used *profile) bool {
			if _, mine := nodes[used]; mine && used.depth == 0 && !onPath[used] {
				visit(used)
			}
			switch at := nodeOf(nodes[p], used.name); {
			case onPath[used]:
				w.report(at, findings.ProfileCycle, "profiles use each other in a cycle: %s -> %s", arrows(path[slices.Index(path, used.name):]), used.name)
				return true
			case used.depth >= maxProfileDepth:
				w.report(at, findings.TooDeep, "profiles use each other more than %d deep", maxProfileDepth)
				return true
			}
			deepest = max(deepest, used.depth)
			return false
		})
		path = path[:len(path)-1]
		onPath[p] = false
		p.depth = deepest + 1
	}
	for _, p := range own {
		if p.depth == 0 {
			visit(p)
		}
	}
}

// nodeOf returns the node of a name in a use.
func nodeOf(use *yaml.Node, name string) *yaml.Node {
	for _, item := range use.Content {
		if item.Value == name {
			return item
		}
	}
	return use
}
