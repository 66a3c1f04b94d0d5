package reconcile

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tagline/config"
	"tagline/reconcile/registry"
)

// What a registry may drop. zot (v2.1) deletes a manifest when its last tag moves
// away or is deleted, also if an index lists the manifest. What an index still
// lists has to be there afterwards, so the plan names it: see [Keep].

// leaving is a tag that a plan takes away from a digest.
type leaving struct{ tag, digest string }

// departures are the tags that a plan moves or deletes.
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

// trimKeeps drops what no action of the plan takes a tag from.
func (p *Plan) trimKeeps() {
	left := map[leaving]bool{}
	for _, l := range p.departures() {
		left[l] = true
	}
	var keeps []Keep
	for _, k := range p.Keeps {
		k.Tags = slices.DeleteFunc(slices.Clone(k.Tags), func(tag string) bool { return !left[leaving{tag, k.Digest}] })
		if len(k.Tags) > 0 || k.Lost {
			keeps = append(keeps, k)
		}
	}
	p.Keeps = keeps
}

// addKeep adds what has to be there. A digest stands once.
func (p *Plan) addKeep(k Keep) {
	i := slices.IndexFunc(p.Keeps, func(other Keep) bool { return other.Digest == k.Digest })
	if i < 0 {
		p.Keeps = append(p.Keeps, k)
		return
	}
	p.Keeps[i].Tags = append(p.Keeps[i].Tags, k.Tags...)
	p.Keeps[i].Lost = p.Keeps[i].Lost || k.Lost
}

// regain returns how manifests that are missing from the repository can be put
// back, and which can't: their bytes are gone, unless a cache has them.
func (v *view) regain(gone []ocispec.Descriptor, needed string) (keeps []Keep, lost []ocispec.Descriptor, err error) {
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
			keeps = append(keeps, Keep{Digest: digest, MediaType: m.MediaType, Manifest: m.Body, Needed: needed, Lost: true})
		}
	}
	return keeps, lost, errors.Join(errs...)
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
		if k.named[digest] = true; words[digest] == "" {
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

// addKeeps adds to a plan what has to be there although a tag leaves it. That costs
// nothing where no index lists the manifest: that is known if the whole
// repository was looked at, or if another tag names the manifest, and it is so
// for an index that tagline made for this tag. Of anything else that no known
// index lists, nobody knows, so the registry is asked.
func (s scope) addKeeps(plan *Plan, k known) {
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
		keep := Keep{Digest: l.digest, Tags: []string{l.tag}, Needed: k.needs[l.digest]}
		switch m, err := s.manifest(s.home, l.digest); {
		case errors.Is(err, registry.ErrNotFound) || errors.Is(err, errUnknown):
			continue
		case err == nil && keep.Needed == "" && m.Index && m.Annotations[AnnotationAlias] == l.tag:
			continue
		case err == nil:
			keep.MediaType, keep.Manifest = m.MediaType, m.Body
		}
		plan.addKeep(keep)
	}
}

// putBackLeft adds to a plan what tags had left when a run was cut, and what is
// missing since. That costs a question for each, and nothing after a run that came to
// its end. What no cache has any more is not put back.
func (s scope) putBackLeft(plan *Plan) {
	for _, left := range s.left {
		_, err := s.tag(s.home, left)
		if errors.Is(err, registry.ErrNotFound) {
			var keeps []Keep
			keeps, _, err = s.regain([]ocispec.Descriptor{{Digest: digest.Digest(left)}}, "")
			for _, k := range keeps {
				plan.addKeep(k)
			}
		}
		if err != nil {
			plan.Errors = append(plan.Errors, Failure{Message: reason(fmt.Errorf("manifest %s, which a tag left in a run that was cut: %w", left, err))})
		}
	}
}

// resolved returns what is known of the repository's tags, without a question.
func (v *view) resolved() map[string]string {
	tags := map[string]string{}
	for at, a := range v.manifests {
		if at.repository == v.home && a.Err == nil && !strings.Contains(at.reference, ":") {
			tags[at.reference] = a.Value.Digest
		}
	}
	for at, a := range v.tags {
		if at.repository == v.home && a.Err == nil && !strings.Contains(at.reference, ":") {
			tags[at.reference] = a.Value.Digest
		}
	}
	return tags
}
