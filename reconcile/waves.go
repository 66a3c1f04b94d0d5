package reconcile

import "slices"

// waves groups actions so that each comes in a later wave than those it waits
// for. Within a wave the order stays. Actions that wait for each other in a
// circle come last, together: no valid images.yaml and no set of digests has one.
func waves[A any](actions []A, name func(A) string, waitsFor func(A) []string) [][]A {
	var all [][]A
	for rest := actions; len(rest) > 0; {
		pending := map[string]bool{}
		for _, a := range rest {
			pending[name(a)] = true
		}
		var wave, later []A
		for _, a := range rest {
			if slices.ContainsFunc(waitsFor(a), func(other string) bool { return pending[other] }) {
				later = append(later, a)
			} else {
				wave = append(wave, a)
			}
		}
		if len(wave) == 0 {
			return append(all, later)
		}
		all, rest = append(all, wave), later
	}
	return all
}

// pushWaves puts each push after those that it follows.
func pushWaves(pushes []Push) [][]Push {
	return waves(pushes, func(p Push) string { return p.Tag }, func(p Push) []string { return p.Follows })
}

// deletionWaves puts each manifest after the indexes that list it.
func deletionWaves(due []DeleteManifest) [][]DeleteManifest {
	return waves(due, func(d DeleteManifest) string { return d.Digest }, func(d DeleteManifest) []string { return d.Parents })
}
