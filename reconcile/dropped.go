package reconcile

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tagline/config"
	"tagline/reconcile/registry"
)

// What a registry may drop. zot (v2.1) deletes a manifest when its last tag moves
// away or is deleted, even if an index lists the manifest. A manifest that an index
// still lists must be there afterwards, so the plan names it: see [Required].

// leaving is a tag that a plan takes away from a digest.
type leaving struct{ tag, digest string }

// departures returns the tags that a plan moves or deletes.
func (p Plan) departures() []leaving {
	var all []leaving
	for _, push := range p.Pushes {
		if push.Old != "" && push.Old != push.New {
			all = append(all, leaving{push.Tag, push.Old})
		}
	}
	for _, d := range p.DeleteTags {
		all = append(all, leaving{d.Tag, d.Old})
	}
	return all
}

// trimRequired drops the required manifests that no action of the plan takes a tag
// from and that are not lost.
func (p *Plan) trimRequired() {
	left := map[leaving]bool{}
	for _, l := range p.departures() {
		left[l] = true
	}
	var required []Required
	for _, k := range p.Required {
		k.Tags = slices.DeleteFunc(slices.Clone(k.Tags), func(tag string) bool { return !left[leaving{tag, k.Digest}] })
		if len(k.Tags) > 0 || k.Lost {
			required = append(required, k)
		}
	}
	p.Required = required
}

// addRequired adds a required manifest. Each digest is listed once.
func (p *Plan) addRequired(k Required) {
	i := slices.IndexFunc(p.Required, func(other Required) bool { return other.Digest == k.Digest })
	if i < 0 {
		p.Required = append(p.Required, k)
		return
	}
	p.Required[i].Tags = append(p.Required[i].Tags, k.Tags...)
	p.Required[i].Lost = p.Required[i].Lost || k.Lost
}

// regain returns the missing manifests that can be put back, because a cache has
// their bytes, and those that can't.
func (v *view) regain(gone []ocispec.Descriptor, needed string) (regained []Required, lost []ocispec.Descriptor, err error) {
	var errs []error
	for _, d := range gone {
		digest := d.Digest.String()
		if _, err := v.tag(v.home, digest); !errors.Is(err, registry.ErrNotFound) { // it is archived
			lost = append(lost, d)
			continue
		}
		switch m, err := v.recall(v.home, digest); {
		case errors.Is(err, registry.ErrNotFound):
			lost = append(lost, d)
		case err != nil:
			errs = append(errs, err)
		default:
			regained = append(regained, Required{Digest: digest, MediaType: m.MediaType, Manifest: m.Body, Needed: needed, Lost: true})
		}
	}
	return regained, lost, errors.Join(errs...)
}

// known are the digests that something needs once a plan is done.
type known struct {
	named map[string]bool   // by a tag
	needs map[string]string // by an index, or by images.yaml: why, in words
	all   bool              // nothing else does
}

// newKnown begins with what images.yaml names by digest.
func newKnown(pinned []string) known {
	k := known{named: map[string]bool{}, needs: map[string]string{}}
	for _, digest := range pinned {
		k.needs[digest] = "images.yaml names it"
	}
	return k
}

// lists notes what an index lists.
func (k known) lists(index, digest string) {
	if k.needs[digest] == "" {
		k.needs[digest] = listedBy(index)
	}
}

func listedBy(index string) string { return index + " lists it" }

// aliasWord is how messages name an alias.
func aliasWord(tag string) string { return fmt.Sprintf("alias %q", tag) }

// knownOf is what a sweep knows: all of it.
func knownOf(after holding) known {
	k := newKnown(after.pinned)
	k.all = true
	words := map[string]string{}
	for _, tag := range slices.SortedFunc(maps.Keys(after.tags), config.CompareTags) {
		digest := after.tags[tag]
		k.named[digest] = true
		if words[digest] == "" {
			words[digest] = fmt.Sprintf("tag %q", tag)
		}
	}
	needed := after.needed()
	for _, digest := range slices.Sorted(maps.Keys(needed)) {
		word := words[digest]
		if word == "" {
			word = "index " + digest
		}
		for _, child := range after.manifests[digest].children {
			k.lists(word, child)
		}
		if needed[digest] == heldByGrace && k.needs[digest] == "" {
			k.needs[digest] = "it waits for grace"
		}
	}
	return k
}

// requireLeft adds the manifests that must be there although the plan takes a tag
// from them. It leaves out those that certainly stay or that no index lists: another
// tag names the manifest, a sweep found no index that lists it, or it is an index
// that tagline made for this tag. Any other manifest may be in an unknown index, so
// the run asks the registry for it.
func (s scope) requireLeft(plan *Plan, k known) {
	going := map[string]bool{}
	for _, d := range plan.DeleteManifests {
		going[d.Digest] = true
	}
	for _, l := range plan.departures() {
		if k.named[l.digest] || going[l.digest] || k.needs[l.digest] == "" && k.all {
			continue
		}
		facts, err := s.settings()
		if err != nil || facts.KeepsChildren {
			continue // an error fails the alias, or the sweep
		}
		required := Required{Digest: l.digest, Tags: []string{l.tag}, Needed: k.needs[l.digest]}
		switch m, err := s.manifest(s.home, l.digest); {
		case errors.Is(err, registry.ErrNotFound) || errors.Is(err, errUnknown):
			continue
		case err == nil && required.Needed == "" && m.Index && m.Annotations[AnnotationAlias] == l.tag:
			continue
		case err == nil:
			required.MediaType, required.Manifest = m.MediaType, m.Body
		}
		plan.addRequired(required)
	}
}

// putBackLeft adds to a plan what tags had left when a run was cut, and what is
// missing since. That costs a question for each, and nothing after a run that came to
// its end. What no cache has any more is not put back.
func (s scope) putBackLeft(plan *Plan) {
	for _, left := range slices.Sorted(maps.Keys(s.noted.Leaving)) {
		_, err := s.tag(s.home, left)
		if errors.Is(err, registry.ErrNotFound) {
			var required []Required
			required, _, err = s.regain([]ocispec.Descriptor{{Digest: digest.Digest(left)}}, "")
			for _, k := range required {
				plan.addRequired(k)
			}
		}
		if err != nil {
			plan.Errors = append(plan.Errors, Failure{Message: reason(fmt.Errorf("manifest %s, which a tag left in a run that was cut: %w", left, err)), Cause: registry.Cause(err)})
		}
	}
}

// resolved returns what is known of the repository's tags, without a question.
func (v *view) resolved() map[string]string {
	tags := map[string]string{}
	for at, a := range v.manifests {
		if at.repository == v.home && a.Err == nil && !config.IsDigest(at.reference) {
			tags[at.reference] = a.Value.Digest
		}
	}
	for at, a := range v.tags {
		if at.repository == v.home && a.Err == nil && !config.IsDigest(at.reference) {
			tags[at.reference] = a.Value.Digest
		}
	}
	return tags
}
