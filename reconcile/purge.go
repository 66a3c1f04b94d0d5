package reconcile

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tagline/config"
	"tagline/policies"
	"tagline/reconcile/registry"
)

// purging tells whether every tag of the repository is to lose its attestations.
func (p *planner) purging() bool {
	return p.image.Policies[policies.Provenance.Name].Value == "purge"
}

// purged is what a purge makes of a tag.
type purged struct {
	old          *registry.Manifest
	content      *registry.Manifest   // what the tag should name; nil where nothing would be left
	attestations []ocispec.Descriptor // that it loses
	replaced     []string             // the indexes that it loses with them: its own, and nested ones
	signed       []string             // what refers to any of these, and would no longer match
}

// after is what a source tag of the image's own repository will name once the
// run is done: aliases are made of that.
func (p *planner) after(tag string, m *registry.Manifest) (*registry.Manifest, error) {
	if !p.purging() {
		return m, nil
	}
	if change, err := p.purge(tag, m); err != nil {
		return nil, err
	} else if change != nil && p.mayPurge(change) {
		return change.content, nil
	}
	return m, nil
}

// mayPurge tells whether a tag is to be rewritten, or must be left alone.
func (p *planner) mayPurge(change *purged) bool {
	return change.content != nil &&
		(len(change.signed) == 0 || p.image.Policies[policies.Signed.Name].Value == "purge")
}

// purge works out what a tag becomes without its attestations. It is nil for a
// tag that has none, and for a fallback tag, which is no image's: sweep sees to
// those.
func (p *planner) purge(tag string, m *registry.Manifest) (*purged, error) {
	if !m.Index || registry.FallbackSubject(tag) != "" {
		return nil, nil
	}
	change := &purged{old: m}
	entries, err := p.strip(m, change, 0)
	if err != nil || len(change.attestations) == 0 {
		return nil, err
	}
	if len(entries) > 0 {
		if change.content, err = p.without(m, entries, tag); err != nil {
			return nil, err
		}
	}
	change.signed, err = p.signatures(change)
	return change, err
}

// entry is one of an index, as its bytes have it.
type entry struct {
	ocispec.Descriptor
	raw json.RawMessage
}

// strip returns the entries that an index keeps. A nested index that keeps all
// of its own stays as it is; of another one the entries move up.
func (p *planner) strip(index *registry.Manifest, change *purged, depth int) ([]entry, error) {
	if depth == maxNesting {
		return nil, fmt.Errorf("index %s: indexes stand in each other deeper than %d", index.Digest, maxNesting)
	}
	var (
		raw  struct{ Manifests []json.RawMessage }
		all  []entry
		errs []error
		lost = len(change.attestations)
	)
	if err := json.Unmarshal(index.Body, &raw); err != nil {
		return nil, fmt.Errorf("manifest %s: %w", index.Digest, err)
	}
	for i, d := range index.Children {
		what, m, err := p.child(d)
		switch {
		case err != nil:
			errs = append(errs, err)
		case what == attestation:
			change.attestations = append(change.attestations, d)
		case what == nested:
			before := len(change.attestations)
			below, err := p.strip(m, change, depth+1)
			errs = append(errs, err)
			if len(change.attestations) > before {
				all = append(all, below...)
				continue
			}
			fallthrough
		default:
			all = append(all, entry{d, raw.Manifests[i]})
		}
	}
	if len(change.attestations) > lost {
		change.replaced = append(change.replaced, index.Digest)
	}
	return all, errors.Join(errs...)
}

// childKind is what an index lists.
type childKind int

const (
	plain childKind = iota // an image, an artifact, or what is not there or not known
	attestation
	nested
)

// child looks at an entry of an index, and reads only what that does not tell.
// What was read is returned.
func (p *planner) child(d ocispec.Descriptor) (childKind, *registry.Manifest, error) {
	switch {
	case registry.MarksAttestation(d):
		return attestation, nil, nil
	case !registry.KnownType(d.MediaType), !registry.IsIndex(d.MediaType) && registry.PlatformOf(d.Platform) != (config.Platform{}):
		return plain, nil, nil
	}
	m, err := p.manifest(p.image.Repository, d.Digest.String())
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

// without is an index with the given entries and all else as it was, or the one
// image that is left.
func (p *planner) without(index *registry.Manifest, entries []entry, tag string) (*registry.Manifest, error) {
	if only, err := p.only(index, entries, tag); only != nil || err != nil {
		return only, err
	}
	raw := make([]json.RawMessage, len(entries))
	for i, e := range entries {
		raw[i] = e.raw
	}
	return rewritten(index, raw)
}

// rewritten is an index with other entries. Its bytes depend on those of both
// and on nothing else.
func rewritten(index *registry.Manifest, entries []json.RawMessage) (*registry.Manifest, error) {
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

// only is the image that stands for its whole index from now on, nil where the
// index has to stay: it has more in it, it carries the mark by which prune
// knows a tag that tagline made, or it tells of a platform that the image itself
// does not.
func (p *planner) only(index *registry.Manifest, entries []entry, tag string) (*registry.Manifest, error) {
	if len(entries) != 1 || registry.IsIndex(entries[0].MediaType) || !registry.KnownType(entries[0].MediaType) || index.Annotations[AnnotationAlias] == tag {
		return nil, nil
	}
	m, err := p.manifest(p.image.Repository, entries[0].Digest.String())
	if errors.Is(err, registry.ErrNotFound) || errors.Is(err, registry.ErrArchived) || err == nil && !m.IsImage() {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	platform, err := p.platform(p.image.Repository, m.Config.Digest.String())
	if told := registry.PlatformOf(entries[0].Platform); err != nil || told != (config.Platform{}) && told.Normal() != platform.Normal() {
		return nil, err
	}
	return m, nil
}

// signatures are what refers to the manifests that a tag would lose, in words.
func (p *planner) signatures(change *purged) ([]string, error) {
	var (
		all  []string
		errs []error
	)
	lost := slices.Clone(change.replaced)
	for _, d := range change.attestations {
		lost = append(lost, d.Digest.String())
	}
	for _, digest := range lost {
		found, err := p.referrersOf(digest)
		all, errs = append(all, found...), append(errs, err)
	}
	slices.Sort(all)
	return slices.Compact(all), errors.Join(errs...)
}

// referrersOf names what refers to a manifest: fallback tags that list more than
// attestations, and manifests with it as their subject. The tags count beside
// the API, since there are registries that have it and do not answer it for a
// digest whose tag somebody pushed.
func (p *planner) referrersOf(digest string) ([]string, error) {
	fallbacks, err := p.fallbackTags()
	if err != nil {
		return nil, err
	}
	var all []string
	for _, tag := range fallbacks[digest] {
		m, err := p.named(tag)
		if err != nil {
			return nil, err
		}
		if m == nil || !m.Index || slices.ContainsFunc(m.Children, func(d ocispec.Descriptor) bool { return !registry.MarksAttestation(d) }) {
			all = append(all, "tag "+tag)
		}
	}
	found, err := p.referrers(digest)
	for _, r := range found {
		what := r.ArtifactType
		if what == "" {
			what = "manifest"
		}
		all = append(all, what+" "+r.Digest)
	}
	return all, err
}

// warnSigned says why a signed tag is left alone, or what purging it breaks.
func (p *planner) warnSigned(tag string, change *purged) *config.Finding {
	does := "is left alone; set signed: purge to rewrite it all the same"
	if p.mayPurge(change) {
		does = "is rewritten, so they no longer match"
	}
	return &config.Finding{
		ID: "signed-tag", Alias: tag, Warning: true, Pos: p.image.Policies[policies.Provenance.Name].Pos,
		Message: fmt.Sprintf("tag %q of %s is %s, to which %s refer; it %s", tag, p.image.Repository, change.old.Digest, few(change.signed), does),
	}
}

// attestationReason says what an attestation is, and what it holds.
func attestationReason(m *registry.Manifest, of string) string {
	what := "attestation"
	if m.HasSBOM() {
		what = "attestation with SBOM"
	}
	return strings.TrimSuffix(what+" of "+of, " of ") + ", nothing refers to it"
}
