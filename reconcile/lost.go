package reconcile

import (
	"maps"
	"slices"
	"time"

	"tagline/config"
	"tagline/reconcile/registry"
)

// Wanted selects from a trash: a whole repository, a tag with the manifest that it
// named last, or a manifest without its tags.
type Wanted struct {
	Repository  config.Repository
	Tag, Digest string // at most one of them
}

// Lost is a selection from a trash, of one repository.
type Lost struct {
	Repository config.Repository
	manifests  map[string]registry.RawManifest // by digest; also those that are not selected
	asked      map[string]bool                 // the selected digests
	named      map[string]bool                 // those of them that were asked for by their digest
	tags       map[string]lostTag              // the selected tags
}

type lostTag struct {
	digest string
	put    string // digest that the run pushed instead, "" if it deleted the tag
}

// Choose selects from records, which are sorted by time, oldest first. If wanted
// is empty, everything is selected. A run that is not empty and since restrict the
// selection; children of what is selected may come from any record. If a tag was
// lost several times, the last time counts. What is wanted and not found is
// returned in none.
func Choose(records []Record, wanted []Wanted, run string, since time.Time) (found []Lost, none []Wanted) {
	all := map[config.Repository]*Lost{}
	hit := map[Wanted]bool{}
	for _, record := range records {
		lost := all[record.Repository]
		if lost == nil {
			lost = &Lost{
				Repository: record.Repository, manifests: map[string]registry.RawManifest{},
				asked: map[string]bool{}, named: map[string]bool{}, tags: map[string]lostTag{},
			}
			all[record.Repository] = lost
		}
		for _, kept := range record.Kept {
			digest := kept.Manifest.Digest
			lost.manifests[digest] = kept.Manifest
			if run != "" && record.Run != run || record.Time.Before(since) {
				continue
			}
			if len(wanted) == 0 {
				lost.take(kept, "")
			}
			for _, w := range wanted {
				named := slices.ContainsFunc(kept.Tags, func(t KeptTag) bool { return t.Tag == w.Tag })
				switch {
				case w.Repository.Place() != record.Repository.Place(), w.Digest != "" && w.Digest != digest, w.Tag != "" && !named:
					continue
				case w.Digest != "":
					lost.asked[digest], lost.named[digest] = true, true
				default:
					lost.take(kept, w.Tag)
				}
				hit[w] = true
			}
		}
	}
	for _, repository := range slices.SortedFunc(maps.Keys(all), config.Repository.Compare) {
		lost := all[repository]
		for _, t := range lost.tags {
			lost.asked[t.digest] = true
		}
		if len(lost.asked) > 0 {
			found = append(found, *lost)
		}
	}
	for _, w := range wanted {
		if !hit[w] {
			none = append(none, w)
		}
	}
	return found, none
}

// Manifest returns a manifest of the trash. It is zero if the trash has none.
func (l Lost) Manifest(digest string) registry.RawManifest { return l.manifests[digest] }

// take selects a manifest with its tags. With only, it selects that tag, and a
// later record may replace the manifest.
func (l *Lost) take(kept Kept, only string) {
	if only == "" {
		l.asked[kept.Manifest.Digest] = true
	}
	for _, t := range kept.Tags {
		if only == "" || t.Tag == only {
			l.tags[t.Tag] = lostTag{kept.Manifest.Digest, t.New}
		}
	}
}
