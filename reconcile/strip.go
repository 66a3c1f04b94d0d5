package reconcile

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tagline/config"
	"tagline/reconcile/registry"
)

// What an index is without its attestations.

// stripped is an index without its attestations.
type stripped struct {
	old          *registry.Manifest
	content      *registry.Manifest   // nil if nothing is left
	attestations []ocispec.Descriptor // what it loses
	replaced     []string             // the indexes that go with them: its own, and nested ones
}

// strip works out what a tag's manifest becomes without attestations. It is nil
// if there are none.
func (v *view) strip(tag string, m *registry.Manifest) (*stripped, error) {
	if !m.Index {
		return nil, nil
	}
	s := &stripped{old: m}
	kept, err := v.keep(m, s, 0)
	if err != nil || len(s.attestations) == 0 {
		return nil, err
	}
	if len(kept) > 0 {
		s.content, err = v.without(m, kept, tag)
	}
	return s, err
}

// entry is an entry of an index, and its bytes.
type entry struct {
	ocispec.Descriptor
	raw json.RawMessage
}

// keep returns the entries that an index keeps, and notes in s what it loses. A
// nested index that loses nothing stays as it is. The entries of any other one
// move up.
func (v *view) keep(index *registry.Manifest, s *stripped, depth int) ([]entry, error) {
	if depth == maxNesting {
		return nil, fmt.Errorf("index %s: indexes are nested deeper than %d", index.Digest, maxNesting)
	}
	var (
		raw    struct{ Manifests []json.RawMessage }
		kept   []entry
		errs   []error
		before = len(s.attestations)
	)
	if err := json.Unmarshal(index.Body, &raw); err != nil {
		return nil, fmt.Errorf("manifest %s: %w", index.Digest, err)
	}
	for i, d := range index.Children {
		kind, m, err := v.child(d)
		switch {
		case err != nil:
			errs = append(errs, err)
		case kind == attestation:
			s.attestations = append(s.attestations, d)
		case kind == nested:
			before := len(s.attestations)
			below, err := v.keep(m, s, depth+1)
			errs = append(errs, err)
			if len(s.attestations) > before {
				kept = append(kept, below...)
				continue
			}
			fallthrough
		default:
			kept = append(kept, entry{d, raw.Manifests[i]})
		}
	}
	if len(s.attestations) > before {
		s.replaced = append(s.replaced, index.Digest)
	}
	return kept, errors.Join(errs...)
}

// childKind is what an entry of an index leads to.
type childKind int

const (
	plain childKind = iota // an image, an artifact, or something missing or unknown
	attestation
	nested
)

// child tells what an entry of the home repository's index leads to. It reads
// the manifest only if the entry does not say; then it returns it.
func (v *view) child(d ocispec.Descriptor) (childKind, *registry.Manifest, error) {
	switch {
	case registry.MarksAttestation(d):
		return attestation, nil, nil
	case !registry.KnownType(d.MediaType), !registry.IsIndex(d.MediaType) && registry.PlatformOf(d.Platform) != (config.Platform{}):
		return plain, nil, nil
	}
	m, err := v.manifest(v.home, d.Digest.String())
	switch {
	case errors.Is(err, registry.ErrNotFound), errors.Is(err, registry.ErrArchived):
		return plain, nil, nil
	case err != nil:
		return plain, nil, err
	case m.Index:
		return nested, m, nil
	case m.IsAttestation():
		return attestation, m, nil
	}
	return plain, m, nil
}

// without returns an index of the given entries that is otherwise unchanged, or
// the single image that replaces it.
func (v *view) without(index *registry.Manifest, entries []entry, tag string) (*registry.Manifest, error) {
	if image, err := v.single(index, entries, tag); image != nil || err != nil {
		return image, err
	}
	raw := make([]json.RawMessage, len(entries))
	for i, e := range entries {
		raw[i] = e.raw
	}
	return withEntries(index, raw)
}

// single returns the image that replaces its index, nil if the index has to
// stay: it has more entries, it carries the mark by which prune recognises
// tagline's own tags, or it names a platform or features that the image's config
// does not.
func (v *view) single(index *registry.Manifest, entries []entry, tag string) (*registry.Manifest, error) {
	if len(entries) != 1 || len(registry.Features(entries[0].Descriptor)) > 0 || registry.IsIndex(entries[0].MediaType) || !registry.KnownType(entries[0].MediaType) || index.Annotations[AnnotationAlias] == tag {
		return nil, nil
	}
	m, err := v.manifest(v.home, entries[0].Digest.String())
	if errors.Is(err, registry.ErrNotFound) || errors.Is(err, registry.ErrArchived) || err == nil && !m.IsImage() {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	platform, err := v.platform(v.home, m.Config.Digest.String())
	if said := registry.PlatformOf(entries[0].Platform); err != nil || said != (config.Platform{}) && said.Normal() != platform.Normal() {
		return nil, err
	}
	return m, nil
}

// withEntries returns an index with other entries. Its bytes depend on those of
// the index and of the entries, and on nothing else.
func withEntries(index *registry.Manifest, entries []json.RawMessage) (*registry.Manifest, error) {
	var body map[string]json.RawMessage
	err := json.Unmarshal(index.Body, &body)
	for key, value := range map[string]any{"manifests": entries, "mediaType": index.MediaType} {
		if err == nil {
			body[key], err = json.Marshal(value)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", index.Digest, err)
	}
	text, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", index.Digest, err)
	}
	return registry.ParseManifest(registry.RawManifest{Digest: digest.FromBytes(text).String(), MediaType: index.MediaType, Body: text})
}
