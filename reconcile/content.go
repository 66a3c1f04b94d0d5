package reconcile

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tagline/config"
	"tagline/policies"
	"tagline/reconcile/registry"
)

// Annotations by which tagline knows its own indexes again.
const (
	AnnotationAlias  = "dev.tagline.alias"  // of an index: the alias tag it was made for
	AnnotationSource = "dev.tagline.source" // of an entry: the source it was taken from
)

// maxNesting is how deep indexes may stand in indexes. Nobody is known to need
// more than one level.
const maxNesting = 3

// content is what an alias should be, or what one of its sources is.
type content struct {
	registry.RawManifest                   // without Body where only a push would need it
	repository           config.Repository // where the manifest is, if it is anywhere yet
	leaves               []leaf
	copies               []Copy
	follows              []string
}

// leaf is one manifest that a source offers, found through however many
// indexes.
type leaf struct {
	policies.Entry
	descriptor   ocispec.Descriptor // as its index has it, or made for a plain manifest
	repository   config.Repository  // where it is now
	sourceDigest string
}

// compose works out what an alias should be, from its sources and under the
// policies, and how newest sources came to theirs. It returns every reason why
// it can't: a *config.Finding where the registry's content or a policy forbids
// it, another error where something could not be read.
func (p *planner) compose(alias config.Alias) (c content, choices []Choice, warnings []*config.Finding, errs []error) {
	var sources []config.Source
	for _, s := range alias.Sources {
		if s.Newest == nil {
			sources = append(sources, s)
			continue
		}
		found, candidates, why := p.newest(alias, s)
		sources, errs = append(sources, found...), append(errs, why...)
		choices = append(choices, Choice{alias.Tag, s.Newest.Range.Text, candidates})
	}
	var whole content // the last source as it is
	for _, s := range sources {
		var why []error
		if whole, why = p.source(alias, s); len(why) > 0 {
			errs = append(errs, why...)
			continue
		}
		leaves, why := pick(alias, s, whole)
		errs = append(errs, why...)
		c.leaves = append(c.leaves, leaves...)
		c.follows = append(c.follows, whole.follows...)
	}
	if len(errs) > 0 {
		return content{}, choices, nil, errs
	}

	a := policies.Alias{Tag: alias.Tag, OneSource: sources[0].Platform == (config.Platform{})}
	for _, l := range c.leaves {
		a.Entries = append(a.Entries, l.Entry)
	}
	a, warnings, errs = p.apply(alias, a)
	if len(errs) > 0 {
		return content{}, choices, nil, errs
	}
	c.leaves = slices.DeleteFunc(c.leaves, func(l leaf) bool { return !slices.Contains(a.Entries, l.Entry) })
	p.finish(&c, a, whole)
	if len(choices) > 0 {
		if warnings, errs = p.compare(alias, a, c.Digest); len(errs) > 0 {
			return content{}, choices, nil, errs
		}
	}
	return c, choices, warnings, nil
}

// apply puts an alias through the policies.
func (p *planner) apply(alias config.Alias, a policies.Alias) (_ policies.Alias, warnings []*config.Finding, errs []error) {
	a, findings := policies.Apply(p.image.Policies, a)
	for _, f := range findings {
		found := violation(alias, alias.Pos, f.ID, "%s", f.Message)
		if found.Warning = f.Warning; f.Warning {
			warnings = append(warnings, found)
		} else {
			errs = append(errs, found)
		}
	}
	return a, warnings, errs
}

// compare has the policies judge an alias of newest sources once more, now
// with what it carries today. An alias that does not change needs no judging.
func (p *planner) compare(alias config.Alias, a policies.Alias, digest string) ([]*config.Finding, []error) {
	old, err := p.tag(p.image.Repository, alias.Tag)
	if errors.Is(err, registry.ErrNotFound) || err == nil && old.Digest == digest {
		return nil, nil
	}
	if err != nil {
		return nil, []error{err}
	}
	images, err := p.carried(old.Digest)
	if err != nil {
		return nil, []error{err}
	}
	for i, e := range a.Entries {
		for _, o := range images {
			if e.Kind == policies.Image && o.platform.Normal() == e.Platform.Normal() {
				a.Entries[i].Was = policies.Past{Digest: o.digest, Source: o.source}
			}
		}
	}
	_, warnings, errs := p.apply(alias, a)
	return warnings, errs
}

// finish decides between bytes that are there already and an index of its own,
// and what has to be copied for it.
func (p *planner) finish(c *content, a policies.Alias, whole content) {
	needed := c.leaves
	switch {
	case a.Composed():
		c.RawManifest, c.repository = composeIndex(a.Tag, a.MediaType, c.leaves), p.image.Repository
	case a.Filtered:
		only := c.leaves[0]
		c.Digest, c.MediaType, c.repository = only.Digest, only.MediaType, only.repository
	default:
		c.RawManifest, c.repository = whole.RawManifest, whole.repository
		needed = []leaf{{Entry: policies.Entry{Digest: c.Digest}, repository: c.repository}}
	}
	for _, l := range needed {
		if l.repository != p.image.Repository {
			c.copies = append(c.copies, Copy{From: l.repository, Digest: l.Digest})
		}
	}
}

// source is all that one source of an alias offers.
func (p *planner) source(alias config.Alias, s config.Source) (content, []error) {
	var c content
	if s.Alias {
		v := p.verdict(p.aliases[s.Tag])
		if len(v.errs) > 0 {
			return content{}, []error{blocked(alias, s, v.errs)}
		}
		followed := v.content
		c = content{
			RawManifest: followed.RawManifest, repository: p.image.Repository,
			leaves: slices.Clone(followed.leaves), follows: []string{s.Tag},
		}
	} else {
		m, known, err := p.find(alias, s)
		if err == nil && s.Tag != "" {
			p.known[place{s.Repository, m.Digest}] = true
			if s.Repository == p.image.Repository {
				m, err = p.after(s.Tag, m)
			}
		}
		if errors.Is(err, registry.ErrNoRepository) {
			return content{}, []error{violation(alias, s.Pos, "missing-source",
				"source %q is in the repository %s, which does not exist; correct its name", s.Text, s.Repository)}
		}
		if errors.Is(err, registry.ErrNotFound) {
			return content{}, []error{violation(alias, s.Pos, "missing-source",
				"source %q does not exist in %s; push it, or change the source", s.Text, s.Repository)}
		}
		if errors.Is(err, registry.ErrArchived) {
			return content{}, []error{violation(alias, s.Pos, "archived-source",
				"source %q is archived in %s, so nobody can pull it; restore it, or change the source", s.Text, s.Repository)}
		}
		if err != nil {
			return content{}, []error{fmt.Errorf("source %q: %w", s.Text, err)}
		}
		leaves := known
		if known == nil {
			leaves, err = p.leaves(s.Repository, m, descriptorOf(m), 0)
		}
		if errors.Is(err, registry.ErrNotFound) {
			return content{}, []error{violation(alias, s.Pos, "broken-source",
				"source %q refers to something that is not there: %v; push it again", s.Text, err)}
		}
		if err != nil {
			return content{}, []error{fmt.Errorf("source %q: %w", s.Text, err)}
		}
		c = content{RawManifest: m.RawManifest, repository: s.Repository, leaves: leaves}
	}
	for i := range c.leaves {
		l := &c.leaves[i]
		if !s.Alias {
			l.Origin = s.Reference()
		}
		l.Source, l.Newest, l.sourceDigest, l.repository = s.Text, s.Newest != nil, c.Digest, c.repository
	}
	return c, nil
}

// find is the manifest of a source. A plain image that the alias's own index has
// already is known without its config, and where tags are cheap to ask not even
// its manifest is fetched, so that of it only the digest and type are there: its
// digest is still the same, so what an earlier run found in them is, too.
func (p *planner) find(alias config.Alias, s config.Source) (m *registry.Manifest, known []leaf, err error) {
	if s.Tag == "" || !p.state.cheap[s.Repository] {
		if m, err = p.manifest(s.Repository, s.Reference()); err != nil || !m.IsImage() {
			return m, nil, err
		}
		known, err = p.vouched(alias, place{s.Repository, m.Config.Digest.String()}, descriptorOf(m))
		return m, known, err
	}
	now, err := p.tag(s.Repository, s.Tag)
	if err != nil {
		return nil, nil, err
	}
	if now.Archived {
		return nil, nil, fmt.Errorf("%s: %w", now.Digest, registry.ErrArchived)
	}
	if !registry.IsIndex(now.MediaType) {
		m = &registry.Manifest{RawManifest: registry.RawManifest{Digest: now.Digest, MediaType: now.MediaType}}
		if known, err = p.listed(alias, descriptorOf(m)); known != nil || err != nil {
			return m, known, err
		}
	}
	m, err = p.manifest(s.Repository, now.Digest)
	if errors.Is(err, registry.ErrNotFound) { // the tag itself is there
		err = fmt.Errorf("it named %s, which was deleted a moment later; run again", now.Digest)
	}
	return m, nil, err
}

// vouched is a plain image as the alias's own index has it, nil where its config
// has to tell, or has told already.
func (p *planner) vouched(alias config.Alias, config place, image ocispec.Descriptor) (known []leaf, err error) {
	if _, read := p.state.platforms[config]; read || p.doubted[alias.Tag] {
		return nil, nil
	}
	index, ok, err := p.index(alias)
	if !ok || err != nil {
		return nil, err
	}
	if _, read := p.state.manifests[index]; !read {
		if p.either[index] == nil {
			p.either[index] = map[place]bool{}
		}
		p.either[index][config] = true
		return nil, errUnknown
	}
	if known, err = p.listed(alias, image); known != nil {
		p.word[alias.Tag][config] = known[0].Platform
	}
	return known, err
}

// weigh decides which to read for platforms that an alias's index tells and
// configs do, too: the index where it saves more than one config that nobody
// else needs.
func (p *planner) weigh() {
	users := map[place]int{}
	for config := range p.open.configs {
		users[config]++
	}
	for _, configs := range p.either {
		for config := range configs {
			users[config]++
		}
	}
	for index, configs := range p.either {
		saves := 0
		for config := range configs {
			if users[config] == 1 {
				saves++
			}
		}
		if saves > 1 {
			p.open.manifests[index] = true
		} else {
			maps.Copy(p.open.configs, configs)
		}
	}
}

// listed is a plain image as the alias's own index has it, nil if it has not.
func (p *planner) listed(alias config.Alias, image ocispec.Descriptor) ([]leaf, error) {
	if p.doubted[alias.Tag] {
		return nil, nil
	}
	own, err := p.own(alias)
	if err != nil {
		return nil, err
	}
	for _, d := range own {
		platform := registry.PlatformOf(d.Platform)
		if d.Digest != image.Digest || d.MediaType != image.MediaType || platform == (config.Platform{}) || registry.MarksAttestation(d) {
			continue
		}
		if image.Size == 0 { // nobody has read it
			image.Size, image.ArtifactType = d.Size, d.ArtifactType
		}
		l := newLeaf(image)
		l.setPlatform(platform)
		if p.word[alias.Tag] == nil {
			p.word[alias.Tag] = map[place]config.Platform{}
		}
		return []leaf{l}, nil
	}
	return nil, nil
}

// own is what the alias's index lists now, if it is one that was made for this
// alias. One that can't be read has nothing to tell, so the only error is
// errUnknown.
func (p *planner) own(alias config.Alias) ([]ocispec.Descriptor, error) {
	at, ok, err := p.index(alias)
	if !ok || err != nil {
		return nil, err
	}
	m, err := p.manifest(at.repository, at.reference)
	switch {
	case errors.Is(err, errUnknown):
		return nil, err
	case err == nil && m.Annotations[AnnotationAlias] == alias.Tag:
		return m.Children, nil
	}
	return nil, nil
}

// index is the index that an alias names now, if it names one.
func (p *planner) index(alias config.Alias) (at place, ok bool, err error) {
	old, err := p.tag(p.image.Repository, alias.Tag)
	if errors.Is(err, errUnknown) {
		return place{}, false, err
	}
	return place{p.image.Repository, old.Digest}, err == nil && registry.IsIndex(old.MediaType), nil
}

// blocked is why an alias can't follow another one.
func blocked(alias config.Alias, s config.Source, errs []error) error {
	for _, err := range errs {
		if f := (*config.Finding)(nil); !errors.As(err, &f) {
			return fmt.Errorf("alias %q, which it follows: %w", s.Tag, err)
		}
	}
	return violation(alias, s.Pos, "blocked-source", "it follows alias %q, which is blocked", s.Tag)
}

// leaves finds the images, attestations and artifacts of a manifest; d is the
// index entry by which it was reached.
func (p *planner) leaves(in config.Repository, m *registry.Manifest, d ocispec.Descriptor, depth int) ([]leaf, error) {
	if m.Index {
		if depth == maxNesting {
			return nil, fmt.Errorf("index %s: indexes stand in each other deeper than %d", m.Digest, maxNesting)
		}
		return p.children(in, m, depth)
	}
	l := newLeaf(d)
	switch {
	case m.IsAttestation():
		l.Kind = policies.Attestation
		if l.Attests == "" && m.Subject != nil {
			l.Attests = m.Subject.Digest.String()
		}
	case m.IsImage():
		platform, err := p.platform(in, m.Config.Digest.String())
		if err != nil {
			return nil, err
		}
		if platform == (config.Platform{}) {
			break // nothing to match it by: it is carried along like an artifact
		}
		l.setPlatform(platform)
	}
	return []leaf{l}, nil
}

// setPlatform makes a leaf an image for a platform that no index entry tells.
func (l *leaf) setPlatform(platform config.Platform) {
	l.Kind, l.Platform = policies.Image, platform
	l.descriptor.Platform = &ocispec.Platform{
		OS: platform.OS, Architecture: platform.Architecture, Variant: platform.Variant, OSVersion: platform.OSVersion,
	}
}

// children finds the leaves of an index. It reads only what the index does not
// tell: nested indexes, and entries without a platform.
func (p *planner) children(in config.Repository, index *registry.Manifest, depth int) ([]leaf, error) {
	var (
		all  []leaf
		errs []error
	)
	for _, d := range index.Children {
		l := newLeaf(d)
		switch platform := registry.PlatformOf(d.Platform); {
		case registry.MarksAttestation(d):
			l.Kind = policies.Attestation
			all = append(all, l)
		case platform != (config.Platform{}) && !registry.IsIndex(d.MediaType):
			l.Kind, l.Platform = policies.Image, platform
			all = append(all, l)
		default:
			m, err := p.manifest(in, d.Digest.String())
			if err != nil {
				errs = append(errs, err)
				continue
			}
			below, err := p.leaves(in, m, d, depth+1)
			errs = append(errs, err)
			all = append(all, below...)
		}
	}
	for i := range all {
		for _, image := range all {
			if all[i].Kind == policies.Attestation && image.Kind == policies.Image && all[i].Attests == image.Digest {
				all[i].Platform = image.Platform
			}
		}
	}
	return all, errors.Join(errs...)
}

func newLeaf(d ocispec.Descriptor) leaf {
	return leaf{descriptor: d, Entry: policies.Entry{
		Kind: policies.Other, MediaType: d.MediaType, Digest: d.Digest.String(), Size: d.Size,
		Attests: d.Annotations[registry.AnnotationReferenceDigest],
	}}
}

// pick takes out of a source what an alias wants of it: everything, or one
// platform with its attestations.
func pick(alias config.Alias, s config.Source, of content) ([]leaf, []error) {
	var (
		everything = s.Platform == (config.Platform{})
		images     []leaf // those that are wanted
		has        []string
		errs       []error
	)
	for _, l := range of.leaves {
		if l.Kind != policies.Image {
			continue
		}
		has = append(has, l.Platform.String())
		if !everything && !l.Platform.Is(s.Platform) {
			continue
		}
		for _, other := range images {
			switch same := other.Platform.Normal() == l.Platform.Normal(); {
			case other.Digest == l.Digest || everything && !same:
			case same:
				errs = append(errs, violation(alias, s.Pos, "ambiguous-platform",
					"source %q has two images for %s, %s and %s; push it again with one", s.Text, l.Platform, other.Digest, l.Digest))
			default: // two versions of Windows
				errs = append(errs, violation(alias, s.Pos, "ambiguous-platform",
					"source %q has two images for %s, %s for %s and %s for %s; push it again with one, or take the source as a whole",
					s.Text, s.Platform, other.Digest, other.Platform, l.Digest, l.Platform))
			}
		}
		images = append(images, l)
	}
	plain := len(of.leaves) == 1 && of.leaves[0].Digest == of.Digest
	switch {
	case len(errs) > 0:
		return nil, errs
	case len(has) == 0 && !slices.ContainsFunc(of.leaves, func(l leaf) bool { return l.Kind == policies.Other }):
		return nil, []error{violation(alias, s.Pos, "no-image",
			"source %q holds no image, at most attestation manifests; push it again with its images", s.Text)}
	case everything:
		return distinct(of.leaves), nil
	case len(images) == 0 && plain && len(has) == 1:
		return nil, []error{violation(alias, s.Pos, "platform-mismatch",
			"source %q is %s by its config, not %s", s.Text, has[0], s.Platform)}
	case len(images) == 0:
		return nil, []error{violation(alias, s.Pos, "missing-platform",
			"source %q has no %s; it has %s", s.Text, s.Platform, cmp.Or(strings.Join(has, ", "), "no image that names its platform"))}
	}
	image := images[0].Entry // an index may list one manifest for several platforms
	return distinct(slices.DeleteFunc(slices.Clone(of.leaves), func(l leaf) bool {
		return l.Entry != image && (l.Kind != policies.Attestation || l.Attests != image.Digest)
	})), nil
}

// distinct drops what stands twice, as it may where indexes are nested.
func distinct(leaves []leaf) []leaf {
	seen := map[policies.Entry]bool{}
	return slices.DeleteFunc(slices.Clone(leaves), func(l leaf) bool {
		twice := seen[l.Entry]
		seen[l.Entry] = true
		return twice
	})
}

// composeIndex writes an index of the leaves, and puts them into its order:
// images by platform, then attestations by the platform of their image, then
// the rest. The bytes depend on its arguments and on nothing else.
func composeIndex(tag, mediaType string, leaves []leaf) registry.RawManifest {
	slices.SortStableFunc(leaves, func(a, b leaf) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), a.Platform.Compare(b.Platform), cmp.Compare(a.Digest, b.Digest))
	})
	marked := mediaType == ocispec.MediaTypeImageIndex // a Docker list has no annotations
	index := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: mediaType, Manifests: []ocispec.Descriptor{}}
	if marked {
		index.Annotations = map[string]string{AnnotationAlias: tag}
	}
	for _, l := range leaves {
		d := ocispec.Descriptor{
			MediaType: l.MediaType, Digest: l.descriptor.Digest, Size: l.Size,
			Platform: l.descriptor.Platform, ArtifactType: l.descriptor.ArtifactType,
		}
		if marked {
			d.Annotations = map[string]string{}
			maps.Copy(d.Annotations, l.descriptor.Annotations)
			d.Annotations[AnnotationSource] = l.Source
		}
		index.Manifests = append(index.Manifests, d)
	}
	body, err := json.Marshal(index)
	if err != nil {
		panic(err) // strings and numbers alone
	}
	return registry.RawManifest{Digest: digest.FromBytes(body).String(), MediaType: mediaType, Body: body}
}

func descriptorOf(m *registry.Manifest) ocispec.Descriptor {
	return ocispec.Descriptor{
		MediaType: m.MediaType, Digest: digest.Digest(m.Digest), Size: int64(len(m.Body)), ArtifactType: m.ArtifactType,
	}
}

func violation(alias config.Alias, pos config.Pos, id, format string, args ...any) *config.Finding {
	return &config.Finding{ID: id, Alias: alias.Tag, Pos: pos, Message: fmt.Sprintf(format, args...)}
}
