package reconcile

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"tagline/config"
	"tagline/policies"
	"tagline/reconcile/registry"
)

// Diff is the plan for one image: what its aliases should be, against what
// they are. It is pure: no I/O, no clock, the same plan for the same image and
// state. What [State] does not know fails the alias that needs it.
//
//	tag exists  alias should be   plan
//	no          a digest          push
//	yes         that digest       in sync
//	yes         another digest    push, with what changes per platform
//	yes         absent            delete the tag
//	no          absent            in sync
//	either      not allowed       violation, the tag is left alone
//	either      not known         error, the tag is left alone
//	not known   anything          error, the tag is left alone
func Diff(image config.Image, state *State) Plan {
	p := newPlanner(image, state)
	return p.plan()
}

// planner works out a plan, and notes what it would have to know for it.
type planner struct {
	image    config.Image
	aliases  map[string]config.Alias
	state    *State
	open     questions
	verdicts map[string]verdict // of aliases that others follow
	followed map[string]bool
	either   map[place]map[place]bool             // indexes of aliases, and the configs that they save
	word     map[string]map[place]config.Platform // what an alias's own index tells of configs, by its tag
	doubted  map[string]bool                      // aliases whose word does not count
	told     map[place]config.Platform            // of configs, by aliases that are what they should be
	known    map[place]bool                       // what need not be asked for: a source's tag names it, or a push that others follow lists it

	fallbacks map[string][]string              // of fallbackTags
	subjects  map[string][]registry.Descriptor // of referrers, where everything is listed
}

// verdict is what is to become of an alias.
type verdict struct {
	content  content
	push     *Push
	delete   *DeleteTag
	choices  []Choice
	warnings []*config.Finding
	errs     []error // why nothing is
}

func newPlanner(image config.Image, state *State) *planner {
	p := &planner{
		image: image, aliases: map[string]config.Alias{}, state: state,
		verdicts: map[string]verdict{}, followed: map[string]bool{}, either: map[place]map[place]bool{}, word: map[string]map[place]config.Platform{}, doubted: map[string]bool{}, told: map[place]config.Platform{}, known: map[place]bool{},
		open: questions{
			tags: map[place]bool{}, manifests: map[place]bool{}, configs: map[place]bool{}, referrers: map[place]bool{},
			facts: map[config.Repository]bool{}, lists: map[config.Repository]bool{}, inventories: map[config.Repository]bool{},
		},
	}
	for _, a := range image.Aliases {
		p.aliases[a.Tag] = a
		for _, s := range a.Sources {
			if s.Alias {
				p.followed[s.Tag] = true
			}
		}
	}
	return p
}

func (p *planner) plan() Plan {
	plan := Plan{Image: p.image.Name, Repository: p.image.Repository}
	for _, alias := range p.image.Aliases {
		v := p.verdict(alias)
		plan.Warnings = append(plan.Warnings, v.warnings...)
		plan.Choices = append(plan.Choices, v.choices...)
		switch {
		case v.push != nil:
			plan.Pushes = append(plan.Pushes, *v.push)
		case v.delete != nil:
			plan.DeleteTags = append(plan.DeleteTags, *v.delete)
		case len(v.errs) == 0:
			plan.InSync = append(plan.InSync, alias.Tag)
		}
		for _, err := range v.errs {
			if f := (*config.Finding)(nil); errors.As(err, &f) {
				plan.Violations = append(plan.Violations, f)
			} else {
				plan.Errors = append(plan.Errors, Failure{Alias: alias.Tag, Message: reason(err)})
			}
		}
	}
	p.sweep(&plan)
	return plan
}

// reason is what to say of an error. One that is the host's own is said in the
// same words for every alias.
func reason(err error) string {
	if host := (*registry.HostError)(nil); errors.As(err, &host) {
		return host.Error()
	}
	return err.Error()
}

// verdict decides on an alias, once. Aliases that follow it are decided by it.
func (p *planner) verdict(alias config.Alias) verdict {
	v, ok := p.verdicts[alias.Tag]
	if !ok {
		if v = p.decide(alias); p.state.deep || v.push != nil && len(v.errs) == 0 {
			p.deepen(alias, &v)
		}
		if len(v.errs) > 0 {
			v = verdict{errs: v.errs, choices: v.choices}
		}
		if p.followed[alias.Tag] { // nobody asks for the others again
			p.verdicts[alias.Tag] = v
		}
	}
	return v
}

func (p *planner) decide(alias config.Alias) (v verdict) {
	if !alias.Absent { // before the tag is looked at, so that one round asks for both
		v.content, v.choices, v.warnings, v.errs = p.compose(alias)
	}
	old, err := p.tag(p.image.Repository, alias.Tag)
	if word := p.word[alias.Tag]; word != nil && !unknown(v.errs) {
		if err == nil && len(v.errs) == 0 && old.Digest == v.content.Digest {
			maps.Copy(p.told, word)
		} else { // nothing is changed or refused on its word: anybody could have made that index
			p.doubted[alias.Tag] = true
			v.content, v.choices, v.warnings, v.errs = p.compose(alias)
		}
	}
	c := v.content
	exists := !errors.Is(err, registry.ErrNotFound)
	switch {
	case exists && err != nil:
		v.errs = []error{err}
		return v
	case len(v.errs) > 0 || old.Digest == c.Digest: // both "" for an absent alias without a tag
		if alias.Absent && errors.Is(err, registry.ErrNoRepository) {
			w := violation(alias, p.image.Pos, "missing-repository", "repository %s does not exist; correct its name", p.image.Repository)
			w.Warning = true
			v.warnings = append(v.warnings, w)
		}
		return v
	}
	warnings, err := p.allowed(alias, old)
	if err != nil {
		v.errs = append(v.errs, err)
	}
	v.warnings = append(v.warnings, warnings...)
	if alias.Absent {
		v.delete = &DeleteTag{Tag: alias.Tag, Old: old.Digest, Reason: "set to absent"}
		return v
	}
	if c.Body == nil {
		m, err := p.manifest(c.repository, c.Digest)
		if err != nil {
			v.errs = append(v.errs, err)
			return v
		}
		c.Body = m.Body
	}
	var before []oldImage
	if exists {
		if before, err = p.before(alias.Tag, old.Digest); err != nil {
			v.errs = append(v.errs, err)
		}
	}
	v.push = &Push{
		Tag: alias.Tag, Old: old.Digest, New: c.Digest, MediaType: c.MediaType, Manifest: c.Body,
		Platforms: changes(before, c.leaves), Copies: c.copies, Follows: c.follows,
	}
	return v
}

// allowed asks whether the registry would let an alias be changed at all. It
// is asked only for aliases that change, so that a run with nothing to do does
// not pay for it.
func (p *planner) allowed(alias config.Alias, old registry.Descriptor) (warnings []*config.Finding, err error) {
	facts, err := ask(p.state.facts, p.open.facts, p.image.Repository)
	if err != nil {
		return nil, err
	}
	switch tags := facts.Tags; {
	case facts.Missing:
		return nil, violation(alias, p.image.Pos, "missing-repository",
			"repository %s does not exist, and a push is not to create it; create it, or correct its name", p.image.Repository)
	case old.Archived:
		return nil, violation(alias, alias.Pos, "archived-alias",
			"alias %q names %s in %s, which is archived, so nobody can tell it from one that is gone; restore it, or delete it by hand", alias.Tag, old.Digest, p.image.Repository)
	case alias.Absent && facts.LastTag && slices.Contains(p.image.Pinned, old.Digest):
		return nil, violation(alias, alias.Pos, "pinned-source",
			"tag %q may be the last one of %s, which images.yaml has as a source by its digest, and %s deletes an image with its last tag; name that source by a tag that stays",
			alias.Tag, old.Digest, p.image.Repository.Host)
	case alias.Absent || old.Digest == "" || !tags.Fixed(alias.Tag):
	case tags.Immutable:
		return nil, violation(alias, alias.Pos, "immutable-tag",
			"the tags of %s are immutable%s; an exclusion filter %q would let this one move", p.image.Repository, butFor(tags.Except), alias.Tag)
	default:
		return nil, violation(alias, alias.Pos, "immutable-tag",
			"%s keeps the tags immutable that match %s; narrow that filter to let this one move", p.image.Repository, quoted(tags.Except))
	}
	for _, e := range facts.Expiries {
		if !alias.Absent && e.Covers(alias.Tag) {
			w := violation(alias, alias.Pos, "expiring-alias",
				"%s of %s may delete alias %q, whoever uses it; leave alias tags out of it", e.Rule, p.image.Repository, alias.Tag)
			w.Warning = true
			warnings = append(warnings, w)
		}
	}
	return warnings, nil
}

func butFor(patterns []string) string {
	if len(patterns) == 0 {
		return ""
	}
	return ", but for those that match " + quoted(patterns)
}

func quoted(patterns []string) string {
	var all []string
	for _, p := range patterns {
		all = append(all, strconv.Quote(p))
	}
	return strings.Join(all, " or ")
}

// oldImage is one image that an alias has now.
type oldImage struct {
	platform config.Platform
	digest   string
	source   string // by the mark of an index that was made for this very tag
	mark     string // by the mark of whatever index it is
	attests  int    // attestation manifests that travel with it
}

// before is what an alias has now, for the report; the marks count where the
// index was made for this very tag. An alias that can't be
// looked into any more is replaced all the same, so the only error is
// errUnknown, for what nobody has asked yet.
func (p *planner) before(tag, digest string) ([]oldImage, error) {
	var leaves []leaf
	m, err := p.manifest(p.image.Repository, digest)
	if err == nil {
		leaves, err = p.leaves(p.image.Repository, m, descriptorOf(m), 0)
	}
	if errors.Is(err, errUnknown) {
		return nil, err
	}
	var images []oldImage
	attests := attestations(leaves)
	for _, l := range leaves {
		if l.Kind == policies.Image {
			old := oldImage{platform: l.Platform, digest: l.Digest, mark: l.descriptor.Annotations[AnnotationSource], attests: attests[l.Digest]}
			if m.Annotations[AnnotationAlias] == tag {
				old.source = old.mark
			}
			images = append(images, old)
		}
	}
	return images, nil
}

// changes holds the images that an alias gets against those that it has.
func changes(before []oldImage, leaves []leaf) []PlatformChange {
	var all []PlatformChange
	attests := attestations(leaves)
	for _, l := range leaves {
		if l.Kind == policies.Attestation {
			continue
		}
		c := PlatformChange{
			Platform: l.Platform.Normal().String(), Source: l.Source, SourceDigest: l.sourceDigest,
			Digest: l.Digest, Attestations: attests[l.Digest], Behind: behind(l, leaves),
		}
		i := slices.IndexFunc(before, func(o oldImage) bool { return o.platform.Normal() == l.Platform.Normal() })
		if i >= 0 && l.Kind == policies.Image {
			c.OldSource, c.OldDigest, c.OldAttestations = before[i].source, before[i].digest, before[i].attests
			c.Moved = l.Newest && c.OldSource != "" && c.OldSource != c.Source
			before = slices.Delete(before, i, i+1)
		}
		all = append(all, c)
	}
	for _, o := range before {
		all = append(all, PlatformChange{Platform: o.platform.Normal().String(), OldSource: o.source, OldDigest: o.digest})
	}
	return all
}

// attestations counts those of each image, by its digest.
func attestations(leaves []leaf) map[string]int {
	of := map[string]int{}
	for _, l := range leaves {
		if l.Kind == policies.Attestation {
			of[l.Attests]++
		}
	}
	return of
}

// behind is the highest version that another platform of an alias comes from,
// if it is higher than this one's: the versions are mixed.
func behind(l leaf, leaves []leaf) string {
	highest, err := config.ParseVersion(l.Origin)
	if err != nil || l.Kind != policies.Image {
		return ""
	}
	higher := ""
	for _, other := range leaves {
		if v, err := config.ParseVersion(other.Origin); err == nil && v.Compare(highest) > 0 {
			highest, higher = v, other.Origin
		}
	}
	return higher
}

// tag is what a tag names now.
func (p *planner) tag(in config.Repository, tag string) (registry.Descriptor, error) {
	return ask(p.state.tags, p.open.tags, place{in, tag})
}

// manifest is a manifest by tag or by digest.
func (p *planner) manifest(in config.Repository, reference string) (*registry.Manifest, error) {
	return ask(p.state.manifests, p.open.manifests, place{in, reference})
}

// platform is what the config blob of an image says.
func (p *planner) platform(in config.Repository, digest string) (config.Platform, error) {
	return ask(p.state.platforms, p.open.configs, place{in, digest})
}

// ask looks an answer up, and notes the question where there is none.
func ask[K comparable, T any](answers map[K]registry.Answer[T], open map[K]bool, at K) (T, error) {
	a, ok := answers[at]
	if !ok {
		open[at] = true
		return a.Value, errUnknown
	}
	return a.Value, a.Err
}
