package reconcile

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tagline/config"
	"tagline/policies"
	"tagline/reconcile/registry"
)

// What the tags of a repository will be once the run is done.

// retag works out what the tags will be once the run is done, but for what a
// purge does to those that are no aliases.
func (s *sweep) retag(plan *Plan, prune bool) error {
	maps.Copy(s.after.tags, s.before)
	var errs []error
	for _, push := range plan.Pushes {
		errs = append(errs, s.push(push))
	}
	for _, d := range plan.DeleteTags {
		delete(s.after.tags, d.Tag)
	}
	for _, tag := range slices.Sorted(maps.Keys(s.before)) {
		_, alias := s.p.aliases[tag]
		m := s.manifests[s.before[tag]]
		if !prune || alias || m == nil || !m.Index || m.Annotations[AnnotationAlias] != tag {
			continue
		}
		if s.p.image.Used[tag] != "" { // it is no alias any more, but a source
			continue
		}
		last, err := s.lastTag()
		errs = append(errs, err)
		if last && slices.Contains(s.p.image.Pinned, s.before[tag]) {
			continue
		}
		s.deletes = append(s.deletes, DeleteTag{Tag: tag, Old: s.before[tag], Reason: "no longer in images.yaml"})
		delete(s.after.tags, tag)
	}
	return errors.Join(errs...)
}

// push has a tag name what is about to be pushed.
func (s *sweep) push(push Push) error {
	m, err := registry.ParseManifest(registry.RawManifest{Digest: push.New, MediaType: push.MediaType, Body: push.Manifest})
	if err != nil {
		return err
	}
	s.after.tags[push.Tag] = push.New
	if _, known := s.after.manifests[push.New]; !known {
		s.after.manifests[push.New] = holdingOf(m)
	}
	return nil
}

// lastTag tells whether the registry deletes a manifest with its last tag. It is
// asked only for tags that are to go.
func (s *sweep) lastTag() (bool, error) {
	facts, err := ask(s.p.state.facts, s.p.open.facts, s.p.image.Repository)
	return facts.LastTag, err
}

// fixed tells whether the registry would refuse to move a tag. It is asked only
// for tags that are to change.
func (s *sweep) fixed(tag string) (bool, error) {
	facts, err := ask(s.p.state.facts, s.p.open.facts, s.p.image.Repository)
	return err == nil && facts.Tags.Fixed(tag), err
}

// refuse notes what stands in the way of a policy.
func (s *sweep) refuse(id string, policy policies.Policy, format string, args ...any) {
	s.found = append(s.found, &config.Finding{ID: id, Pos: s.p.image.Policies[policy.Name].Pos, Message: fmt.Sprintf(format, args...)})
}

// purge rewrites every tag that is no alias without its attestations. Aliases
// are composed without; what they were is replaced all the same.
func (s *sweep) purge() error {
	var (
		errs          []error
		fixed, broken []string
	)
	for _, tag := range slices.Sorted(maps.Keys(s.before)) {
		m := s.manifests[s.before[tag]]
		if m == nil || s.after.tags[tag] == "" {
			continue
		}
		if _, alias := s.p.aliases[tag]; alias {
			errs = append(errs, s.replace(tag, m))
			continue
		}
		change, err := s.p.purge(tag, m)
		if err != nil || change == nil {
			errs = append(errs, err)
			continue
		}
		if len(change.signed) > 0 {
			s.warnings = append(s.warnings, s.p.warnSigned(tag, change))
		}
		if !s.p.mayPurge(change) {
			continue
		}
		stays, err := s.fixed(tag)
		if stays {
			fixed = append(fixed, tag)
			continue
		}
		gone, lost := s.missing(change.content)
		if errs = append(errs, err, lost); len(gone) > 0 || lost != nil {
			broken = append(broken, tag)
			continue
		}
		errs = append(errs, s.rewrite(tag, m, change.content, len(change.attestations)))
		for _, digest := range change.replaced {
			s.replaced[digest] = true
		}
	}
	if len(fixed) > 0 {
		s.refuse("immutable-tag", policies.Provenance, "purge can't rewrite tags of %s that are immutable: %s; exclude them from immutability, or set provenance: drop", s.p.image.Repository, few(fixed))
	}
	if len(broken) > 0 && errors.Join(errs...) == nil {
		s.refuse("missing-child", policies.Provenance, "purge leaves tags of %s alone that list what is not there any more: %s; push them again", s.p.image.Repository, few(broken))
	}
	return errors.Join(errs...)
}

// missing is what a tag would list once it is rewritten, and nobody can pull. A
// registry that lists everything deletes nothing that an index has.
func (s *sweep) missing(content *registry.Manifest) ([]ocispec.Descriptor, error) {
	if s.stock != nil {
		return nil, nil
	}
	manifests := *content
	manifests.Children = slices.DeleteFunc(slices.Clone(content.Children), func(d ocispec.Descriptor) bool { return !registry.KnownType(d.MediaType) })
	return s.p.gone(&manifests, func(string) config.Repository { return s.p.image.Repository }, 0)
}

// replace notes the indexes that an alias leaves behind with attestations in
// them.
func (s *sweep) replace(tag string, m *registry.Manifest) error {
	if !m.Index || s.after.tags[tag] == m.Digest {
		return nil
	}
	var change purged
	_, err := s.p.strip(m, &change, 0)
	for _, digest := range change.replaced {
		s.replaced[digest] = true
	}
	return err
}

// rewrite pushes an index under its tag without some attestations.
func (s *sweep) rewrite(tag string, from, to *registry.Manifest, attestations int) error {
	push := Push{
		Tag: tag, Old: from.Digest, New: to.Digest, MediaType: to.MediaType, Manifest: to.Body, Purged: attestations,
	}
	leaves, err := s.p.leaves(s.p.image.Repository, from, descriptorOf(from), 0)
	if errors.Is(err, errUnknown) {
		return err
	}
	for _, l := range distinct(leaves) {
		if l.Kind == policies.Image {
			push.Platforms = append(push.Platforms, PlatformChange{Platform: l.Platform.Normal().String(), Digest: l.Digest, OldDigest: l.Digest})
		}
	}
	s.pushes = append(s.pushes, push)
	return s.push(push)
}

// fallbacks takes out of each fallback tag the attestations that no index holds
// any more, if a tag leads to their image, and deletes the tag if nothing is
// left in it. Where none does, somebody may just be pushing the image.
func (s *sweep) fallbacks() error {
	without := s.after
	without.tags, without.manifests = maps.Clone(s.after.tags), maps.Clone(s.after.manifests)
	for tag, digest := range s.after.tags {
		m := s.manifests[digest]
		if registry.FallbackSubject(tag) != "" && m != nil && slices.ContainsFunc(m.Children, registry.MarksAttestation) {
			delete(without.tags, tag)
			without.manifests[digest] = held{children: s.after.manifests[digest].children}
		}
	}
	if len(without.tags) == len(s.after.tags) {
		return nil
	}
	needed, led := without.needed(), without.tagged().needed()
	var errs []error
	for _, tag := range slices.Sorted(maps.Keys(s.after.tags)) {
		_, alias := s.p.aliases[tag]
		if _, kept := without.tags[tag]; kept || alias || led[registry.FallbackSubject(tag)] == "" {
			continue
		}
		m := s.manifests[s.after.tags[tag]]
		var raw struct{ Manifests []json.RawMessage }
		if err := json.Unmarshal(m.Body, &raw); err != nil {
			errs = append(errs, err)
			continue
		}
		stay := []json.RawMessage{}
		for i, d := range m.Children {
			if !registry.MarksAttestation(d) || needed[d.Digest.String()] != "" {
				stay = append(stay, raw.Manifests[i])
			}
		}
		lost := len(m.Children) - len(stay)
		if lost == 0 {
			continue
		}
		s.replaced[m.Digest] = true
		if len(stay) == 0 {
			s.deletes = append(s.deletes, DeleteTag{Tag: tag, Old: m.Digest, Reason: "lists nothing but attestations that are purged", Emptied: true})
			delete(s.after.tags, tag)
			continue
		}
		to, err := rewritten(m, stay)
		if err == nil {
			err = s.rewrite(tag, m, to, lost)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
