package reconcile

import (
	"errors"
	"slices"
	"strings"

	"tagline/policies"
	"tagline/reconcile/registry"
)

// What an interrupted purge left behind.

// finishPurge finds the indexes that a purge replaced and did not get to delete,
// because it was cut: they have no tag and hold attestations, and a tag has the
// very same images without any; or tagline made them for an alias that has moved,
// and tags lead to each of their images. They count as replaced by this run.
func (s *sweep) finishPurge() error {
	if s.stock == nil && (!s.purgesSigned() || policies.HoldsReplaced(s.rules)) {
		return nil // nothing lists them, and what the tag of a signature leads to stays
	}
	tagged := map[string]bool{}
	for tag, digest := range s.after.tags {
		if images, attested := s.imagesOf(digest); registry.FallbackSubject(tag) == "" && !attested {
			tagged[images] = true
		}
	}
	was, is, needed := namedBy(s.before), namedBy(s.after.tags), s.after.tagged().needed()
	made := func(m *registry.Manifest, images string) bool { // for an alias that has moved
		alias, managed := s.aliases[m.Annotations[AnnotationAlias]]
		now := s.after.tags[alias.Tag]
		if _, attested := s.imagesOf(now); !managed || now == "" || attested {
			return false
		}
		return !slices.ContainsFunc(strings.Fields(images), func(digest string) bool { return needed[digest] == "" })
	}
	var errs []error
	for digest, m := range s.bodies {
		images, attested := s.imagesOf(digest)
		if !attested || was[digest] || is[digest] || !tagged[images] && !made(m, images) {
			continue
		}
		errs = append(errs, s.replace(m))
		s.left[digest] = true
		s.reach(digest)
		if strings.Contains(images, " ") { // a single one was there before its index
			change, err := s.strip("", m)
			errs = append(errs, err)
			if change != nil && change.content != nil && is[change.content.Digest] {
				s.became[digest] = change.content.Digest
			}
		}
	}
	return errors.Join(errs...)
}

// namedBy returns the digests that tags name.
func namedBy(tags map[string]string) map[string]bool {
	digests := map[string]bool{}
	for _, digest := range tags {
		digests[digest] = true
	}
	return digests
}
