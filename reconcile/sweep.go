package reconcile

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tagline/config"
	"tagline/policies"
	"tagline/reconcile/registry"
)

// sweep looks at a repository as a whole: which tags prune deletes and purge
// rewrites, and which manifests nothing needs once that is done.
type sweep struct {
	p     *planner
	stock *stock // nil where only tags are listed, and what they lead to is all that is known

	before    map[string]string // digest by tag, now
	manifests map[string]*registry.Manifest
	after     holding
	reached   map[string]bool   // what tags other than fallback tags lead to now
	replaced  map[string]bool   // indexes that a purge replaces
	attests   map[string]string // by digest of an attestation: the platform of its image, where an index tells
	blind     string            // what is archived and may refer to anything
	pushed    map[string]time.Time
	untagged  bool // untagged: delete

	pushes   []Push
	deletes  []DeleteTag
	found    []*config.Finding
	warnings []*config.Finding
}

// sweep adds to a plan what concerns the repository as a whole. What it can't
// find out is an error of the plan, and then none of it is done; nor is it if
// the plan has errors already.
func (p *planner) sweep(plan *Plan) {
	setting := func(policy policies.Policy) string { return p.image.Policies[policy.Name].Value }
	prune, untagged := setting(policies.Prune) == "true", setting(policies.Untagged) == "delete"
	if !prune && !untagged && !p.purging() {
		return
	}
	s := &sweep{
		p: p, untagged: untagged, before: map[string]string{}, manifests: map[string]*registry.Manifest{},
		after:   holding{tags: map[string]string{}, pinned: p.image.Pinned, manifests: map[string]held{}, purge: p.purging()},
		reached: map[string]bool{}, replaced: map[string]bool{}, attests: map[string]string{},
	}
	if err := s.look(); err != nil {
		plan.fail(err)
		return
	}
	swept := Swept{Tags: len(s.before), Manifests: len(s.after.manifests), Unlisted: untagged && s.stock == nil}
	err := s.retag(plan, prune)
	if p.purging() {
		err = errors.Join(err, s.purge())
	}
	if err != nil {
		plan.fail(err)
		return
	}
	s.judge()
	if p.purging() {
		err = s.fallbacks()
	}
	if err != nil {
		plan.fail(err)
		return
	}
	due, err := s.due()
	if err != nil {
		plan.fail(err)
		return
	}
	if len(plan.Errors) > 0 {
		return
	}
	swept.Held = s.heldAttestations()
	plan.Swept = swept
	plan.Pushes = append(plan.Pushes, s.pushes...)
	plan.DeleteTags = append(plan.DeleteTags, s.deletes...)
	plan.Violations = append(plan.Violations, s.found...)
	plan.Warnings = append(plan.Warnings, s.warnings...)
	plan.DeleteManifests = due
	if len(due) > 0 {
		for _, tag := range slices.Sorted(maps.Keys(s.after.tags)) {
			plan.Tags = append(plan.Tags, TagDigest{tag, s.after.tags[tag]})
		}
	}
}

// fail notes what could not be found out about the repository as a whole.
func (p *Plan) fail(err error) {
	p.Errors = append(p.Errors, Failure{Message: "nothing is purged or deleted: " + few(strings.Split(err.Error(), "\n"))})
}

// look reads the repository as it is now.
func (s *sweep) look() (err error) {
	p := s.p
	if s.stock, err = p.stock(); err != nil {
		return err
	}
	names, err := p.names()
	if err != nil {
		return err
	}
	errs := []error{s.compare(names)}
	if s.stock == nil {
		for _, tag := range names {
			m, err := s.tagged(tag)
			if err != nil {
				errs = append(errs, fmt.Errorf("tag %q: %w", tag, err))
				continue
			}
			s.before[tag] = m.Digest
			errs = append(errs, s.add(m), s.addIfThere(registry.FallbackSubject(tag)))
		}
		for _, digest := range p.image.Pinned {
			errs = append(errs, s.addIfThere(digest))
		}
	} else {
		for _, stored := range s.stock.Manifests {
			errs = append(errs, s.addStored(stored))
		}
	}
	for tag, digest := range s.before {
		if registry.FallbackSubject(tag) == "" {
			s.reach(digest)
		}
	}
	return errors.Join(errs...)
}

// compare holds the list of tags against what is known of single ones, since a
// list that is not complete would have needed manifests deleted.
func (s *sweep) compare(names []string) error {
	var errs []error
	listed := map[string]bool{}
	for _, tag := range names {
		listed[tag] = true
	}
	for _, alias := range s.p.image.Aliases {
		_, err := s.p.tag(s.p.image.Repository, alias.Tag)
		switch gone := errors.Is(err, registry.ErrNotFound); {
		case err != nil && !gone:
			errs = append(errs, err)
		case gone && listed[alias.Tag]:
			errs = append(errs, fmt.Errorf("the list of tags has %q, but there is no such tag; somebody else may be at work, run again", alias.Tag))
		case !gone && !listed[alias.Tag]:
			errs = append(errs, fmt.Errorf("the list of tags lacks %q, which exists; somebody else may be at work, run again", alias.Tag))
		}
	}
	return errors.Join(errs...)
}

// tagged is what a tag names, by the same answer that aliases are made of.
func (s *sweep) tagged(tag string) (*registry.Manifest, error) {
	if _, alias := s.p.aliases[tag]; !alias {
		return s.p.manifest(s.p.image.Repository, tag)
	}
	at, err := s.p.tag(s.p.image.Repository, tag)
	if err != nil {
		return nil, err
	}
	return s.p.manifest(s.p.image.Repository, at.Digest)
}

// add takes in a manifest and, where that is the only way to know of it, what
// it lists.
func (s *sweep) add(m *registry.Manifest) error {
	if s.manifests[m.Digest] != nil {
		return nil
	}
	s.manifests[m.Digest] = m
	of, seen := s.after.manifests[m.Digest], holdingOf(m)
	of.children, of.subject, of.unknown = seen.children, cmp.Or(seen.subject, of.subject), seen.unknown
	of.attestation = of.attestation || seen.attestation
	s.after.manifests[m.Digest] = of
	var errs []error
	for _, d := range m.Children {
		digest := d.Digest.String()
		kind, below, err := s.p.child(d)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		child, known := s.after.manifests[digest]
		child.attestation = child.attestation || kind == attestation
		child.unknown = child.unknown || !known && !registry.KnownType(d.MediaType)
		if s.stock == nil || known {
			s.after.manifests[digest] = child
		}
		if kind == attestation {
			s.attests[digest] = platformOfAttestation(m, d)
		}
		if below != nil && s.stock == nil {
			errs = append(errs, s.add(below))
		}
	}
	if m.Subject != nil && s.stock == nil {
		errs = append(errs, s.addIfThere(m.Subject.Digest.String()))
	}
	return errors.Join(errs...)
}

// addIfThere takes in what is needed by its digest alone, which may not exist.
func (s *sweep) addIfThere(digest string) error {
	if digest == "" || s.manifests[digest] != nil {
		return nil
	}
	m, err := s.p.manifest(s.p.image.Repository, digest)
	if errors.Is(err, registry.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.add(m)
}

// platformOfAttestation is that of the image that an attestation stands beside.
func platformOfAttestation(index *registry.Manifest, of ocispec.Descriptor) string {
	for _, d := range index.Children {
		if d.Digest.String() == of.Annotations[registry.AnnotationReferenceDigest] {
			return registry.PlatformOf(d.Platform).Normal().String()
		}
	}
	return ""
}

// addStored takes in a line of an inventory.
func (s *sweep) addStored(stored registry.StoredManifest) error {
	p := s.p
	var errs []error
	for _, tag := range stored.Tags {
		s.before[tag] = stored.Digest
		at := place{p.image.Repository, tag}
		resolved, fetched := p.state.tags[at], p.state.manifests[at]
		if digest := resolved.Value.Digest; digest != "" && digest != stored.Digest {
			errs = append(errs, fmt.Errorf("tag %q is %s by the list and %s by itself; somebody else may be at work, run again", tag, stored.Digest, digest))
		}
		if m := fetched.Value; m != nil && m.Digest != stored.Digest {
			errs = append(errs, fmt.Errorf("tag %q is %s by the list and %s by itself; somebody else may be at work, run again", tag, stored.Digest, m.Digest))
		}
	}
	m, err := p.stored(stored)
	switch {
	case err != nil:
		errs = append(errs, err)
	case m != nil:
		errs = append(errs, s.add(m))
	default:
		s.after.manifests[stored.Digest] = held{unknown: true}
		if stored.Archived && (stored.ArtifactType != ocispec.MediaTypeImageConfig && stored.ArtifactType != registry.DockerConfig) {
			s.blind = stored.Digest
		}
	}
	return errors.Join(errs...)
}

// reach marks a manifest and all that it lists.
func (s *sweep) reach(digest string) {
	if s.reached[digest] {
		return
	}
	s.reached[digest] = true
	for _, child := range s.after.manifests[digest].children {
		s.reach(child)
	}
}
