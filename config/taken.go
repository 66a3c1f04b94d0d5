package config

import (
	"cmp"

	"gopkg.in/yaml.v3"

	"tagline/config/findings"
)

// taken are the platforms of a map or list, by their normal form, and those that
// include one of them.
type taken struct{ exact, wider map[Platform]*yaml.Node }

func newTaken() taken { return taken{map[Platform]*yaml.Node{}, map[Platform]*yaml.Node{}} }

// take notes a platform. If one that overlaps with it is there, it returns that
// instead, and whether it is the same.
func (t taken) take(p Platform, n *yaml.Node) (before *yaml.Node, same bool) {
	p = p.Normal()
	if before := t.exact[p]; before != nil {
		return before, true
	}
	before = t.wider[p]
	for _, w := range p.wider() {
		before = cmp.Or(before, t.exact[w])
	}
	if before != nil {
		return before, false
	}
	t.exact[p] = n
	for _, w := range p.wider() {
		t.wider[w] = cmp.Or(t.wider[w], n)
	}
	return nil, false
}

// platform reads a platform of a map or list, and takes it.
func (r *reader) platform(n *yaml.Node, first taken) (p Platform, ok bool) {
	p, err := ParsePlatform(n.Value)
	if err != nil {
		r.report(n, findings.InvalidPlatform, "%v", err)
		return p, false
	}
	before, same := first.take(p, n)
	switch {
	case before == nil:
		return p, true
	case same:
		r.report(n, findings.DuplicatePlatform, "platform %s is the same as %s in line %d; keep one", quote(n.Value), quote(before.Value), before.Line)
	default:
		r.report(n, findings.DuplicatePlatform, "platform %s overlaps with %s in line %d; keep one, or give each an OS version of its own",
			quote(n.Value), quote(before.Value), before.Line)
	}
	return p, false
}
