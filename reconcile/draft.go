package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"tagline/config"
	"tagline/policies"
	"tagline/reconcile/registry"
)

// Draft is an images.yaml for what a repository holds already: aliases for tags
// with the same images as other tags. Applying those changes nothing. Only if there
// are none, it has aliases that applying would write: Near and New.
type Draft struct {
	Repository config.Repository
	Dropped    []string       // the policies that are "drop" where applying changes nothing: "companions", "provenance"
	Tags       []TagSummary   // all of them, in the order of [config.CompareTags]
	Aliases    []config.Alias // in sync already; in the same order
	Near       []config.Alias // have the images of other tags, but applying would write them anew
	New        []config.Alias // don't exist; the names of the tags suggest them
	Same       [][]string     // groups of tags with one digest, none of which clearly follows another
}

// TagSummary is what one tag is.
type TagSummary struct {
	Tag          string
	Digest       string
	Platforms    []config.Platform // of its images, in the order of [config.Platform.Compare]
	Attestations int               // attestation manifests
	Err          error             // why it could not be read; the rest is zero then
}

// DraftOf looks at every tag of a repository and works out which could be aliases
// of others. It asks for the list of tags, the manifest of each, and the configs
// of plain images, which name their platform.
//
// The error is about the list of tags, [registry.ErrNotFound] if there is no such
// repository. A tag that can't be read becomes neither alias nor source.
func DraftOf(ctx context.Context, readers registry.Readers, repository config.Repository) (Draft, error) {
	tags, err := readers.Reader(repository).Tags(ctx)
	if err != nil {
		return Draft{}, err
	}
	// An invalid tag is not asked for.
	tags = slices.DeleteFunc(slices.Clone(tags), func(tag string) bool {
		_, err := config.ParseReference("tag:"+tag, repository.Host)
		return err != nil
	})
	slices.SortFunc(tags, config.CompareTags)
	d := &drafting{
		ctx: ctx, readers: readers, state: newState(),
		draft: Draft{Repository: repository}, tags: map[string]tagged{},
	}
	d.survey(slices.Compact(tags))

	best := -1
	provenance, companions := policies.Provenance.Name, policies.Companions.Name
	for _, dropped := range [][]string{nil, {provenance}, {companions}, {companions, provenance}} {
		aliases, near := d.propose(dropping(dropped))
		if len(aliases) > best {
			best = len(aliases)
			d.draft.Dropped, d.draft.Aliases, d.draft.Near = dropped, aliases, near
		}
	}
	d.draft.New = d.suggestions()
	d.draft.Same = d.same()
	return d.draft, nil
}

// dropping are the settings of an image that drops what policies are about.
func dropping(names []string) config.Settings {
	settings := config.Settings{}
	for _, name := range []string{policies.Provenance.Name, policies.Companions.Name} {
		settings[name] = config.Setting{Value: "keep"}
	}
	for _, name := range names {
		settings[name] = config.Setting{Value: "drop"}
	}
	return settings
}

// drafting is one draft under way.
type drafting struct {
	ctx     context.Context // of this one call to DraftOf
	readers registry.Readers
	state   *State
	draft   Draft
	tags    map[string]tagged // those that could be read
}

// survey reads all tags.
func (d *drafting) survey(tags []string) {
	repository := d.draft.Repository
	found := map[string]registry.Answer[tagged]{}
	d.state.settle(d.ctx, d.readers, repository, func(v *view) {
		for _, tag := range tags {
			m, err := v.manifest(repository, tag)
			if err != nil {
				found[tag] = registry.Answer[tagged]{Err: err}
				continue
			}
			leaves, err := v.leaves(repository, m, descriptorOf(m), 0)
			t := tagged{digest: m.Digest, owner: m.Annotations[AnnotationAlias], leaves: distinct(leaves), rank: rankOf(tag)}
			t.of = partOf(tag, t)
			found[tag] = registry.Answer[tagged]{Value: t, Err: err}
		}
	})
	for _, tag := range tags {
		a := found[tag]
		if a.Err != nil {
			d.draft.Tags = append(d.draft.Tags, TagSummary{Tag: tag, Err: a.Err})
			continue
		}
		d.tags[tag] = a.Value
		// This saves the planner the question what the tag names.
		d.state.tags[place{repository, tag}] = registry.Answer[registry.Descriptor]{Value: registry.Descriptor{Digest: a.Value.digest}}
		s := TagSummary{Tag: tag, Digest: a.Value.digest}
		for _, l := range a.Value.leaves {
			switch l.Kind {
			case policies.Image:
				s.Platforms = append(s.Platforms, l.Platform)
			case policies.Attestation:
				s.Attestations++
			}
		}
		slices.SortFunc(s.Platforms, config.Platform.Compare)
		s.Platforms = slices.Compact(s.Platforms) // it may have several images for one
		d.draft.Tags = append(d.draft.Tags, s)
	}
}

// propose finds the aliases that are in sync under some policies. The planner
// decides: a candidate that it would change gives way to the next one of
// its tag.
func (d *drafting) propose(settings config.Settings) (aliases, near []config.Alias) {
	candidates := map[string][][]config.Source{}
	for _, t := range d.draft.Tags {
		if all := d.candidates(t.Tag); len(all) > 0 {
			candidates[t.Tag] = all
		}
	}
	rewritten := map[string]config.Alias{}
	for {
		image := config.Image{Repository: d.draft.Repository, Policies: settings}
		for _, t := range d.draft.Tags {
			if all := candidates[t.Tag]; len(all) > 0 {
				image.Aliases = append(image.Aliases, config.Alias{Tag: t.Tag, Sources: d.linked(all[0], candidates)})
			}
		}
		if tag := inCycle(image.Aliases); tag != "" {
			if candidates[tag] = candidates[tag][1:]; len(candidates[tag]) == 0 {
				delete(candidates, tag)
			}
			continue
		}
		plan, _ := d.state.plan(d.ctx, d.readers, image)
		changed := false
		inSync := map[string]bool{}
		for _, tag := range plan.InSync {
			inSync[tag] = true
		}
		for _, a := range image.Aliases {
			if inSync[a.Tag] {
				continue
			}
			changed = true
			if slices.ContainsFunc(a.Sources, func(s config.Source) bool { return s.Alias && !inSync[s.Tag] }) {
				continue // it may be right once that alias is
			}
			pushed := slices.ContainsFunc(plan.Pushes, func(p Push) bool { return p.Tag == a.Tag })
			if (pushed || slices.Contains(plan.LeftAlone, a.Tag)) && len(a.Sources) > 0 {
				rewritten[a.Tag] = a
			}
			if candidates[a.Tag] = candidates[a.Tag][1:]; len(candidates[a.Tag]) == 0 {
				delete(candidates, a.Tag)
			}
		}
		if changed {
			continue
		}
		for _, t := range d.draft.Tags {
			a, ok := rewritten[t.Tag]
			if ok && len(candidates[t.Tag]) == 0 && inCycle(append(near, a)) == "" {
				near = append(near, a)
			}
		}
		return image.Aliases, near
	}
}

// suggestions returns new aliases. The planner decides here, too: it would push each
// of them, beside the other aliases of the draft.
func (d *drafting) suggestions() []config.Alias {
	suggested := suggest(d.tags, d.source)
	for len(suggested) > 0 {
		image := config.Image{
			Repository: d.draft.Repository,
			Policies:   dropping(d.draft.Dropped),
			Aliases:    slices.Concat(d.draft.Written(), suggested),
		}
		aliases := map[string][][]config.Source{}
		for _, a := range image.Aliases {
			aliases[a.Tag] = [][]config.Source{a.Sources}
		}
		for i, a := range image.Aliases {
			image.Aliases[i].Sources = d.linked(a.Sources, aliases)
		}
		plan, _ := d.state.plan(d.ctx, d.readers, image)
		pushed := slices.DeleteFunc(slices.Clone(suggested), func(a config.Alias) bool {
			return !slices.ContainsFunc(plan.Pushes, func(p Push) bool { return p.Tag == a.Tag })
		})
		if len(pushed) == len(suggested) {
			break
		}
		suggested = pushed
	}
	return suggested
}

// Written returns the aliases in sync, or else the near ones: the existing tags
// among the aliases of the file.
func (d Draft) Written() []config.Alias {
	if len(d.Aliases) > 0 {
		return d.Aliases
	}
	return d.Near
}

// Empty reports whether there is no alias to write a file with.
func (d Draft) Empty() bool { return len(d.Aliases)+len(d.Near)+len(d.New) == 0 }

// inCycle returns the first alias that leads back to itself, or "". Marks of tags
// that were moved by hand can name each other, but aliases may not.
func inCycle(aliases []config.Alias) string {
	byTag := map[string]config.Alias{}
	for _, a := range aliases {
		byTag[a.Tag] = a
	}
	for _, a := range aliases {
		seen := map[string]bool{}
		open := []string{a.Tag}
		for len(open) > 0 {
			tag := open[len(open)-1]
			open = open[:len(open)-1]
			for _, s := range byTag[tag].Sources {
				switch {
				case s.Alias && s.Tag == a.Tag:
					return a.Tag
				case s.Alias && !seen[s.Tag]:
					seen[s.Tag] = true
					open = append(open, s.Tag)
				}
			}
		}
	}
	return ""
}

// linked marks the sources that are aliases themselves.
func (d *drafting) linked(sources []config.Source, aliases map[string][][]config.Source) []config.Source {
	sources = slices.Clone(sources)
	for i := range sources {
		sources[i].Alias = sources[i].Repository == d.draft.Repository && len(aliases[sources[i].Tag]) > 0
	}
	return sources
}

// candidates returns what a tag could be an alias of, the likeliest first.
func (d *drafting) candidates(tag string) [][]config.Source {
	t, ok := d.tags[tag]
	if !ok {
		return nil
	}
	var all [][]config.Source
	if o, there := d.tags[t.owner]; there && t.owner != tag && o.digest == t.digest {
		all = append(all, []config.Source{d.source(t.owner)}) // tagline made it for the other tag
	}
	if t.owner == tag {
		all = append(all, d.marked(t)...)
	}
	if of := d.best(tag, func(o tagged) bool { return o.digest == t.digest }); of != "" {
		all = append(all, []config.Source{d.source(of)})
	}
	return append(all, d.composed(tag, t)...)
}

func (d *drafting) source(tag string) config.Source {
	return config.Source{Repository: d.draft.Repository, Tag: tag, Text: tag}
}

// marked reads the sources that tagline noted in its own index.
func (d *drafting) marked(t tagged) [][]config.Source {
	var byPlatform []config.Source
	for _, l := range t.images() {
		mark := l.descriptor.Annotations[AnnotationSource]
		s := d.source(mark)
		if _, ours := d.tags[mark]; !ours {
			// A digest, or a source in another repository. A mark alone is no
			// reason to ask for that.
			of, err := config.ParseReference(d.draft.Repository.Path+"@"+mark, d.draft.Repository.Host)
			if err != nil {
				return nil
			}
			s.Tag, s.Digest = "", of.Digest
		}
		platform, ok := named(l.Platform)
		if !ok {
			return nil
		}
		s.Platform = platform
		byPlatform = append(byPlatform, s)
	}
	return forms(byPlatform)
}

// composed finds the images of a tag in other tags that it could follow.
func (d *drafting) composed(tag string, t tagged) [][]config.Source {
	var byPlatform []config.Source
	for _, l := range t.images() {
		of := d.best(tag, func(o tagged) bool {
			return slices.ContainsFunc(o.images(), func(m leaf) bool {
				return m.Digest == l.Digest && m.Platform.Normal() == l.Platform.Normal()
			})
		})
		platform, ok := named(l.Platform)
		if of == "" || !ok {
			return nil
		}
		s := d.source(of)
		s.Platform = platform
		byPlatform = append(byPlatform, s)
	}
	return forms(byPlatform)
}

// best returns the best tag that fits and that the alias could follow: the
// highest version, or else the first by name, or "".
func (d *drafting) best(alias string, fits func(tagged) bool) string {
	best, of := "", d.tags[alias].rank
	for _, t := range d.draft.Tags { // sorted, so that the higher of two equals comes later
		o, ok := d.tags[t.Tag]
		if !ok || t.Tag == alias || o.of != alias && !of.follows(o.rank) || !fits(o) {
			continue
		}
		if best == "" || o.rank.over(d.tags[best].rank) {
			best = t.Tag
		}
	}
	return best
}

// same returns the tags of one digest that are not aliases of the draft.
func (d *drafting) same() [][]string {
	known := map[string]bool{}
	for _, a := range d.draft.Aliases {
		known[a.Tag] = true
	}
	groups := map[string][]string{}
	for _, t := range d.draft.Tags {
		if t.Err == nil && !known[t.Tag] {
			groups[t.Digest] = append(groups[t.Digest], t.Tag)
		}
	}
	var all [][]string
	for _, tags := range groups {
		if len(tags) > 1 {
			all = append(all, tags)
		}
	}
	slices.SortFunc(all, func(a, b []string) int { return config.CompareTags(a[0], b[0]) })
	return all
}

// Unread joins the errors of tags that could not be read, nil if there are none.
func (d Draft) Unread() error {
	var errs []error
	for _, t := range d.Tags {
		if t.Err != nil {
			errs = append(errs, fmt.Errorf("tag %q: %w", t.Tag, t.Err))
		}
	}
	return errors.Join(errs...)
}

// Summary returns what the draft knows about a tag.
func (d Draft) Summary(tag string) TagSummary {
	i, ok := slices.BinarySearchFunc(d.Tags, tag, func(t TagSummary, tag string) int { return config.CompareTags(t.Tag, tag) })
	if !ok {
		return TagSummary{}
	}
	return d.Tags[i]
}
