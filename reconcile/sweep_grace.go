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
//	grace         manifest                          waits until it is over since
//	not written,  replaced by a purge               (does not wait)
//	or zero       lost its tag in this run          (does not wait)
//	              any other without a tag           it was pushed
//	written       lost its tag in this run          this run; Amazon ECR deletes it with a deleted last tag
//	              lost it in an earlier run         that run, as far as it is known
//	              a purge left it, not known when   (waits; the run remembers that it saw it)
//	              any other without a tag           it was pushed
//	              any of these                      it was pulled last, where the registry says so

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

// heldBack reports whether a grace that images.yaml writes out holds back a manifest
// that nothing needs. One of zero holds back nothing.
func (s *sweep) heldBack(digest string) bool {
	switch {
	case !policies.HoldsReplaced(s.rules), s.after.manifests[digest].attestation: // what lists an attestation may wait
		return false
	case s.was[digest]:
		return !s.is[digest] && !s.goesWithTag(digest)
	case s.stock == nil || !s.untagged && !s.left[digest]:
		return false
	case !s.over(s.line(digest).LastPulled):
		return true
	}
	since, known := s.replacedAt(digest)
	return known && !s.over(since) || !known && s.left[digest]
}

// goesWithTag reports whether this run deletes a tag of a manifest where that
// deletes the manifest, too.
func (s *sweep) goesWithTag(digest string) bool {
	for tag, named := range s.before {
		if named == digest && s.after.tags[tag] == "" {
			last, err := s.deletesWithLastTag()
			return err == nil && last
		}
	}
	return false
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
		} else if s.was[digest] && s.stock != nil {
			since = s.stock.Now // this run takes its tag
		}
		if pulled := s.line(digest).LastPulled; pulled.After(since) {
			since = pulled
		}
	}
	return since
}

// remember returns since when manifests without a tag have been waiting, for later
// runs, as far as that is new: of those that a purge left, now if nothing says more.
// It is zero for those that wait no more, since they are gone or have a tag.
func (s *sweep) remember() map[string]time.Time {
	waits := map[string]time.Time{}
	for digest := range s.noted.Waiting {
		if _, there := s.after.manifests[digest]; !there || s.was[digest] || s.is[digest] {
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
