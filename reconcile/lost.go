package reconcile

import (
	"maps"
	"slices"
	"time"

	"tagline/config"
	"tagline/reconcile/registry"
)

// Wanted is what to take out of a trash: a repository as a whole, a tag and what
// it named last, or a manifest without its tags.
type Wanted struct {
	Repository  config.Repository
	Tag, Digest string // at most one of them
}

// Lost is what a trash has of one repository, and how much of it is asked for.
type Lost struct {
	Repository config.Repository
	manifests  map[string]registry.RawManifest // all, by digest
	asked      map[string]bool                 // digests
	tags       map[string]lostTag              // that are asked for
}

type lostTag struct {
	digest string
	put    string // the digest that the run gave to it, "" if it deleted the tag
}

// Choose takes what is wanted out of records, oldest first, and tells what is
// wanted and not there. Nothing wanted is everything. Run, if not empty, and
// since hold for what is asked for; what that lists may come from anywhere in
// the records. Of a tag that was lost twice the last time counts.
func Choose(records []Record, wanted []Wanted, run string, since time.Time) (found []Lost, none []Wanted) {
	all := map[config.Repository]*Lost{}
	hit := map[Wanted]bool{}
	for _, record := range records {
		lost := all[record.Repository]
		if lost == nil {
			lost = &Lost{record.Repository, map[string]registry.RawManifest{}, map[string]bool{}, map[string]lostTag{}}
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
				case w.Repository != record.Repository, w.Digest != "" && w.Digest != digest, w.Tag != "" && !named:
					continue
				case w.Digest != "":
					lost.asked[digest] = true
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

// take asks for a manifest and its tags, or only for one of them: which manifest
// it named last is known at the end.
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
