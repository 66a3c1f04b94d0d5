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
	tag        string // "" for manifests
	digest     string // of what it named, or of the one manifest
	manifests  int
	reason     string
	kept       bool // in the trash
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
				tagged = true
				if t.New != "" {
					continue // it moved
				}
				if i, twice := known[tagOf{record.Run, record.Repository, t.Tag}]; twice {
					all[i].kept = true
					continue
				}
				all = append(all, deletion{at: record.Time, run: record.Run, repository: record.Repository, tag: t.Tag, digest: kept.Manifest.Digest, reason: kept.Reason, kept: true})
			}
			if !tagged {
				one.manifests++
				one.digest, one.reason = kept.Manifest.Digest, kept.Reason
			}
		}
		if one.manifests > 0 {
			all = append(all, one)
		}
	}
	slices.SortStableFunc(all, func(a, b deletion) int {
		return cmp.Or(b.at.Compare(a.at), a.repository.Compare(b.repository), config.CompareTags(a.tag, b.tag))
	})
	return all
}

// gone returns the lines of the page.
func (p *Page) gone() []entry {
	var lines []entry
	for _, d := range p.deleted[:min(maxDeleted, len(p.deleted))] {
		e := entry{When: stamp(d.at)}
		switch {
		case d.tag != "":
			e.What, e.Text = d.repository.String()+":"+d.tag, d.reason+", was "+registry.Short(d.digest)
		case d.manifests == 1:
			e.What, e.Text = d.repository.String(), registry.Short(d.digest)+", "+d.reason
		default:
			e.What, e.Text = d.repository.String(), fmt.Sprintf("%d manifests", d.manifests)
		}
		if d.kept {
			e.Text += " (in the trash, run " + d.run + ")"
		}
		e.What, e.Text = clean(e.What), clean(e.Text)
		lines = append(lines, e)
	}
	if more := len(p.deleted) - maxDeleted; more > 0 {
		lines = append(lines, entry{Text: fmt.Sprintf("and %d more", more)})
	}
	return lines
}
