package catalogue

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"tagline/config"
	"tagline/reconcile"
	"tagline/reconcile/journal"
	"tagline/reconcile/registry"
)

// deletion is a tag, or manifests of one repository, that a run deleted.
type deletion struct {
	at         time.Time
	run        string
	repository config.Repository
	tag        string   // "" for manifests
	digest     string   // of what it named
	manifests  []string // digests
	reason     string
	kept       bool // in the trash
	unsure     bool // whether it is gone could not be read
}

// deletions are what runs deleted, newest first.
type deletions []deletion

// deletionsOf returns what journals and trash tell. What both have counts once.
func deletionsOf(moves []journal.Move, trash []reconcile.Record) deletions {
	type tagOf struct {
		run        string
		repository config.Repository
		tag        string
	}
	var all deletions
	known := map[tagOf]int{}
	for _, m := range moves {
		if m.Action == journal.Deleted {
			known[tagOf{m.Run, m.Repository, m.Tag}] = len(all)
			all = append(all, deletion{at: m.Time, run: m.Run, repository: m.Repository, tag: m.Tag, digest: m.Old, reason: m.Reason})
		}
	}
	for _, record := range trash {
		one := deletion{at: record.Time, run: record.Run, repository: record.Repository, kept: true}
		for _, kept := range record.Kept {
			tagged := false
			for _, t := range kept.Tags {
				if t.New != "" {
					continue // it moved, and what it named may be gone
				}
				tagged = true
				if i, twice := known[tagOf{record.Run, record.Repository, t.Tag}]; twice {
					all[i].kept = true
					continue
				}
				all = append(all, deletion{at: record.Time, run: record.Run, repository: record.Repository, tag: t.Tag, digest: kept.Manifest.Digest, reason: kept.Reason, kept: true})
			}
			if !tagged {
				one.manifests = append(one.manifests, kept.Manifest.Digest)
				one.reason = kept.Reason
			}
		}
		if len(one.manifests) > 0 {
			all = append(all, one)
		}
	}
	slices.SortStableFunc(all, func(a, b deletion) int {
		return cmp.Or(b.at.Compare(a.at), a.repository.Compare(b.repository), config.CompareTags(a.tag, b.tag))
	})
	return all
}

// maxDeleted is how many of them the page lists.
const maxDeleted = 200

// references returns the tags and digests of those that the page lists, by repository.
func (d deletions) references() map[config.Repository][]string {
	all := map[config.Repository][]string{}
	for _, one := range d[:min(maxDeleted, len(d))] {
		if one.tag != "" {
			all[one.repository] = append(all[one.repository], one.tag)
		}
		all[one.repository] = append(all[one.repository], one.manifests...)
	}
	return all
}

// without returns the list without what is there; see [Page.NotDeleted].
func (d deletions) without(now func(repository config.Repository, reference string) (digest string, known bool)) deletions {
	d = slices.DeleteFunc(d, func(one deletion) bool {
		named, _ := now(one.repository, one.tag)
		return one.tag != "" && one.digest != "" && named == one.digest
	})
	for i := range d {
		one := &d[i]
		one.manifests = slices.DeleteFunc(one.manifests, func(digest string) bool {
			named, known := now(one.repository, digest)
			one.unsure = one.unsure || !known
			return named != ""
		})
		if one.tag != "" {
			_, known := now(one.repository, one.tag)
			one.unsure = !known
		}
	}
	return slices.DeleteFunc(d, func(one deletion) bool { return one.tag == "" && len(one.manifests) == 0 })
}

// lines returns the lines of the page.
func (d deletions) lines() []entry {
	var lines []entry
	for _, one := range d[:min(maxDeleted, len(d))] {
		e := entry{When: stamp(one.at)}
		switch {
		case one.tag != "":
			e.What, e.Text = one.repository.String()+":"+one.tag, one.reason+", was "+registry.Short(one.digest)
		case len(one.manifests) == 1:
			e.What, e.Text = one.repository.String(), registry.Short(one.manifests[0])+", "+one.reason
		default:
			e.What, e.Text = one.repository.String(), fmt.Sprintf("%d manifests", len(one.manifests))
		}
		if one.kept {
			e.Text += " (in the trash, run " + one.run + ")"
		}
		if one.unsure {
			e.Text += "; whether it is gone is not known"
		}
		e.What, e.Text = clean(e.What), clean(e.Text)
		lines = append(lines, e)
	}
	if more := len(d) - maxDeleted; more > 0 {
		lines = append(lines, entry{Text: fmt.Sprintf("and %d more", more)})
	}
	return lines
}
