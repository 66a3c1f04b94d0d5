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

// deletions returns what journals and trash tell, newest first. What both have counts
// once.
func deletions(moves []journal.Move, trash []reconcile.Record) []deletion {
	type tagOf struct {
		run        string
		repository config.Repository
		tag        string
	}
	var all []deletion
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

// Deleted returns what the page would list as deleted, by repository: tags and digests.
// A registry may have refused a deletion, and what was deleted may have been put back,
// so the caller asks what is there.
func (p *Page) Deleted() map[config.Repository][]string {
	all := map[config.Repository][]string{}
	for _, d := range p.deleted[:min(maxDeleted, len(p.deleted))] {
		if d.tag != "" {
			all[d.repository] = append(all[d.repository], d.tag)
		}
		all[d.repository] = append(all[d.repository], d.manifests...)
	}
	return all
}

// NotDeleted takes what is there off the list. now returns what a tag or digest of
// Deleted names, "" if it is certain that there is no such tag or digest. What is not
// known stays on the list, which says so.
func (p *Page) NotDeleted(now func(repository config.Repository, reference string) (digest string, known bool)) {
	p.deleted = slices.DeleteFunc(p.deleted, func(d deletion) bool {
		named, _ := now(d.repository, d.tag)
		return d.tag != "" && d.digest != "" && named == d.digest
	})
	for i := range p.deleted {
		d := &p.deleted[i]
		d.manifests = slices.DeleteFunc(d.manifests, func(digest string) bool {
			named, known := now(d.repository, digest)
			d.unsure = d.unsure || !known
			return named != ""
		})
		if d.tag != "" {
			_, known := now(d.repository, d.tag)
			d.unsure = !known
		}
	}
	p.deleted = slices.DeleteFunc(p.deleted, func(d deletion) bool { return d.tag == "" && len(d.manifests) == 0 })
}

// gone returns the lines of the page.
func (p *Page) gone() []entry {
	var lines []entry
	for _, d := range p.deleted[:min(maxDeleted, len(p.deleted))] {
		e := entry{When: stamp(d.at)}
		switch {
		case d.tag != "":
			e.What, e.Text = d.repository.String()+":"+d.tag, d.reason+", was "+registry.Short(d.digest)
		case len(d.manifests) == 1:
			e.What, e.Text = d.repository.String(), registry.Short(d.manifests[0])+", "+d.reason
		default:
			e.What, e.Text = d.repository.String(), fmt.Sprintf("%d manifests", len(d.manifests))
		}
		if d.kept {
			e.Text += " (in the trash, run " + d.run + ")"
		}
		if d.unsure {
			e.Text += "; whether it is gone is not known"
		}
		e.What, e.Text = clean(e.What), clean(e.Text)
		lines = append(lines, e)
	}
	if more := len(p.deleted) - maxDeleted; more > 0 {
		lines = append(lines, entry{Text: fmt.Sprintf("and %d more", more)})
	}
	return lines
}
