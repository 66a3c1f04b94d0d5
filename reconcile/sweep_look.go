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
	"tagline/reconcile/registry"
)

// What a repository holds now.

// sweep looks at a repository as a whole. It decides which tags prune deletes
// and purge rewrites, and which manifests nothing needs once that is done.
type sweep struct {
	scope
	stock *stock // nil if the registry lists tags alone; then only what they lead to is known

	before   map[string]string                  // digest by tag, now
	bodies   map[string]*registry.Manifest      // manifests that were read, by digest
	after    holding                            // the repository once the run is done
	reached  map[string]bool                    // digests that tags other than fallback tags lead to now
	replaced map[string]bool                    // indexes that a purge replaces
	left     map[string]bool                    // those of them that an earlier purge has left behind
	became   map[string]string                  // what that purge made of them, by their digest, where a tag names it
	goes     map[string]string                  // what refers to a digest that a purge deletes, and goes with it: that digest
	along    map[string][]string                // kinds of what comes along with copies, by the digest that it refers to
	attests  map[string]string                  // by digest of an attestation: its image's platform, if an index says
	blind    string                             // an archived manifest that may refer to anything
	lines    map[string]registry.StoredManifest // of stock, by digest
	made     map[string][]time.Time             // see madeFor
	was, is  map[string]bool                    // digests that tags name now, and once the run is done
	withTag  map[string]bool                    // digests that the registry deletes with their last tag, which this run deletes
	stranded map[string]bool                    // digests that these list, however deep
	untagged bool                               // untagged: delete

	pushes   []Push
	deletes  []DeleteTag
	formers  []FormerAlias
	found    []*config.Finding
	warnings []*config.Finding
}

// look reads the repository as it is now.
func (s *sweep) look() (err error) {
	if s.stock, err = s.inventory(); err != nil {
		return err
	}
	names, err := s.tagNames()
	if err != nil {
		return err
	}
	errs := []error{s.compareTags(names)}
	if s.stock == nil {
		for _, tag := range names {
			m, err := s.named(tag)
			if err != nil {
				errs = append(errs, fmt.Errorf("tag %q: %w", tag, err))
				continue
			}
			s.before[tag] = m.Digest
			errs = append(errs, s.add(m), s.addIfPresent(registry.FallbackSubject(tag)))
		}
		for _, digest := range s.image.Pinned {
			errs = append(errs, s.addIfPresent(digest))
		}
	} else {
		for _, line := range s.stock.Manifests {
			errs = append(errs, s.addStored(line))
		}
	}
	for tag, digest := range s.before {
		if registry.FallbackSubject(tag) == "" {
			s.reach(digest)
		}
	}
	return errors.Join(errs...)
}

// compareTags compares the list of tags with what single tags answered. With an
// incomplete list, manifests that are still needed would be deleted.
func (s *sweep) compareTags(names []string) error {
	var errs []error
	listed := map[string]bool{}
	for _, tag := range names {
		listed[tag] = true
	}
	compare := func(tag string, exists bool) {
		switch {
		case !exists && listed[tag]:
			errs = append(errs, fmt.Errorf("the list of tags has %q, but there is no such tag; another job may be at work, run again", tag))
		case exists && !listed[tag]:
			errs = append(errs, fmt.Errorf("the list of tags lacks %q, which exists; another job may be at work, run again", tag))
		}
	}
	for _, alias := range s.image.Aliases {
		_, err := s.tag(s.home, alias.Tag)
		if gone := errors.Is(err, registry.ErrNotFound); err == nil || gone {
			compare(alias.Tag, !gone)
		} else {
			errs = append(errs, err)
		}
	}
	for tag, exists := range s.sourceTags() {
		compare(tag, exists)
	}
	return errors.Join(errs...)
}

// sourceTags are the tags of this repository that the run has asked for as sources, and
// whether each exists. It asks for none.
func (s *sweep) sourceTags() map[string]bool {
	known, tags := s.resolved(), map[string]bool{}
	for _, alias := range s.image.Aliases {
		for _, source := range alias.Sources {
			if source.Repository != s.home || source.Tag == "" || source.Alias {
				continue
			}
			at := place{s.home, source.Tag}
			if known[source.Tag] != "" {
				tags[source.Tag] = true
			} else if errors.Is(s.tags[at].Err, registry.ErrNotFound) || errors.Is(s.manifests[at].Err, registry.ErrNotFound) {
				tags[source.Tag] = false
			}
		}
	}
	return tags
}

// named returns what a tag names, by the same answer that aliases are made of.
func (s *sweep) named(tag string) (*registry.Manifest, error) {
	if _, alias := s.aliases[tag]; !alias {
		return s.manifest(s.home, tag)
	}
	at, err := s.tag(s.home, tag)
	if err != nil {
		return nil, err
	}
	return s.manifest(s.home, at.Digest)
}

// add takes in a manifest. If the registry lists tags alone, it takes in what
// the manifest leads to as well.
func (s *sweep) add(m *registry.Manifest) error {
	if s.bodies[m.Digest] != nil {
		return nil
	}
	s.bodies[m.Digest] = m
	of, seen := s.after.manifests[m.Digest], holdingOf(m)
	of.children, of.subject, of.unknown = seen.children, cmp.Or(seen.subject, of.subject), seen.unknown
	of.attestation = of.attestation || seen.attestation
	s.after.manifests[m.Digest] = of
	var errs []error
	for _, d := range m.Children {
		digest := d.Digest.String()
		kind, below, err := s.child(d)
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
			s.attests[digest] = attestedPlatform(m, d)
		}
		if below != nil && s.stock == nil {
			errs = append(errs, s.add(below))
		}
	}
	if m.Subject != nil && s.stock == nil {
		errs = append(errs, s.addIfPresent(m.Subject.Digest.String()))
	}
	return errors.Join(errs...)
}

// addIfPresent takes in a manifest that is needed by its digest alone, if it
// exists.
func (s *sweep) addIfPresent(digest string) error {
	if digest == "" || s.bodies[digest] != nil {
		return nil
	}
	m, err := s.manifest(s.home, digest)
	if errors.Is(err, registry.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.add(m)
}

// attestedPlatform returns the platform of the image that an attestation of the
// same index attests, "" if the index does not say.
func attestedPlatform(index *registry.Manifest, attestation ocispec.Descriptor) string {
	for _, d := range index.Children {
		if d.Digest.String() == attestation.Annotations[registry.AnnotationReferenceDigest] {
			return registry.PlatformOf(d.Platform).Normal().String()
		}
	}
	return ""
}

// addStored takes in a line of an inventory.
func (s *sweep) addStored(line registry.StoredManifest) error {
	var errs []error
	for _, tag := range line.Tags {
		s.before[tag] = line.Digest
		at := place{s.home, tag}
		resolved, fetched := s.tags[at], s.manifests[at]
		alone := []string{resolved.Value.Digest}
		if fetched.Value != nil {
			alone = append(alone, fetched.Value.Digest)
		}
		for _, digest := range alone {
			if digest != "" && digest != line.Digest {
				errs = append(errs, fmt.Errorf("tag %q is %s by the list and %s by itself; another job may be at work, run again", tag, line.Digest, digest))
			}
		}
	}
	m, err := s.stored(line)
	switch {
	case err != nil:
		errs = append(errs, err)
	case m != nil:
		errs = append(errs, s.add(m))
	default:
		s.after.manifests[line.Digest] = held{unknown: true}
		if line.Archived && (line.ArtifactType != ocispec.MediaTypeImageConfig && line.ArtifactType != registry.DockerConfig) {
			s.blind = line.Digest
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

// imagesOf returns what a manifest offers but for attestations, as one text: the
// digests that an index lists, however deep, or its own digest. It reports
// whether there are attestations.
func (s *sweep) imagesOf(digest string) (images string, attested bool) {
	found := map[string]bool{}
	var walk func(digest string, depth int)
	walk = func(digest string, depth int) {
		m := s.after.manifests[digest]
		switch {
		case m.attestation:
			attested = true
		case len(m.children) == 0 || m.unknown || depth == maxNesting:
			found[digest] = true
		default:
			for _, child := range m.children {
				walk(child, depth+1)
			}
		}
	}
	walk(digest, 0)
	return strings.Join(slices.Sorted(maps.Keys(found)), " "), attested
}
