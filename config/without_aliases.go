package config

import (
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"tagline/config/findings"
)

// withoutAliases checks an image without aliases. The image, or one of its profiles,
// must have a policy that deletes something: such a policy of the whole file may not be
// meant for it. It must also say itself whether it wants prune, which deletes every tag
// that tagline made if there are no aliases.
func (w *walk) withoutAliases(key *yaml.Node, all, shared, own Settings) {
	named := func(policy PolicyKey) (s Setting, ok bool) {
		if s, ok = own[policy.Name]; !ok {
			s, ok = shared[policy.Name]
		}
		return s, ok
	}
	var deleting []string
	found := false
	for _, policy := range w.policies {
		if policy.Deletes == "" {
			continue
		}
		deleting = append(deleting, policy.Name+": "+policy.Deletes)
		s, ok := named(policy)
		found = found || ok && s.Value == policy.Deletes
	}
	if !found {
		hint := ""
		if len(own)+len(shared) > 0 {
			hint = fmt.Sprintf(", or a policy of its own that deletes something (%s)", strings.Join(deleting, ", "))
		}
		w.report(key, findings.MissingAliases, `image %s has no aliases; expected "aliases:" with at least one tag%s`, quote(key.Value), hint)
		return
	}
	prune := slices.IndexFunc(w.policies, func(p PolicyKey) bool { return p.Name == "prune" })
	if prune < 0 || all["prune"].Value != w.policies[prune].Deletes {
		return
	}
	if _, ok := named(w.policies[prune]); !ok {
		w.report(key, findings.MissingAliases, `image %s has no aliases, so prune: true of %s would delete every alias that tagline made there; add "prune: false" to its policies, or "prune: true" if that is meant`,
			quote(key.Value), all["prune"].Pos)
	}
}
