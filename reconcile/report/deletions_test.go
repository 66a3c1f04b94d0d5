package report

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"tagline/config"
	"tagline/reconcile"
)

// cleaning is a plan with deletions of each kind, few or many.
func cleaning(untagged int) reconcile.Plan {
	p := reconcile.Plan{
		Image: "my-image", Repository: config.Repository{Host: "r.test", Path: "my-image"},
		Pushes: []reconcile.Push{{Tag: "10.10", Old: one, New: two, Purged: 2}},
		DeleteTags: []reconcile.DeleteTag{
			{Tag: "9", Old: one, Reason: "no longer in images.yaml"},
			{Tag: "sha256-" + strings.Repeat("1", 64), Old: one, Reason: "is empty", Emptied: true},
		},
		DeleteManifests: []reconcile.DeleteManifest{
			{Digest: one, Kind: reconcile.KindReplaced, Reason: "10.10 before the purge", Bytes: 856},
			{Digest: two, Kind: reconcile.KindAttestation, Reason: "attestation of linux/amd64, nothing refers to it", Bytes: 1200},
		},
		Violations: []*config.Finding{{ID: "max-deletions", Message: "too many"}},
		Swept:      reconcile.Swept{Held: 3, Unlisted: true, Waiting: 4, Listed: 13},
	}
	for i := range untagged {
		p.DeleteManifests = append(p.DeleteManifests, reconcile.DeleteManifest{
			Digest: fmt.Sprintf("sha256:%064d", i), Kind: reconcile.KindUntagged, Reason: "untagged, nothing needs it", Bytes: 1e6,
		})
	}
	return p
}

func TestDeletions(t *testing.T) {
	refused := errors.New("405 Method Not Allowed")
	for _, test := range []struct {
		name   string
		opts   TextOptions
		plan   reconcile.Plan
		result reconcile.Result
		want   string
	}{
		{"a few", TextOptions{DryRun: true}, cleaning(1), reconcile.Result{}, `
my-image
  ~ 10.10  purge    sha256:222222222222…  (loses 2 attestations, was sha256:111111111111…)
  - 9      no longer in images.yaml (was sha256:111111111111…)
  - sha256-1111111111111111111111111111111111111111111111111111111111111111  is empty (was sha256:111111111111…)
  - sha256:111111111111…  10.10 before the purge (856 B)
  - sha256:222222222222…  attestation of linux/amd64, nothing refers to it (1.2 kB)
  - sha256:000000000000…  untagged, nothing needs it (1.0 MB)
  ! error[max-deletions]: too many
Plan: 1 to push, 2 tags and 3 manifests to delete, 1 blocked.
2 digests would go that a deployment may have pinned. How to look: policies/README.md, "Pinned digests".
To reclaim: 1 replaced index, 856 B.
To reclaim: 1 attestation, 1.2 kB.
To reclaim: 1 untagged manifest, 1.0 MB.
Whether this registry allows deletions shows only when the first is sent. If it refuses, the tags stay as they are.
3 attestations of untagged indexes stay; untagged: delete removes both.
4 manifests that nothing needs wait for grace.
13 untagged images stay: an index lists them.
r.test does not list untagged manifests, so older ones stay.
`},
		{"many, in part", TextOptions{}, cleaning(20), reconcile.Result{Removed: append([]reconcile.Outcome{{Err: refused}, {Err: refused}}, make([]reconcile.Outcome, 20)...)}, `
my-image
  ~ 10.10  purge    sha256:222222222222…  (loses 2 attestations, was sha256:111111111111…)
  - 9      no longer in images.yaml (was sha256:111111111111…)
  - sha256-1111111111111111111111111111111111111111111111111111111111111111  is empty (was sha256:111111111111…)
  ! sha256:111111111111…  error: 405 Method Not Allowed
  - 20 untagged manifests  that nothing needs (20.0 MB)
  ! error[max-deletions]: too many
Applied: 1 pushed, 2 tags and 20 manifests deleted, 1 blocked, 1 failed.
3 tags were changed as planned; this run left every other tag as it was. Run again once the cause is gone: a run does what is left. Where a registry lists no untagged manifests, the next run finds those that stayed only if a tag leads to them.
20 digests are gone that a deployment may have pinned. How to look: policies/README.md, "Pinned digests".
Reclaimed: 20 untagged manifests, 20.0 MB.
3 attestations of untagged indexes stay; untagged: delete removes both.
4 manifests that nothing needs wait for grace.
13 untagged images stay: an index lists them.
r.test does not list untagged manifests, so older ones stay.
`},
		{"with --max-deletions", TextOptions{DryRun: true, Limited: true}, cleaning(0), reconcile.Result{}, `
my-image
  ~ 10.10  purge    sha256:222222222222…  (loses 2 attestations, was sha256:111111111111…)
  - 9      no longer in images.yaml (was sha256:111111111111…)
  - sha256-1111111111111111111111111111111111111111111111111111111111111111  is empty (was sha256:111111111111…)
  - sha256:111111111111…  10.10 before the purge (856 B)
  - sha256:222222222222…  attestation of linux/amd64, nothing refers to it (1.2 kB)
  ! error[max-deletions]: too many
Plan: 1 to push, 2 tags and 2 manifests to delete, 1 blocked.
1 digest would go that a deployment may have pinned. How to look: policies/README.md, "Pinned digests".
--max-deletions does not count 3 of these deletions: provenance: purge asks for them.
To reclaim: 1 replaced index, 856 B.
To reclaim: 1 attestation, 1.2 kB.
Whether this registry allows deletions shows only when the first is sent. If it refuses, the tags stay as they are.
3 attestations of untagged indexes stay; untagged: delete removes both.
4 manifests that nothing needs wait for grace.
13 untagged images stay: an index lists them.
r.test does not list untagged manifests, so older ones stay.
`},
		{"quietly", TextOptions{Quiet: true}, cleaning(20), reconcile.Result{}, `
my-image
  ! error[max-deletions]: too many
`},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := text(t, test.opts, test.plan, test.result); got != strings.TrimPrefix(test.want, "\n") {
				t.Errorf("got\n%s\nwant%s", got, test.want)
			}
		})
	}
}
