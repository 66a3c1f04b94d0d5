package reconcile

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tagline/config"
	"tagline/config/findings"
	"tagline/policies"
	"tagline/reconcile/registry"
)

// What `provenance: purge` makes of a tag.

// purged is what a purge makes of a tag.
type purged struct {
	stripped
	signed []string // what refers to the manifests that the tag loses, in words
	allow  bool     // the tag may be rewritten
}

// purging reports whether every tag of the repository is to lose its attestations.
func (s scope) purging() bool {
	return policies.Provenance.Of(s.rules) == policies.Purge
}

// purgesSigned reports whether a purge also rewrites tags that have a signature or
// another referrer.
func (s scope) purgesSigned() bool {
	return policies.Signed.Of(s.rules) == policies.PurgeSigned
}

// purge works out what a tag becomes. It returns nil for a tag without attestations,
// and for a fallback tag, which is no image: see sweep.fallbacks.
func (s scope) purge(tag string, m *registry.Manifest) (*purged, error) {
	if registry.FallbackSubject(tag) != "" {
		return nil, nil
	}
	change, err := s.strip(tag, m)
	if change == nil || err != nil {
		return nil, err
	}
	p := &purged{stripped: *change}
	if p.signed, err = s.signatures(change); err != nil {
		return nil, err
	}
	p.allow = p.content != nil && (len(p.signed) == 0 || s.purgesSigned())
	return p, nil
}

// afterPurge returns what a source tag of the image's own repository will name once the
// run is done. Aliases are made from that.
func (s scope) afterPurge(tag string, m *registry.Manifest) (*registry.Manifest, error) {
	if !s.purging() {
		return m, nil
	}
	change, err := s.purge(tag, m)
	if err != nil {
		return nil, err
	}
	if change != nil && change.allow {
		return change.content, nil
	}
	return m, nil
}

// signatures names what refers to the manifests that a tag would lose.
func (v *view) signatures(change *stripped) ([]string, error) {
	var (
		all  []string
		errs []error
	)
	lost := slices.Clone(change.replaced)
	for _, d := range change.attestations {
		lost = append(lost, d.Digest.String())
	}
	for _, digest := range lost {
		found, err := v.referring(digest)
		all, errs = append(all, found...), append(errs, err)
	}
	slices.Sort(all)
	return slices.Compact(all), errors.Join(errs...)
}

// referring names what refers to a manifest: cosign's tags, fallback tags that list
// more than attestations, and manifests with it as their subject. The tags count even
// if the registry has the referrers API, since some such registries do not answer it
// for a digest whose fallback tag was pushed.
func (v *view) referring(digest string) ([]string, error) {
	fallbacks, err := v.fallbackTags()
	if err != nil {
		return nil, err
	}
	var all []string
	for _, tag := range fallbacks[digest] {
		m, err := v.tagged(tag)
		if err != nil {
			return nil, err
		}
		if tag == registry.FallbackTag(digest) && m != nil {
			listed, err := v.listsReferrers(m, digest)
			if err != nil {
				return nil, err
			}
			if !slices.ContainsFunc(listed, func(d ocispec.Descriptor) bool { return !registry.MarksAttestation(d) }) {
				continue
			}
		}
		all = append(all, "tag "+tag)
	}
	found, err := v.referrersOf(digest)
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
func (s scope) warnSigned(tag string, change *purged) *config.Finding {
	does := "the tag is left alone; set signed: purge to rewrite it all the same, and to delete what refers to it"
	if change.allow {
		does = "the tag is rewritten, so what refers to its old digest no longer matches"
	}
	return &config.Finding{
		ID: findings.SignedTag, Alias: tag, Warning: true, Pos: policies.Provenance.Pos(s.rules),
		Message: fmt.Sprintf("tag %q of %s is %s, and %s; %s", tag, s.home, change.old.Digest, refers(change.signed), does),
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
