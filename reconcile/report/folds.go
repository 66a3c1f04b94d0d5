package report

import (
	"fmt"
	"strings"
)

// foldsOf returns the long lists of a repository, folded: tags that a purge
// rewrites, tags and manifests that go. short has their counts alone.
func (r *Run) foldsOf(of Repository) (full, short string) {
	add := func(summary string, items []string) {
		full += fold(summary, strings.Join(items, "\n"))
		short += "\n" + summary + ".\n"
	}
	is, are, loses, lose := "was", "were", "lost", "lost"
	if r.DryRun {
		is, are, loses, lose = "is", "are", "loses", "lose"
	}

	var purged []string
	attestations := 0
	for i, p := range of.Pushes {
		if err, _ := Tried(of.Pushed, i); err == nil && p.Purged > 0 && !Already(of.Pushed, i) {
			purged = append(purged, fmt.Sprintf("- %s %s %s", code(p.Tag), loses, Count(p.Purged, "attestation")))
			attestations += p.Purged
		}
	}
	if len(purged) > 0 {
		add(fmt.Sprintf("%s %s %s", Count(len(purged), "tag"), verb(len(purged), loses, lose), Count(attestations, "attestation")), purged)
	}

	var deleted []string
	for _, d := range r.deletedTags(of) {
		if d.done { // or else it is among the concerns
			deleted = append(deleted, "- "+code(d.tag)+" "+d.happens)
		}
	}
	if len(r.deletedTags(of)) > manyTags && len(deleted) > 0 {
		add(fmt.Sprintf("%s %s deleted", Count(len(deleted), "tag"), verb(len(deleted), is, are)), deleted)
	}

	for _, k := range kinds {
		var items []string
		total := int64(0)
		for i, d := range of.DeleteManifests {
			if err, _ := Tried(of.Removed, i); err == nil && d.Kind == k.kind && !Already(of.Removed, i) {
				items = append(items, fmt.Sprintf("- %s: %s (%s)", code(brief(d.Digest)), prose(d.Reason), Bytes(d.Bytes)))
				total += d.Bytes
			}
		}
		if len(items) > 0 {
			add(fmt.Sprintf("%s %s deleted, %s", Count(len(items), k.what), verb(len(items), is, are), Bytes(total)), items)
		}
	}

	var back []string
	for i, k := range of.Required {
		if isPutBack(k, of.Ensured, i) {
			back = append(back, fmt.Sprintf("- %s: the registry had dropped it, and %s", code(brief(k.Digest)), prose(whyRequired(k))))
		}
	}
	if len(back) > 0 {
		add(fmt.Sprintf("%s %s put back", Count(len(back), "manifest"), verb(len(back), is, are)), back)
	}
	return full, short
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
