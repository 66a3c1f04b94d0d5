package config

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"maps"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"tagline/config/findings"
)

// profile is a named set of policies and aliases that images share.
type profile struct {
	name     string
	pos      Pos
	uses     []*profile
	policies Settings
	aliases  []Alias // of nowhere
	depth    int     // of the profiles that it uses, with itself
}

// profiles are those that a file can use, by name.
type profiles map[string]*profile

// nowhere stands for the repository of the image that uses a profile. No
// registry has its host: RFC 2606.
var nowhere = Repository{Host: "profile.invalid"}

// Bounds of profiles. A few lines of them can stand for very many aliases.
const (
	maxProfileDepth  = 16
	maxSharedAliases = 250_000 // of one file
)

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
			all = append(all, alias)
		}
	}
	return all
}

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

// body is what profiles give to an image.
type body struct {
	policies Settings
	all      Settings // those of the file, too
	aliases  []Alias  // of nowhere, in the order of their tags
}

// body puts profiles together: the later override the earlier ones, and a profile
// overrides those that it uses, alias by alias and policy by policy.
func (w *walk) body(uses []*profile) body {
	names := make([]string, len(uses))
	for i, p := range uses {
		names[i] = p.name
	}
	key := strings.Join(names, " ")
	if b, ok := w.bodies[key]; ok {
		return b
	}
	b := body{policies: Settings{}, all: w.base}
	aliases := map[string]Alias{}
	put := func(policies Settings, of []Alias) {
		if !w.share(len(of)) {
			return
		}
		maps.Copy(b.policies, policies)
		for _, alias := range of {
			aliases[alias.Tag] = alias
		}
	}
	for _, p := range uses {
		below := w.body(p.uses)
		put(below.policies, below.aliases)
		put(p.policies, p.aliases)
	}
	if len(b.policies) > 0 {
		b.all = maps.Clone(w.base)
		maps.Copy(b.all, b.policies)
	}
	b.aliases = slices.SortedFunc(maps.Values(aliases), func(a, b Alias) int { return CompareTags(a.Tag, b.Tag) })
	if w.bodies == nil {
		w.bodies = map[string]body{}
	}
	w.bodies[key] = b
	return b
}

// share counts the aliases that a file has from profiles. It reports, once,
// that there are too many.
func (w *walk) share(count int) bool {
	before := w.shared
	if w.shared += count; w.shared <= maxSharedAliases {
		return true
	}
	if before <= maxSharedAliases {
		w.reportFile(findings.TooLarge, "profiles give the images of the file more than %d aliases; divide the images among several files", maxSharedAliases)
	}
	return false
}

// inherit adds to an image the aliases of its profiles that it does not have
// itself.
func (w *walk) inherit(image *Image, from body) {
	if !w.share(len(from.aliases)) {
		return
	}
	own := make(map[string]bool, len(image.Aliases))
	for _, alias := range image.Aliases {
		own[alias.Tag] = true
	}
	image.Aliases = slices.Grow(image.Aliases, len(from.aliases))
	for _, alias := range from.aliases {
		if own[alias.Tag] {
			continue
		}
		alias.Sources = slices.Clone(alias.Sources)
		for i := range alias.Sources {
			w.complete(&alias.Sources[i], alias, *image)
		}
		image.Aliases = append(image.Aliases, alias)
	}
}

// complete gives a source its repository, where that depends on the image.
func (w *walk) complete(s *Source, of Alias, image Image) {
	own := image.Repository
	var err error
	switch {
	case s.Repository == nowhere:
		s.Repository = own
	case s.Repository.Host == nowhere.Host:
		s.Repository, err = ParseRepository(s.Repository.Path, own.Host)
	case isFrom(*s):
		err = s.completeFrom(of.Tag, own)
	}
	if err != nil && own.Host != unreadHost {
		id := findings.InvalidSource
		if errors.Is(err, errItself) {
			id = findings.AliasCycle
		}
		w.reportSource(image, of, *s, id, "%v", err)
	}
}

// repeats are findings about a place in a profile, and the images that they
// are about.
type repeats map[Finding]*repeat

type repeat struct {
	first string // of the images, by name
	count int
}

func (r repeats) add(f Finding, image string) {
	if r[f] == nil {
		r[f] = &repeat{first: image}
	}
	r[f].first = min(r[f].first, image)
	r[f].count++
}

// join adds those of another file.
func (r repeats) join(more repeats) {
	for f, of := range more {
		if r[f] == nil {
			r[f] = &repeat{first: of.first}
		}
		r[f].first = min(r[f].first, of.first)
		r[f].count += of.count
	}
}

// findings ranges over each finding once, with the images that it is about.
func (r repeats) findings() iter.Seq[*Finding] {
	return func(yield func(*Finding) bool) {
		for _, f := range slices.SortedFunc(maps.Keys(r), func(a, b Finding) int { return cmp.Compare(a.Error(), b.Error()) }) {
			of := r[f]
			f.Message += fmt.Sprintf(" (image %s", quote(of.first))
			if of.count > 1 {
				f.Message += fmt.Sprintf(" and %d more", of.count-1)
			}
			f.Message += ")"
			if !yield(&f) {
				return
			}
		}
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

// ProfileAt returns the profile that has an alias, a source or a policy of the
// image at a place. It is "" if that place is the image's own, or the file's.
func (i Image) ProfileAt(pos Pos) string {
	for _, alias := range i.Aliases {
		if alias.Profile == "" {
			continue
		}
		if alias.Pos == pos || slices.ContainsFunc(alias.Sources, func(s Source) bool { return s.Pos == pos }) {
			return alias.Profile
		}
	}
	for _, s := range i.Policies {
		if s.Profile != "" && s.Pos == pos {
			return s.Profile
		}
	}
	return ""
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
