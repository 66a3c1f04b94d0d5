package config

import (
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"tagline/config/findings"
)

func (w *walk) defaults() Settings {
	all := make(Settings, len(w.policies))
	for _, policy := range w.policies {
		s := Setting{Value: policy.Default}
		if policy.Kind == Duration {
			s.Duration, _ = ParseDuration(policy.Default) // a test of package policies checks it
		}
		all[policy.Name] = s
	}
	return all
}

// settings reads a policies map; n may be nil. Only what it names is set.
func (w *walk) settings(n *yaml.Node) Settings {
	if n == nil {
		return nil
	}
	named := Settings{}
	for key, value := range w.entries(n, "policies", "a map from policy to value") {
		i := slices.IndexFunc(w.policies, func(p PolicyKey) bool { return p.Name == key.Value })
		if i < 0 {
			w.unknownPolicy(key)
			continue
		}
		before := w.findings.all
		named[key.Value] = w.setting(w.policies[i], value)
		if w.findings.all == before {
			w.hold(w.policies[i], named[key.Value], value)
		}
	}
	return named
}

// unknownPolicy reports a name that is not one of a policy.
func (w *walk) unknownPolicy(n *yaml.Node) {
	names := make([]string, len(w.policies))
	for i, policy := range w.policies {
		names[i] = policy.Name
	}
	w.unknown(n, "a policy", names)
}

func (w *walk) setting(policy PolicyKey, n *yaml.Node) Setting {
	s := Setting{Pos: w.pos(n)}
	switch policy.Kind {
	case PlatformList:
		s.Platforms = w.platforms(policy.Name, n)
	case Duration:
		text, ok := w.scalar(n, policy.Name, "a duration, such as 24h or 7d")
		d, err := ParseDuration(text)
		if ok && err != nil {
			w.report(n, findings.InvalidValue, "%s is %v", policy.Name, err)
		}
		s.Value, s.Duration = text, d
	case Choice:
		s.Value = w.choice(policy, n)
	}
	return s
}

func (w *walk) choice(policy PolicyKey, n *yaml.Node) string {
	values := strings.Join(policy.Values, ", ")
	if len(policy.Values) > 1 {
		values = "one of " + values
	}
	text, ok := w.scalar(n, policy.Name, values)
	switch {
	case !ok || slices.Contains(policy.Values, text):
	default:
		w.report(n, findings.InvalidValue, "%s is %s; expected %s%s", policy.Name, quote(text), values, didYouMean(text, policy.Values))
	}
	return text
}

func (w *walk) platforms(name string, n *yaml.Node) []Platform {
	const want = "a list of platforms, such as [amd64, arm64]"
	if n.Kind != yaml.SequenceNode {
		w.mismatch(n, name, want)
		return nil
	}
	if len(n.Content) == 0 {
		w.report(n, findings.EmptyValue, "%s is an empty list; expected %s", name, want)
	}
	var platforms []Platform
	first := newTaken()
	for _, item := range n.Content {
		if _, ok := w.scalar(item, "platform", "text, such as amd64"); !ok {
			continue
		}
		if p, ok := w.platform(item, first); ok {
			platforms = append(platforms, p)
		}
	}
	slices.SortFunc(platforms, Platform.Compare)
	return platforms
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
