package config

import (
	"slices"

	"gopkg.in/yaml.v3"

	"tagline/config/findings"
)

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
