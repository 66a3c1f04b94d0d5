package reconcile

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"tagline/config"
	"tagline/config/findings"
	"tagline/policies"
	"tagline/reconcile/registry"
)

// How long what nothing needs any more has to wait. Deployments pin digests
// (Amazon ECS, Kubernetes, AWS Lambda), and no registry knows of them.
//
// The table is of manifests that nothing needs. A purge deletes attestations, and
// indexes that it replaces. The first row that fits decides; each is a case of stays.
//
//	  manifest                                  grace not written, or 0  grace written
//	1 neither a purge nor untagged: delete      stays                    stays
//	  deletes it
//	2 tags alone are listed, none led to it,    stays                    stays
//	  and no purge deletes it
//	3 this run takes its last tag               goes                     waits from now on; goes if it is an attestation,
//	                                                                     or if the registry deletes it with the tag
//	4 no attestation, and its index goes with   see below                waits from now on
//	  its last tag
//	5 tags alone are listed                     goes                     goes
//	6 its push is younger than grace, and no    waits from its push      waits from its push
//	  purge deletes it
//	7 an attestation                            goes                     goes; what lists it may wait
//	8 nested in an index that this run's purge  goes                     goes with that index
//	  replaces, with untagged: keep
//	9 any other                                 goes                     waits from when it lost its tag or was pulled
//	                                                                     last, as far as known; what a purge left waits
//	                                                                     until that is known: this run notes that it saw it

// judge decides which manifests stay although nothing needs them.
func (s *sweep) judge() {
	s.was, s.is = namedBy(s.before), namedBy(s.after.tags)
	s.withTag, s.stranded = map[string]bool{}, map[string]bool{}
	for tag, digest := range s.before {
		if s.after.tags[tag] != "" || s.is[digest] {
			continue
		}
		if last, err := s.deletesWithLastTag(); err == nil && last {
			s.withTag[digest] = true
			s.strand(digest)
		}
	}
	for digest, m := range s.after.manifests {
		m.untagged, m.young = s.stays(digest)
		s.after.manifests[digest] = m
	}
}

// strand marks what an index lists, however deep.
func (s *sweep) strand(index string) {
	for _, child := range s.after.manifests[index].children {
		if !s.stranded[child] {
			s.stranded[child] = true
			s.strand(child)
		}
	}
}

// stays reports whether a manifest stays untagged by policy, and whether it waits for
// grace. An attestation that a purge would delete may belong to a push in progress,
// unless a tag led to it or it is older than grace.
func (s *sweep) stays(digest string) (untagged, young bool) {
	written, attestation := policies.HoldsReplaced(s.rules), s.after.manifests[digest].attestation
	purged := s.purges(digest) && (s.replaced[digest] || s.reached[digest] || s.old(digest))
	leaves := written && !attestation && s.was[digest] && !s.is[digest] && !s.withTag[digest]
	switch {
	case !purged && !s.untagged: // 1
		return true, false
	case !purged && s.stock == nil && !s.reached[digest]: // 2
		return true, leaves
	case s.was[digest]: // 3
		return false, leaves
	case s.stranded[digest] && written && !attestation: // 4
		return false, true
	case s.stock == nil: // 5
		return false, false
	case !purged && !s.old(digest): // 6
		return false, true
	case !written || attestation: // 7
		return false, false
	case !s.untagged && !s.left[digest]: // 8
		return false, false
	}
	since, known := s.replacedAt(digest) // 9
	return false, !s.over(s.line(digest).LastPulled) || known && !s.over(since) || !known && s.left[digest]
}

// old reports whether a manifest is older than grace, by the registry's clock.
// If the registry lists tags alone, it is taken to be old: only a fallback tag
// can have led to it, and its image stays.
func (s *sweep) old(digest string) bool {
	if s.stock == nil {
		return true
	}
	pushed := s.line(digest).Pushed
	return !pushed.IsZero() && s.over(pushed)
}

// over reports whether grace is over, counted from a time by the registry's
// clock. From no time, it is.
func (s *sweep) over(since time.Time) bool {
	return since.IsZero() || s.stock.Now.Sub(since) >= policies.Grace.Of(s.rules)
}

// replacedAt returns when a manifest lost its tag. A cache remembers it.
// Otherwise it may be derived: tagline's next index for the same alias replaced
// it, or the very index that a purge made of it. That one has to be younger: an
// image that its index became was there before.
//
// If a tag goes back to what it named before, no push tells, and the first time
// counts. Whoever pinned the digest after that has pulled it then.
func (s *sweep) replacedAt(digest string) (since time.Time, known bool) {
	if since, known = s.noted.Waiting[digest]; known {
		return since, true
	}
	m, pushed := s.bodies[digest], s.line(digest).Pushed
	if m == nil || pushed.IsZero() {
		return since, false
	}
	next := s.madeFor(m.Annotations[AnnotationAlias])
	if became := s.became[digest]; became != "" {
		next = append(slices.Clone(next), s.line(became).Pushed)
	}
	for _, at := range next {
		if at.After(pushed) && (!known || at.Before(since)) {
			since, known = at, true
		}
	}
	return since, known
}

// madeFor returns when the indexes were pushed that tagline made for an alias.
func (s *sweep) madeFor(alias string) []time.Time {
	if s.made == nil {
		s.made = map[string][]time.Time{}
		for digest, m := range s.bodies {
			if of := m.Annotations[AnnotationAlias]; of != "" {
				s.made[of] = append(s.made[of], s.line(digest).Pushed)
			}
		}
	}
	return s.made[alias]
}

// line is what the registry lists of a manifest, zero if it does not.
func (s *sweep) line(digest string) registry.StoredManifest {
	if s.lines == nil {
		s.lines = map[string]registry.StoredManifest{}
		if s.stock != nil {
			for _, line := range s.stock.Manifests {
				s.lines[line.Digest] = line
			}
		}
	}
	return s.lines[digest]
}

// waitingNow returns the manifests that go once grace is over.
func (s *sweep) waitingNow() []Waiting {
	without := s.after
	without.manifests, without.released = map[string]held{}, maps.Clone(s.after.released)
	for digest, m := range s.after.manifests {
		m.young = false
		without.manifests[digest] = m
	}
	for tag := range s.after.tags { // what waits holds back what refers to it
		subject := registry.FallbackSubject(tag)
		if refers, _ := s.refers(tag, subject); refers && s.after.manifests[subject].young && s.purgesSigned() {
			if without.released == nil {
				without.released = map[string]string{}
			}
			without.released[tag] = subject
		}
	}
	needed, later := s.after.needed(), without.needed()
	var all []Waiting
	for _, digest := range slices.Sorted(maps.Keys(needed)) {
		if _, still := later[digest]; !still {
			all = append(all, Waiting{digest, s.waitsSince(digest)})
		}
	}
	return all
}

// waitsSince returns from when the grace of a manifest counts.
func (s *sweep) waitsSince(digest string) time.Time {
	since := s.line(digest).Pushed
	if policies.HoldsReplaced(s.rules) {
		if replaced, known := s.replacedAt(digest); known {
			since = replaced
		} else if s.stock != nil && (s.was[digest] || s.stranded[digest]) {
			since = s.stock.Now // this run takes its tag, or that of its index
		}
		if pulled := s.line(digest).LastPulled; pulled.After(since) {
			since = pulled
		}
	}
	return since
}

// remember returns since when manifests that no tag leads to have been waiting, for
// later runs, as far as that is new. It is now for what a purge left, if nothing says
// more. It is zero for what waits no more.
func (s *sweep) remember() map[string]time.Time {
	waits, led := map[string]time.Time{}, s.after.tagged().needed()
	for digest := range s.noted.Waiting {
		if _, there := s.after.manifests[digest]; !there || s.was[digest] || led[digest] != "" {
			waits[digest] = time.Time{}
		}
	}
	for digest := range s.left {
		if _, known := s.replacedAt(digest); !known {
			waits[digest] = s.stock.Now
		}
	}
	return waits
}

// strandedNow returns what is stranded and no tag leads to.
func (s *sweep) strandedNow() []string {
	led := s.after.tagged().needed()
	return slices.DeleteFunc(slices.Sorted(maps.Keys(s.stranded)), func(digest string) bool { return led[digest] != "" })
}

// warnUnlisted says that what waits in a registry that lists tags alone is never
// found again.
func (s *sweep) warnUnlisted(n int) {
	manifests, they, stay, them := fmt.Sprintf("%d manifests", n), "they", "stay", "them"
	if n == 1 {
		manifests, they, stay, them = "1 manifest", "it", "stays", "it"
	}
	s.warnings = append(s.warnings, &config.Finding{ID: findings.UnlistedGrace, Warning: true, Pos: policies.Grace.Pos(s.rules), Message: fmt.Sprintf(
		"grace keeps %s of %s that this run replaces, and %s %s for good: the registry lists no untagged manifests, so no later run finds %s; leave grace out if %s should be deleted at once",
		manifests, s.home, they, stay, them, they)})
}
