package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"tagline/config"
	"tagline/reconcile"
)

// kinds are the reasons for deleting manifests, in the order of the report.
var kinds = []struct{ kind, what string }{
	{reconcile.KindReplaced, "replaced index"},
	{reconcile.KindAttestation, "attestation"},
	{reconcile.KindReferrer, "referrer"},
	{reconcile.KindUntagged, "untagged manifest"},
}

// notes are the last lines about deletions, for all repositories together.
type notes struct {
	reclaimed map[string]amount // by kind
	purged    int               // deletions that are a purge's own
	held      int
	waiting   int
	listed    int
	pinnable  int             // digests that a deployment may have pinned
	unlisted  map[string]bool // hosts that list no untagged manifests, where these should go
	doubtful  bool            // tags are purged in a registry that may not support deletions
}

type amount struct {
	n     int
	bytes int64
}

func (n *notes) add(plan reconcile.Plan, result reconcile.Result) {
	if n.reclaimed == nil {
		n.reclaimed, n.unlisted = map[string]amount{}, map[string]bool{}
	}
	_, amazon := config.ParseECRHost(plan.Repository.Host)
	for i, d := range plan.DeleteManifests {
		n.doubtful = n.doubtful || d.Kind == reconcile.KindReplaced && !amazon
		if i >= len(result.Removed) || result.Removed[i].Err == nil {
			sum := n.reclaimed[d.Kind]
			n.reclaimed[d.Kind] = amount{sum.n + 1, sum.bytes + d.Bytes}
			if d.Purges() {
				n.purged++
			}
		}
	}
	for i, d := range plan.DeleteTags {
		if d.Emptied && (i >= len(result.Deleted) || result.Deleted[i].Err == nil) {
			n.purged++
		}
	}
	n.held += plan.Swept.Held
	n.waiting += plan.Swept.Waiting
	n.listed += plan.Swept.Listed
	n.pinnable += pinnable(plan, result)
	if plan.Swept.Unlisted {
		n.unlisted[plan.Repository.Host] = true
	}
}

// pinnable counts the deleted digests, without attestations and referrers: no
// deployment runs those.
func pinnable(plan reconcile.Plan, result reconcile.Result) int {
	digests := map[string]bool{}
	for i, d := range plan.DeleteManifests {
		if d.Kind != reconcile.KindAttestation && d.Kind != reconcile.KindReferrer && (i >= len(result.Removed) || result.Removed[i].Err == nil) {
			digests[d.Digest] = true
		}
	}
	for i, d := range plan.DeleteTags {
		if d.Last && !d.Emptied && (i >= len(result.Deleted) || result.Deleted[i].Err == nil) {
			digests[d.Old] = true
		}
	}
	return len(digests)
}

// pinned says how many digests are deleted that a deployment may have pinned.
// It is "" if there are none.
func (n *notes) pinned(dryRun bool) string {
	if n.pinnable == 0 {
		return ""
	}
	does := verb(n.pinnable, "is gone", "are gone")
	if dryRun {
		does = "would go"
	}
	return fmt.Sprintf("%s %s that a deployment may have pinned. How to look: policies/README.md, \"Pinned digests\".", Count(n.pinnable, "digest"), does)
}

// uncounted says how many deletions --max-deletions does not count, "" for none.
func (n *notes) uncounted() string {
	if n.purged == 0 {
		return ""
	}
	return fmt.Sprintf("--max-deletions does not count %d of these deletions: provenance: purge asks for %s.", n.purged, verb(n.purged, "it", "them"))
}

func (n *notes) lines(dryRun bool) []string { return append(n.freed(dryRun), n.remarks(dryRun)...) }

// freed says how much was deleted, by kind.
func (n *notes) freed(dryRun bool) []string {
	var lines []string
	does := "Reclaimed"
	if dryRun {
		does = "To reclaim"
	}
	for _, k := range kinds {
		if got := n.reclaimed[k.kind]; got.n > 0 {
			lines = append(lines, fmt.Sprintf("%s: %s, %s.", does, Count(got.n, k.what), Bytes(got.bytes)))
		}
	}
	return lines
}

// remarks say what is not, or not yet, deleted.
func (n *notes) remarks(dryRun bool) []string {
	var lines []string
	if dryRun && n.doubtful {
		lines = append(lines, "Whether this registry allows deletions shows only when the first is sent. If it refuses, the tags stay as they are.")
	}
	if n.held > 0 {
		lines = append(lines, fmt.Sprintf("%s of untagged indexes %s; untagged: delete removes both.", Count(n.held, "attestation"), verb(n.held, "stays", "stay")))
	}
	if n.waiting > 0 {
		lines = append(lines, Count(n.waiting, "manifest")+" that nothing needs "+verb(n.waiting, "waits", "wait")+" for grace.")
	}
	if n.listed > 0 {
		lines = append(lines, fmt.Sprintf("%s %s: an index lists %s.",
			Count(n.listed, "untagged image"), verb(n.listed, "stays", "stay"), verb(n.listed, "it", "them")))
	}
	if hosts := slices.Sorted(maps.Keys(n.unlisted)); len(hosts) > 0 {
		lines = append(lines, fmt.Sprintf("%s %s not list untagged manifests, so older ones stay.", strings.Join(hosts, ", "), verb(len(hosts), "does", "do")))
	}
	return lines
}
