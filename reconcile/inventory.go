package reconcile

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tagline/reconcile/registry"
)

// inventory returns all that the image's repository holds, nil if the registry
// lists tags alone.
func (v *view) inventory() (*stock, error) {
	all, err := ask(v.inventories, v.open.inventories, v.home)
	switch {
	case errors.Is(err, registry.ErrUnsupported):
		return nil, nil
	case errors.Is(err, registry.ErrNotFound):
		return &all, nil // no repository, so no manifests
	case err != nil:
		return nil, err
	}
	return &all, nil
}

// tagNames returns all tags of the image's repository.
func (v *view) tagNames() ([]string, error) {
	all, err := v.inventory()
	if err != nil {
		return nil, err
	}
	var names []string
	if all != nil {
		for _, m := range all.Manifests {
			names = append(names, m.Tags...)
		}
		return names, nil
	}
	tags, err := v.versions()
	if err != nil && !errors.Is(err, registry.ErrNotFound) {
		return nil, err
	}
	for _, t := range tags {
		names = append(names, t.tag)
	}
	return names, nil
}

// tagged returns the manifest of any tag of the repository, nil if it can't be
// looked into.
func (v *view) tagged(tag string) (*registry.Manifest, error) {
	all, err := v.inventory()
	if err != nil {
		return nil, err
	}
	if all == nil {
		return v.manifest(v.home, tag)
	}
	for _, line := range all.Manifests {
		if slices.Contains(line.Tags, tag) {
			return v.stored(line)
		}
	}
	return nil, fmt.Errorf("tag %q: %w", tag, registry.ErrNotFound) // its name comes from the same list
}

// stored returns the manifest of a line of an inventory. It is nil for what
// can't be looked into: an archived manifest, and Docker schema 1, which lists
// no manifests and refers to none.
func (v *view) stored(line registry.StoredManifest) (*registry.Manifest, error) {
	if line.Archived || strings.HasPrefix(line.MediaType, "application/vnd.docker.distribution.manifest.v1+") {
		return nil, nil
	}
	return v.manifest(v.home, line.Digest)
}

// fallbackTags returns the tags that stand for the referrers of a digest, by
// that digest.
func (v *view) fallbackTags() (map[string][]string, error) {
	if v.fallbacks != nil {
		return v.fallbacks, nil
	}
	names, err := v.tagNames()
	if err != nil {
		return nil, err
	}
	v.fallbacks = map[string][]string{}
	for _, tag := range names {
		if subject := registry.FallbackSubject(tag); subject != "" {
			v.fallbacks[subject] = append(v.fallbacks[subject], tag)
		}
	}
	return v.fallbacks, nil
}

// listsReferrers returns the entries of what a fallback tag names that refer to its
// subject. There are none if it is no index of referrers: it may be the subject
// itself, or any image.
func (v *view) listsReferrers(m *registry.Manifest, subject string) (listed []ocispec.Descriptor, _ error) {
	if !m.Index || m.Digest == subject {
		return nil, nil
	}
	var errs []error
	for _, d := range m.Children {
		refers, told := registry.TellsReferrer(d, subject)
		if !told && !registry.KnownType(d.MediaType) { // it can't be looked into
			refers = true
		} else if !told {
			referrer, err := v.manifest(v.home, d.Digest.String())
			if err != nil && !errors.Is(err, registry.ErrNotFound) && !errors.Is(err, registry.ErrArchived) {
				errs = append(errs, err)
				continue
			}
			refers = errors.Is(err, registry.ErrArchived) || err == nil && referrer.Subject != nil && referrer.Subject.Digest.String() == subject
		}
		if refers {
			listed = append(listed, d)
		}
	}
	return listed, errors.Join(errs...)
}

// referrersOf returns the manifests whose subject is the digest.
func (v *view) referrersOf(digest string) ([]registry.Descriptor, error) {
	all, err := v.inventory()
	if err != nil {
		return nil, err
	}
	if all == nil {
		return ask(v.referrers, v.open.referrers, place{v.home, digest})
	}
	if v.subjects == nil {
		subjects := map[string][]registry.Descriptor{}
		var errs []error
		for _, line := range all.Manifests {
			m, err := v.stored(line)
			errs = append(errs, err)
			if m != nil && m.Subject != nil {
				subject := m.Subject.Digest.String()
				line.MediaType = m.MediaType // the registry may not say it
				subjects[subject] = append(subjects[subject], line.Descriptor)
			}
		}
		if err := errors.Join(errs...); err != nil {
			return nil, err
		}
		v.subjects = subjects
	}
	return v.subjects[digest], nil
}

// cosignKinds are what cosign keeps under tags, by their suffix.
var cosignKinds = map[string]string{".sig": RefersSignature, ".att": RefersAttestation, ".sbom": RefersSBOM}

// aSignature is how messages name a signature.
const aSignature = "a signature"

// referrerWords are the kinds of referrers, in words.
var referrerWords = map[string]string{
	RefersSignature: aSignature, RefersAttestation: "an attestation", RefersSBOM: "an SBOM", RefersOther: "a referrer",
}

// toReplace says how a digest gets what an alias loses, what the alias must then be or
// have, and what is true of a tag that it could follow.
func toReplace(loses []string, now string) (attach, must, has string) {
	others := slices.DeleteFunc(slices.Clone(loses), func(what string) bool { return what == aSignature })
	switch {
	case len(others) == 0:
		return "sign " + now, "be signed", "is signed"
	case len(loses) == 1:
		return "attach one to " + now, "have one", "has one"
	case len(others) == len(loses):
		return "attach them to " + now, "have them", "has them"
	}
	return fmt.Sprintf("sign %s and attach %s to it", now, strings.Join(others, " and ")), "have them", "has them"
}

// refersAs tells what a referrer is by its artifact type.
func refersAs(artifactType string) string {
	contains := func(parts ...string) bool {
		return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(strings.ToLower(artifactType), part) })
	}
	switch {
	case contains("spdx", "cyclonedx", "sbom", "syft"):
		return RefersSBOM
	case contains("signature", "cosign.artifact.sig", "sigstore.bundle"):
		return RefersSignature
	case contains("attestation", "in-toto", "dsse"):
		return RefersAttestation
	}
	return RefersOther
}
