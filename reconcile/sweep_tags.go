package reconcile

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tagline/config"
	"tagline/config/findings"
	"tagline/policies"
	"tagline/reconcile/registry"
)

// What the tags of a repository will be once the run is done.

// retag applies the plan's pushes and deletions to the tags, and adds those of
// prune. It tells which former aliases stay.
func (s *sweep) retag(plan *Plan, prune bool) error {
	maps.Copy(s.after.tags, s.before)
	var errs []error
	for _, push := range plan.Pushes {
		errs = append(errs, s.point(push))
	}
	for _, d := range plan.DeleteTags {
		delete(s.after.tags, d.Tag)
	}
	for _, tag := range slices.Sorted(maps.Keys(s.before)) {
		was, ok := s.former(tag, s.bodies[s.before[tag]])
		if !ok || s.after.tags[tag] == "" {
			continue
		}
		if !prune || was.Of != tag { // an index of another alias may be a copy that someone made by hand
			s.formers = append(s.formers, was)
			continue
		}
		last, err := s.deletesWithLastTag()
		errs = append(errs, err)
		if last && slices.Contains(s.image.Pinned, s.before[tag]) {
			continue
		}
		s.deletes = append(s.deletes, DeleteTag{Tag: tag, Old: s.before[tag], Reason: "no longer in images.yaml"})
		delete(s.after.tags, tag)
	}
	s.warnings = append(s.warnings, s.warnFormer(s.formers, 0)...)
	return errors.Join(errs...)
}

// point has a tag name what is about to be pushed.
func (s *sweep) point(push Push) error {
	m, err := push.manifest()
	if err != nil {
		return err
	}
	s.after.tags[push.Tag] = push.New
	for _, r := range push.Referrers {
		s.along[r.Subject] = append(s.along[r.Subject], r.Kind)
	}
	if _, known := s.after.manifests[push.New]; !known {
		s.after.manifests[push.New] = holdingOf(m)
	}
	return nil
}

// deletesWithLastTag reports whether the registry deletes a manifest with its
// last tag.
func (s *sweep) deletesWithLastTag() (bool, error) {
	facts, err := s.settings()
	return facts.LastTag, err
}

// refuse notes why a policy, by its position, can't be carried out.
func (s *sweep) refuse(id findings.ID, policy config.Pos, format string, args ...any) {
	s.found = append(s.found, &config.Finding{ID: id, Pos: policy, Message: fmt.Sprintf(format, args...)})
}

// purgeTags rewrites every tag without its attestations. Aliases are composed
// without them already, but what they were is replaced all the same.
func (s *sweep) purgeTags() error {
	var errs []error
	kept := map[obstacle][]string{}
	for _, tag := range slices.Sorted(maps.Keys(s.before)) {
		m := s.bodies[s.before[tag]]
		if m == nil || s.after.tags[tag] == "" {
			continue
		}
		if _, alias := s.aliases[tag]; alias {
			if s.after.tags[tag] != m.Digest {
				errs = append(errs, s.replace(m), s.warnAlias(tag, m, "moves from"))
			}
			continue
		}
		change, err := s.purge(tag, m)
		if err != nil || change == nil {
			errs = append(errs, err)
			continue
		}
		errs = append(errs, s.warnPurged(tag, change))
		if !change.allow {
			continue
		}
		why, err := s.unpurgeable(tag, change)
		errs = append(errs, err)
		if why != "" {
			kept[why] = append(kept[why], tag)
			continue
		}
		errs = append(errs, s.rewrite(tag, m, change.content, len(change.attestations)))
		for _, digest := range change.replaced {
			s.replaced[digest] = true
		}
	}
	errs = append(errs, s.warnFollowers())
	if tags := kept[immutable]; len(tags) > 0 {
		s.refuse(findings.ImmutableTag, policies.Provenance.Pos(s.rules), "purge can't rewrite tags of %s that are immutable: %s; exclude them from immutability, or set provenance: drop", s.home, few(tags))
	}
	if tags := kept[broken]; len(tags) > 0 && errors.Join(errs...) == nil {
		s.refuse(findings.MissingChild, policies.Provenance.Pos(s.rules), "purge leaves tags of %s alone that list what is not there any more: %s; push them again", s.home, few(tags))
	}
	return errors.Join(errs...)
}

// obstacle is why a tag can't be purged; "" if it can.
type obstacle string

const (
	immutable obstacle = "immutable" // the registry would refuse to move it
	broken    obstacle = "broken"    // it lists what is not there, or what could not be asked for
)

// unpurgeable returns why a purge can't make a change to a tag.
func (s *sweep) unpurgeable(tag string, change *purged) (obstacle, error) {
	facts, err := s.settings()
	if err == nil && facts.Tags.Fixed(tag) {
		return immutable, nil
	}
	gone, unread := s.missingFrom(change.content)
	if len(gone) > 0 || unread != nil {
		return broken, errors.Join(err, unread)
	}
	return "", err
}

// warnPurged says what refers to an index that a purge replaces, or would.
func (s *sweep) warnPurged(tag string, change *purged) error {
	if len(change.signed) == 0 {
		return nil
	}
	w := s.warnSigned(tag, change)
	s.warnings = append(s.warnings, w)
	if !change.allow {
		return nil
	}
	odd, err := s.foreign(change.replaced)
	if len(odd) > 0 {
		w.Message += "; " + few(odd) + " may be something else, and stays with what it is named after"
	}
	return err
}

// warnFollowers warns of new aliases that follow a tag which is left alone.
func (s *sweep) warnFollowers() error {
	var errs []error
	for _, tag := range slices.Sorted(maps.Keys(s.after.tags)) {
		alias, is := s.aliases[tag]
		if !is || s.before[tag] != "" || len(alias.Sources) != 1 || alias.Sources[0].Repository != s.home || alias.Sources[0].Platform != (config.Platform{}) {
			continue
		}
		source := alias.Sources[0].Tag
		if m := s.bodies[s.before[source]]; m != nil && s.after.tags[source] == m.Digest {
			errs = append(errs, s.warnAlias(tag, m, "follows"))
		}
	}
	return errors.Join(errs...)
}

// warnAlias warns of an alias that has the images of a signed index, but not its
// attestations, so that no signature matches it.
func (s *sweep) warnAlias(tag string, m *registry.Manifest, does string) error {
	change, err := s.strip(tag, m)
	if change == nil || change.content == nil || err != nil {
		return err
	}
	was, _ := s.imagesOf(m.Digest)
	if now, _ := s.imagesOf(s.after.tags[tag]); now != was {
		return nil
	}
	now := s.after.tags[tag]
	signed, err := s.lost(change, now)
	if len(signed) > 0 {
		alias, to := s.aliases[tag], "to"
		if s.before[tag] == "" {
			to = "and gets"
		}
		loses, they := kindsOf(signed)
		attach, must, _ := toReplace(loses, now)
		s.warnings = append(s.warnings, warning(alias, alias.Pos, findings.SignedTag,
			"alias %q of %s %s %s, which has %s (%s), %s %s, which has the same images without attestations, so %s not match; set provenance: keep, or %s if the alias must %s",
			tag, s.home, does, m.Digest, strings.Join(loses, " and "), few(signed), to, now, they, attach, must))
	}
	return err
}

// lost names what refers to the manifests that a tag would lose, without the kinds of
// what refers to the digest that it gets, or comes along with that. BuildKit's
// attestations go by the provenance policy.
func (s *sweep) lost(change *stripped, now string) ([]string, error) {
	signed, err := s.signatures(change)
	if err != nil || len(signed) == 0 {
		return nil, err
	}
	also, err := s.referring(now)
	has := slices.Clone(s.along[now])
	for _, words := range also {
		if !strings.HasPrefix(words, registry.AttestationArtifactType+" ") {
			has = append(has, referrerKind(words))
		}
	}
	return slices.DeleteFunc(signed, func(words string) bool { return slices.Contains(has, referrerKind(words)) }), err
}

// kindsOf says what kinds of referrers the words of [view.signatures] name, and that
// they do, as the start of a clause.
func kindsOf(signed []string) (kinds []string, they string) {
	for _, words := range signed {
		kinds = append(kinds, referrerWords[referrerKind(words)])
	}
	slices.Sort(kinds)
	if kinds = slices.Compact(kinds); len(kinds) > 1 || len(signed) > 1 {
		return kinds, "these do"
	}
	_, noun, _ := strings.Cut(kinds[0], " ")
	return kinds, "the " + noun + " does"
}

// referrerKind tells the kind of a referrer by the words of [view.signatures].
func referrerKind(words string) string {
	what, name, _ := strings.Cut(words, " ")
	if what == "tag" {
		return cmp.Or(cosignKinds[path.Ext(name)], RefersOther)
	}
	return refersAs(what)
}

// missingFrom returns what a rewritten tag would list and can't be pulled. Where
// the registry lists everything, that list tells.
func (s *sweep) missingFrom(content *registry.Manifest) ([]ocispec.Descriptor, error) {
	if s.stock != nil {
		return s.unstocked(content, 0), nil
	}
	return s.missing(content, func(string) config.Repository { return s.home }, 0)
}

// unstocked returns what an index lists, at any depth, and the inventory lacks.
func (s *sweep) unstocked(m *registry.Manifest, depth int) (gone []ocispec.Descriptor) {
	for _, d := range m.Children {
		_, there := s.after.manifests[d.Digest.String()]
		switch below := s.bodies[d.Digest.String()]; {
		case !registry.KnownType(d.MediaType):
		case !there:
			gone = append(gone, d)
		case below != nil && depth < maxNesting:
			gone = append(gone, s.unstocked(below, depth+1)...)
		}
	}
	return gone
}

// replace notes an index that a tag leaves behind, and those nested in it, as far
// as they hold attestations.
func (s *sweep) replace(m *registry.Manifest) error {
	if !m.Index {
		return nil
	}
	var change stripped
	_, err := s.keep(m, &change, 0)
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
	leaves, err := s.leaves(s.home, from, descriptorOf(from), 0)
	if errors.Is(err, errUnknown) {
		return err
	}
	for _, l := range distinct(leaves) {
		if l.Kind == policies.Image {
			push.Platforms = append(push.Platforms, PlatformChange{Platform: l.target(), Digest: l.Digest, OldDigest: l.Digest})
		}
	}
	s.pushes = append(s.pushes, push)
	return s.point(push)
}

// emptyFallbacks takes out of each fallback tag the attestations that no index
// lists any more, if a tag leads to their image. If no tag does, the image may
// be being pushed right now. A fallback tag that is left empty is deleted.
func (s *sweep) emptyFallbacks() error {
	without := s.after
	without.tags, without.manifests = maps.Clone(s.after.tags), maps.Clone(s.after.manifests)
	for tag, digest := range s.after.tags {
		m := s.bodies[digest]
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
		_, alias := s.aliases[tag]
		if _, kept := without.tags[tag]; kept || alias || led[registry.FallbackSubject(tag)] == "" {
			continue
		}
		m := s.bodies[s.after.tags[tag]]
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
		to, err := withEntries(m, stay)
		if err == nil {
			err = s.rewrite(tag, m, to, lost)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
