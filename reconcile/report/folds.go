package report

import (
	"fmt"
	"strings"
)

// foldsOf returns the long lists of a repository, folded: tags that a purge
// rewrites, tags and manifests that go. short has their counts alone.
func (r *Run) foldsOf(of Repository) (full, short string) {
	is, are, loses, lose := "was", "were", "lost", "lost"
	if r.DryRun {
		is, are, loses, lose = "is", "are", "loses", "lose"
	}
	add := func(items []string, summary string) {
		if len(items) > 0 {
			full += fold(summary, strings.Join(items, "\n"))
			short += "\n" + summary + ".\n"
		}
	}
	purged, attestations := purgedTags(of, loses)
	add(purged, fmt.Sprintf("%s %s %s", Count(len(purged), "tag"), verb(len(purged), loses, lose), Count(attestations, "attestation")))
	deleted := r.manyDeleted(of)
	add(deleted, fmt.Sprintf("%s %s deleted", Count(len(deleted), "tag"), verb(len(deleted), is, are)))
	for _, k := range kinds {
		gone, bytes := goneManifests(of, k.kind)
		add(gone, fmt.Sprintf("%s %s deleted, %s", Count(len(gone), k.what), verb(len(gone), is, are), Bytes(bytes)))
	}
	back := putBack(of)
	add(back, fmt.Sprintf("%s %s put back", Count(len(back), "manifest"), verb(len(back), is, are)))
	return full, short
}

// purgedTags lists the tags that lose attestations, and counts these.
func purgedTags(of Repository, loses string) (items []string, attestations int) {
	for i, p := range of.Pushes {
		if err, _ := Tried(of.Pushed, i); err == nil && p.Purged > 0 && !Already(of.Pushed, i) {
			items = append(items, fmt.Sprintf("- %s %s %s", code(p.Tag), loses, Count(p.Purged, "attestation")))
			attestations += p.Purged
		}
	}
	return items, attestations
}

// manyDeleted lists the tags that go, if they are too many for the table. What could not
// be deleted is among the concerns.
func (r *Run) manyDeleted(of Repository) (items []string) {
	all := r.deletedTags(of)
	if len(all) <= manyTags {
		return nil
	}
	for _, d := range all {
		if d.done {
			items = append(items, "- "+code(d.tag)+" "+d.happens)
		}
	}
	return items
}

// goneManifests lists the manifests of a kind that go, with their size in all.
func goneManifests(of Repository, kind string) (items []string, bytes int64) {
	for i, d := range of.DeleteManifests {
		if err, _ := Tried(of.Removed, i); err == nil && d.Kind == kind && !Already(of.Removed, i) {
			items = append(items, fmt.Sprintf("- %s: %s (%s)", code(brief(d.Digest)), prose(d.Reason), Bytes(d.Bytes)))
			bytes += d.Bytes
		}
	}
	return items, bytes
}

// putBack lists the manifests that are put back.
func putBack(of Repository) (items []string) {
	for i, k := range of.Required {
		if isPutBack(k, of.Ensured, i) {
			items = append(items, fmt.Sprintf("- %s: the registry had dropped it, and %s", code(brief(k.Digest)), prose(whyRequired(k))))
		}
	}
	return items
}

// inSync lists the aliases that are what they should be, folded.
func (r *Run) inSync() (full, short string) {
	var items []string
	n := r.totals().inSync
	for _, of := range r.Repositories {
		var names []string
		for _, tag := range of.InSync {
			names = append(names, code(tag))
		}
		for i, o := range of.Pushed {
			if o.Already {
				names = append(names, code(of.Pushes[i].Tag))
			}
		}
		if len(names) > 0 {
			items = append(items, "- "+code(of.Image)+": "+strings.Join(names, ", "))
		}
	}
	if n == 0 {
		return "", ""
	}
	summary := fmt.Sprintf("%s %s in sync", Count(n, "alias"), verb(n, "is", "are"))
	return fold(summary, strings.Join(items, "\n")), "\n" + summary + ".\n"
}
