package reconcile

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"tagline/config"
	"tagline/config/findings"
	"tagline/policies"
	"tagline/reconcile/registry"
)

// Which manifests of a repository nothing needs once the run is done.

// maxSkew is how far the local clock and the registry's may differ. Only the
// registry's clock judges the age of a manifest, but if they differ by more, one
// of them is wrong.
const maxSkew = 5 * time.Minute

// due returns the manifests that nothing needs, parents before children.
func (s *sweep) due() ([]DeleteManifest, error) {
	if err := s.examineAll(); err != nil {
		return nil, err
	}
	needed := s.after.needed()
	if len(s.unneeded(needed)) > 0 {
		facts, err := s.settings()
		if err != nil {
			return nil, err
		}
		if s.cascade(facts); s.after.cascades {
			needed = s.after.needed()
		}
	}
	var due []DeleteManifest
	for _, digest := range s.unneeded(needed) {
		due = append(due, s.deletion(digest))
	}
	s.addParents(due)
	aged := s.aged(needed)
	switch {
	case len(due) == 0 && aged == 0:
	case s.blind != "" && len(due) > 0:
		s.warnings = append(s.warnings, &config.Finding{ID: findings.ArchivedManifest, Warning: true, Pos: s.image.Pos, Message: fmt.Sprintf(
			"%s of %s is archived and may refer to anything, so no manifest is deleted (%d would be); restore or delete it", s.blind, s.home, len(due))})
		return nil, nil
	case aged > 0 && s.skew() > maxSkew:
		s.refuse(findings.ClockSkew, policies.Untagged.Pos(s.rules), "the clock of %s and this one differ by %s, more than %s, so the age of untagged manifests (%d) is not known, and none is deleted; set the clock",
			s.home.Host, s.skew().Round(time.Second), maxSkew, aged)
		return nil, nil
	}
	s.untagReleased(needed)
	return slices.Concat(deletionWaves(due)...), nil
}

// examineAll reads each manifest that nothing seems to need, and asks for its referrers:
// only then is it believed that nothing needs it. What is read may need others, or may
// be all that others were needed by.
func (s *sweep) examineAll() error {
	examined := map[string]bool{}
	var errs []error
	for again := true; again; {
		s.judge()
		errs = append(errs, s.release())
		again = false
		for _, digest := range s.unneeded(s.after.needed()) {
			if !examined[digest] {
				examined[digest], again = true, true
				errs = append(errs, s.examine(digest))
			}
		}
	}
	return errors.Join(errs...)
}

// unneeded returns the digests of the manifests that are not needed, sorted.
func (s *sweep) unneeded(needed map[string]string) []string {
	digests := slices.Sorted(maps.Keys(s.after.manifests))
	return slices.DeleteFunc(digests, func(digest string) bool { return needed[digest] != "" })
}

// cascade notes what the registry itself deletes with a manifest: what refers to it,
// or also what it lists. Then it matters which tags make something refer to it now.
func (s *sweep) cascade(facts registry.Facts) {
	s.after.cascades, s.after.below = facts.Cascades || facts.TakesReferrers, facts.Cascades
	if !facts.Cascades {
		return
	}
	s.after.signs = map[string][]string{}
	for _, tag := range slices.Sorted(maps.Keys(s.before)) {
		if subject := registry.FallbackSubject(tag); subject != "" {
			s.after.signs[s.before[tag]] = append(s.after.signs[s.before[tag]], subject)
		}
	}
}

// addParents adds to each deletion those that have to come before it.
func (s *sweep) addParents(due []DeleteManifest) {
	parents := map[string][]string{}
	for _, d := range due {
		for _, child := range s.after.manifests[d.Digest].children {
			parents[child] = append(parents[child], d.Digest)
		}
		subject := s.goes[d.Digest]
		if s.after.cascades {
			subject = s.after.manifests[d.Digest].subject
		}
		if subject != "" && !slices.Contains(s.after.manifests[subject].children, d.Digest) {
			parents[subject] = append(parents[subject], d.Digest)
		}
	}
	for i := range due {
		due[i].Parents = parents[due[i].Digest]
	}
}

// aged counts the manifests whose age decides whether they are deleted.
func (s *sweep) aged(needed map[string]string) int {
	if s.stock == nil {
		return 0
	}
	led, n := s.after.tagged().needed(), 0
	for digest := range s.after.manifests {
		waits := s.left[digest] && policies.HoldsReplaced(s.rules)
		if led[digest] == "" && (waits || !s.reached[digest] && (s.untagged || needed[digest] == "")) {
			n++
		}
	}
	return n
}

func (s *sweep) skew() time.Duration { return s.stock.seen.Sub(s.stock.Now).Abs() }

// examine reads a manifest that may be deleted, and what refers to it.
func (s *sweep) examine(digest string) error {
	m, err := s.manifest(s.home, digest)
	if errors.Is(err, registry.ErrNotFound) {
		delete(s.after.manifests, digest) // gone already
		return nil
	}
	if err != nil {
		return err
	}
	if err := s.add(m); err != nil {
		return err
	}
	if s.reached[digest] {
		for _, child := range m.Children {
			s.reach(child.Digest.String())
		}
	}
	referrers, err := s.referrersOf(digest)
	if err != nil {
		return err
	}
	of := s.after.manifests[digest]
	of.signed = len(referrers) > 0 && !s.untagged && s.purges(digest) && !s.purgesSigned()
	s.after.manifests[digest] = of
	for _, r := range referrers {
		of, known := s.after.manifests[r.Digest]
		if !known {
			of.unknown = !registry.KnownType(r.MediaType)
		}
		of.subject = cmp.Or(of.subject, digest)
		s.after.manifests[r.Digest] = of
		if s.reached[digest] || s.purges(digest) {
			s.reach(r.Digest)
		}
	}
	return nil
}

// deletion says why a manifest can go.
func (s *sweep) deletion(digest string) DeleteManifest {
	m := s.bodies[digest]
	d := DeleteManifest{Digest: digest, Bytes: m.Size(), Tags: s.releasedOf(digest)}
	switch {
	case s.purging() && s.after.manifests[digest].attestation:
		d.Kind, d.Reason = KindAttestation, attestationReason(m, s.attests[digest])
	case s.goes[digest] != "":
		d.Kind, d.Reason = KindReferrer, s.referrerReason(m)
	case s.purges(digest):
		d.Kind, d.Reason = KindReplaced, "index before the purge"
		if tags := s.tagsOf(digest); len(tags) > 0 {
			d.Reason = few(tags) + " before the purge"
		} else if alias := m.Annotations[AnnotationAlias]; s.left[digest] && alias != "" {
			d.Reason = fmt.Sprintf("untagged, was made for %q before the purge", alias)
		} else if s.left[digest] {
			d.Reason = "untagged, a tag has its images without attestations"
		}
	default:
		d.Kind, d.Reason = KindUntagged, "untagged, nothing needs it"
		tags := s.tagsOf(digest)
		if len(tags) > 0 {
			d.Reason = "was " + few(tags) + ", nothing needs it"
		}
		if _, attested := s.imagesOf(digest); attested && m.Index && s.purging() && len(tags) == 0 {
			d.Kind, d.Reason = KindReplaced, "untagged, holds attestations, nothing needs it"
		}
	}
	return d
}

// tagsOf returns the tags that name a manifest now.
func (s *sweep) tagsOf(digest string) []string {
	var tags []string
	for tag, named := range s.before {
		if named == digest {
			tags = append(tags, tag)
		}
	}
	slices.SortFunc(tags, config.CompareTags)
	return tags
}

// listedUntagged counts the manifests without a tag that stay since an index with
// a tag lists them.
func (s *sweep) listedUntagged() int {
	is, listed := namedBy(s.after.tags), map[string]bool{}
	var list func(digest string)
	list = func(digest string) {
		for _, child := range s.after.manifests[digest].children {
			if _, exists := s.after.manifests[child]; exists && !listed[child] {
				listed[child] = true
				list(child)
			}
		}
	}
	for digest := range is {
		if !s.after.manifests[digest].unknown {
			list(digest)
		}
	}
	n := 0
	for digest := range listed {
		if !is[digest] {
			n++
		}
	}
	return n
}

// heldAttestations counts the attestations that a purge would delete if no
// untagged index listed them.
func (s *sweep) heldAttestations() int {
	if !s.purging() {
		return 0
	}
	all, needed, counted := s.after.needed(), s.after.tagged().needed(), map[string]bool{}
	for index, m := range s.after.manifests {
		for _, child := range m.children {
			if all[index] == keptUntagged && s.after.manifests[child].attestation && needed[child] == "" {
				counted[child] = true
			}
		}
	}
	return len(counted)
}
