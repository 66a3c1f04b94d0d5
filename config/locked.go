package config

import (
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"tagline/config/findings"
)

// lock is the least that a policy may be set to, except by the root file for all.
type lock struct {
	least Setting
	at    Pos
}

// locks reads the list of policies that are locked. Each is locked at the value
// that the root file gives it, or at its default.
func (w *walk) locks(n *yaml.Node) map[string]lock {
	const want = "a list of policies, such as [platforms]"
	if n == nil {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		w.mismatch(n, "locked", want)
		return nil
	}
	if len(n.Content) == 0 {
		w.report(n, findings.EmptyValue, "locked is an empty list; expected %s", want)
	}
	locks := map[string]lock{}
	for _, item := range n.Content {
		name, ok := w.scalar(item, "locked policy", "the name of a policy")
		switch before, again := locks[name]; {
		case !ok:
		case !slices.ContainsFunc(w.policies, func(p PolicyKey) bool { return p.Name == name }):
			w.unknownPolicy(item)
		case again:
			w.report(item, findings.DuplicateKey, "%s is locked twice, first in line %d; keep one", quote(name), before.at.Line)
		default:
			locks[name] = lock{w.root.policies[name], w.pos(item)}
		}
	}
	return locks
}

// hold reports a value of a policy that is laxer than the root file's, if that is
// locked. n is the value's place.
func (w *walk) hold(policy PolicyKey, value Setting, n *yaml.Node) {
	lock, locked := w.root.locks[policy.Name]
	if !locked || policy.Holds(lock.least, value) {
		return
	}
	but := "no other value is allowed"
	if policy.Stricter != "" {
		but = "it may only be stricter: " + policy.Stricter
	}
	w.report(n, findings.LockedPolicy, "%s is %s, and %s locks it at %s; %s", policy.Name, value, lock.at, lock.least, but)
}

// String returns the value as images.yaml spells it.
func (s Setting) String() string {
	if s.Value != "" {
		return quote(s.Value)
	}
	var names []string
	for _, p := range s.Platforms {
		names = append(names, p.String())
	}
	return "[" + strings.Join(names, ", ") + "]"
}
