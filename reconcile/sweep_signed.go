package reconcile

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tagline/reconcile/registry"
)

// What refers to digests that a purge deletes, and goes with them under signed: purge:
// what cosign keeps under tags, the index of a fallback tag, and manifests with such a
// subject.

// purges reports whether a purge deletes a manifest for what it is: an
// attestation, or an index that the purge replaced because of its attestations.
func (s *sweep) purges(digest string) bool {
	return s.purging() && (s.replaced[digest] || s.after.manifests[digest].attestation)
}

// release finds what goes with a digest that a purge deletes. Its tags then keep
// nothing. What stays for any other reason keeps its subject, and so all that refers
// to that.
func (s *sweep) release() error {
	s.goes, s.after.released = map[string]string{}, nil
	if !s.purging() || !s.purgesSigned() {
		return nil
	}
	stays := map[string]bool{}
	for {
		goes, released, err := s.dependents(stays)
		if err != nil {
			return err
		}
		after := s.after
		after.released, after.manifests = released, maps.Clone(s.after.manifests)
		for d := range goes {
			m := after.manifests[d]
			m.young, m.untagged, m.signed = false, false, false
			after.manifests[d] = m
		}
		needed, again := after.needed(), false
		for _, subject := range slices.Concat(slices.Collect(maps.Values(goes)), slices.Collect(maps.Values(released))) {
			if needed[subject] != "" && !stays[subject] {
				stays[subject], again = true, true
			}
		}
		if !again {
			s.goes, s.after = goes, after
			return nil
		}
	}
}

// dependents returns what refers to digests that a purge deletes, to what refers to
// them and so on, and tags that stand for such a reference: each with its subject. A
// subject that stays has none.
func (s *sweep) dependents(stays map[string]bool) (goes, released map[string]string, _ error) {
	tags, manifests := map[string][]string{}, map[string][]string{} // by subject
	for _, tag := range slices.Sorted(maps.Keys(s.after.tags)) {
		if _, alias := s.aliases[tag]; !alias && registry.FallbackSubject(tag) != "" {
			tags[registry.FallbackSubject(tag)] = append(tags[registry.FallbackSubject(tag)], tag)
		}
	}
	var open []string
	for _, digest := range slices.Sorted(maps.Keys(s.after.manifests)) {
		if m := s.after.manifests[digest]; m.subject != "" && !m.unknown && !m.attestation {
			manifests[m.subject] = append(manifests[m.subject], digest)
		}
		if s.purges(digest) {
			open = append(open, digest)
		}
	}
	goes, released = map[string]string{}, map[string]string{}
	var errs []error
	for ; len(open) > 0; open = open[1:] {
		subject := open[0]
		if stays[subject] {
			continue
		}
		add := func(digest string) {
			if goes[digest] == "" && !s.purges(digest) {
				goes[digest] = subject
				open = append(open, digest)
			}
		}
		for _, digest := range manifests[subject] {
			add(digest)
		}
		for _, tag := range tags[subject] {
			refers, err := s.refers(tag, subject)
			if errs = append(errs, err); refers {
				released[tag] = subject
				add(s.after.tags[tag])
			}
		}
	}
	return goes, released, errors.Join(errs...)
}

// refers reports whether a tag stands for a reference to its subject and for nothing
// else: it is what cosign pushes, or an index of referrers alone.
func (s *sweep) refers(tag, subject string) (bool, error) {
	m := s.bodies[s.after.tags[tag]]
	switch {
	case m == nil:
		return false, nil
	case tag != registry.FallbackTag(subject):
		return m.IsCosigns(), nil
	}
	if slices.ContainsFunc(m.Children, func(d ocispec.Descriptor) bool { return !registry.KnownType(d.MediaType) }) {
		return false, nil
	}
	listed, err := s.listsReferrers(m, subject)
	return len(listed) > 0 && len(listed) == len(m.Children), err
}

// foreign returns the tags that are named after digests and are no reference to them,
// in words.
func (s *sweep) foreign(digests []string) (tags []string, _ error) {
	var errs []error
	for _, tag := range slices.Sorted(maps.Keys(s.before)) {
		if subject := registry.FallbackSubject(tag); slices.Contains(digests, subject) {
			refers, err := s.refers(tag, subject)
			if errs = append(errs, err); err == nil && !refers {
				tags = append(tags, "tag "+tag)
			}
		}
	}
	return tags, errors.Join(errs...)
}

// releasedOf returns the released tags that name a digest.
func (s *sweep) releasedOf(digest string) (tags []string) {
	for _, tag := range slices.Sorted(maps.Keys(s.after.released)) {
		if s.after.tags[tag] == digest {
			tags = append(tags, tag)
		}
	}
	return tags
}

// untagReleased deletes the released tags whose manifest stays for another reason.
func (s *sweep) untagReleased(needed map[string]string) {
	for _, tag := range slices.Sorted(maps.Keys(s.after.released)) {
		if named := s.after.tags[tag]; needed[named] != "" {
			s.deletes = append(s.deletes, DeleteTag{Tag: tag, Old: named, Reason: "refers to " + registry.Short(s.after.released[tag]) + ", which goes", Emptied: true})
			delete(s.after.tags, tag)
		}
	}
}

// referrerReason says what goes with its subject.
func (s *sweep) referrerReason(m *registry.Manifest) string {
	what := refersAs(m.ArtifactType)
	if m.ArtifactType == "" {
		what = refersAs(m.Config.MediaType)
	}
	for _, tag := range s.releasedOf(m.Digest) {
		if what = cosignKinds[path.Ext(tag)]; what == "" {
			what = "list of referrers"
		}
	}
	return fmt.Sprintf("%s of %s, which goes", what, registry.Short(s.goes[m.Digest]))
}
