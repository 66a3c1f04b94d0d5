package reconcile

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"

	"tagline/config"
	"tagline/config/findings"
	"tagline/policies"
	"tagline/reconcile/registry"
)

// What refers to an image in another repository, and is copied with it: what cosign
// keeps under tags, and manifests with a subject.

// Bounds of what is looked for with one alias: a registry may list any number of
// referrers, and each may have some of its own.
const (
	maxReferrers     = 200
	maxReferrerDepth = 8
)

// referrerFinder looks for what refers to copies.
type referrerFinder struct {
	scope
	found    []Referrer
	seen     map[string]bool // digests of manifests, and tags
	problems []string        // what is not copied, and why
	dropped  int             // referrers beyond the bound
}

// along returns what refers to the copies that an alias needs, and to what they list,
// each once and after what it refers to. What is not copied is a warning. The body is
// that of the alias, which may be one of the copies.
func (s scope) along(alias config.Alias, copies []Copy, body *registry.Manifest) ([]Referrer, []*config.Finding) {
	if !policies.Referrers.Of(s.rules) {
		return nil, nil
	}
	x := &referrerFinder{scope: s, seen: map[string]bool{}}
	var subjects []Referrer // as far as With, From and Digest
	for _, c := range copies {
		subjects = append(subjects, x.listed(c, c.Digest, body, 0)...)
	}
	for depth := 0; len(subjects) > 0; depth++ {
		if depth == maxReferrerDepth {
			x.problems = append(x.problems, fmt.Sprintf("what refers to %s is more than %d referrers away from the image", subjects[0].Digest, maxReferrerDepth))
			break
		}
		before := len(x.found)
		for _, subject := range subjects {
			x.tags(subject)
			x.manifests(subject)
		}
		subjects = x.found[before:]
	}
	if x.dropped > 0 {
		x.problems = append(x.problems, fmt.Sprintf("%d referrers are more than the %d that are copied with an alias", x.dropped+maxReferrers, maxReferrers))
	}
	if len(x.problems) == 0 {
		return x.found, nil
	}
	return x.found, []*config.Finding{warning(alias, alias.Pos, findings.UncopiedReferrer, "not all that refers to the image of alias %q is copied: %s", alias.Tag, few(x.problems))}
}

// listed returns a manifest and all that it lists, if it is that of the body.
func (x *referrerFinder) listed(c Copy, digest string, body *registry.Manifest, depth int) (all []Referrer) {
	if x.seen[digest] {
		return nil
	}
	x.seen[digest] = true
	all = []Referrer{{From: c.From, With: c.Digest, Digest: digest}}
	if digest != body.Digest || depth == maxNesting {
		return all
	}
	for _, d := range body.Children {
		child := &registry.Manifest{}
		if registry.IsIndex(d.MediaType) {
			m, err := x.manifest(c.From, d.Digest.String())
			if err != nil { // the copy itself says so
				continue
			}
			child = m
		}
		all = append(all, x.listed(c, d.Digest.String(), child, depth+1)...)
	}
	return all
}

// tags looks for what cosign keeps for a digest.
func (x *referrerFinder) tags(subject Referrer) {
	for _, tag := range registry.CosignTags(subject.Digest) {
		now, err := x.tag(subject.From, tag)
		if errors.Is(err, registry.ErrNotFound) || x.unread(err) || x.seen[tag] {
			continue
		}
		m, err := x.manifest(subject.From, now.Digest)
		if x.unread(err) {
			continue
		}
		x.seen[tag] = true
		if !m.IsCosigns() {
			x.problems = append(x.problems, fmt.Sprintf("tag %s of %s is nothing that cosign pushes", tag, subject.From))
			continue
		}
		x.add(Referrer{
			From: subject.From, With: subject.With, Subject: subject.Digest, Digest: m.Digest, Tag: tag, MediaType: m.MediaType, Manifest: m.Body,
			Kind: cosignKinds[path.Ext(tag)],
		})
	}
}

// mostWanted are the kinds of referrers that are copied first, the first one last.
var mostWanted = []string{RefersAttestation, RefersSBOM, RefersSignature}

// manifests looks for those that name a digest as their subject. BuildKit's
// attestations go by the provenance policy.
func (x *referrerFinder) manifests(subject Referrer) {
	found, err := ask(x.referrers, x.open.referrers, place{subject.From, subject.Digest})
	if x.unread(err) {
		return
	}
	found = slices.Clone(found)
	slices.SortFunc(found, func(a, b registry.Descriptor) int { // signatures first: there may be too many
		return cmp.Or(slices.Index(mostWanted, refersAs(b.ArtifactType))-slices.Index(mostWanted, refersAs(a.ArtifactType)), cmp.Compare(a.Digest, b.Digest))
	})
	for _, d := range found {
		switch {
		case x.seen[d.Digest], d.ArtifactType == registry.AttestationArtifactType && policies.Provenance.Of(x.rules) != policies.Keep:
			continue
		case !registry.KnownType(d.MediaType):
			x.problems = append(x.problems, fmt.Sprintf("referrer %s is of type %q, which tagline does not know", d.Digest, d.MediaType))
			continue
		}
		x.seen[d.Digest] = true
		x.add(Referrer{From: subject.From, With: subject.With, Subject: subject.Digest, Digest: d.Digest, Kind: refersAs(d.ArtifactType)})
	}
}

func (x *referrerFinder) add(r Referrer) {
	if len(x.found) == maxReferrers {
		x.dropped++
		return
	}
	x.found = append(x.found, r)
}

// unread reports whether there is an error, and notes it unless the answer is only
// not there yet.
func (x *referrerFinder) unread(err error) bool {
	if err != nil && !errors.Is(err, errUnknown) {
		x.problems = append(x.problems, registry.Line(err)) // it says what was asked for
	}
	return err != nil
}

// alongLater has an alias in sync get what was made for its images after they were
// copied.
func (s scope) alongLater(alias config.Alias, v *verdict) {
	m, err := s.body(v.content)
	if v.fail(err); err != nil {
		return
	}
	found, warnings := s.along(alias, v.content.copies, m)
	var missing []Referrer
	for _, r := range found {
		if r.Tag != "" {
			now, err := s.tag(s.home, r.Tag)
			if v.wait(err); errors.Is(err, registry.ErrNotFound) || err == nil && now.Digest != r.Digest {
				missing = append(missing, r)
			}
			continue
		}
		here, err := ask(s.referrers, s.open.referrers, place{s.home, r.Subject})
		if v.wait(err); err == nil && !slices.ContainsFunc(here, func(d registry.Descriptor) bool { return d.Digest == r.Digest }) {
			missing = append(missing, r)
		}
	}
	v.warnings = append(v.warnings, warnings...)
	if len(missing) == 0 || v.any() {
		return
	}
	before, err := s.before(alias.Tag, v.content.Digest)
	v.fail(err)
	if !v.any() {
		v.push = &Push{
			Tag: alias.Tag, Old: m.Digest, New: m.Digest, MediaType: m.MediaType, Manifest: m.Body,
			Platforms: changes(before, v.content.leaves), Referrers: missing,
		}
	}
}
