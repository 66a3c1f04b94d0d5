package report

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"testing"
	"unicode"

	"tagline/config"
	"tagline/policies"
	"tagline/reconcile"
	"tagline/reconcile/registry"
	"tagline/reconcile/report/reporttest"
)

// TestMain collects garbage less often: the tests allocate much and keep little.
// It tests properties with 30 random cases, or with TAGLINE_TEST_ALL with rapid's 100.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	if os.Getenv("TAGLINE_TEST_ALL") == "" {
		_ = flag.Set("rapid.checks", "30")
	}
	m.Run()
}

const (
	one   = reporttest.One
	two   = reporttest.Two
	three = reporttest.Three
	four  = reporttest.Four
	five  = reporttest.Five
)

var everything = reporttest.Everything

func text(t *testing.T, opts TextOptions, plan reconcile.Plan, result reconcile.Result) string {
	t.Helper()
	var b strings.Builder
	report := NewText(&b, opts)
	report.Repository(plan, result)
	if err := report.Summary(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// A manifest that was put back gets a line, and so does one that could not be.
// A manifest that was still there gets none.
func TestTextOfRequired(t *testing.T) {
	plan := reconcile.Plan{Image: "my-image", Required: []reconcile.Required{
		{Digest: one, Tags: []string{"10"}}, {Digest: two, Tags: []string{"10"}, Needed: `alias "11" lists it`},
		{Digest: three, Lost: true, Needed: "images.yaml names it"}, {Digest: four, Tags: []string{"9"}},
	}}
	result := reconcile.Result{Ensured: []reconcile.Outcome{{Tag: one, Already: true}, {Tag: two}, {Tag: three}, {Tag: four, Err: errors.New("503")}}}
	want := `my-image
  + sha256:222222222222…  was put back: the registry had dropped it, and alias "11" lists it
  + sha256:333333333333…  was put back: the registry had dropped it, and images.yaml names it
  ! sha256:444444444444…  error: an index may list it: 503
Applied: 0 pushed, 0 tags and 0 manifests deleted, 0 blocked, 2 put back, 1 failed.
This run left every tag as it was. Run again once the cause is gone: a run does what is left. 1 manifest that images need may be missing, see above.
`
	if got := text(t, TextOptions{}, plan, result); got != want {
		t.Errorf("applied:\n%s\nwant\n%s", got, want)
	}
	want = `my-image
  + sha256:333333333333…  is put back: the registry had dropped it, and images.yaml names it
Plan: 0 to push, 0 tags and 0 manifests to delete, 0 blocked, 1 to put back.
`
	if got := text(t, TextOptions{DryRun: true}, plan, reconcile.Result{}); got != want {
		t.Errorf("dry run:\n%s\nwant\n%s", got, want)
	}
}

func TestText(t *testing.T) {
	failed := reconcile.Result{
		Pushed:  []reconcile.Outcome{{Tag: "10"}, {Tag: "chart"}, {Tag: "latest", Err: errors.New("403 Forbidden")}},
		Deleted: []reconcile.Outcome{{Tag: "9", Err: reconcile.ErrSkipped}},
	}
	for _, test := range []struct {
		name   string
		opts   TextOptions
		result reconcile.Result
		want   string
	}{
		{"dry run", TextOptions{DryRun: true}, reconcile.Result{}, `
my-image
  ~ 10      linux/amd64  10.10        sha256:111111111111…  (unchanged, behind 10.20)
            linux/arm64  10.20        sha256:222222222222…  (10.19 -> 10.20, was sha256:111111111111…)
            linux/s390x                                     (dropped, was 10.9 sha256:111111111111…)
  + chart   artifact     1.0          sha256:222222222222…  (new)
  + latest  linux/amd64  10           sha256:111111111111…  (new, with 2 attestations)
            copy         r.test/base  sha256:222222222222…
  - 9       set to absent (was sha256:111111111111…)
  ! 11      images.yaml:3:7: error[missing-source]: source is gone
  ! 12      error: 503
Plan: 3 to push, 1 tag and 0 manifests to delete, 1 blocked, 1 failed.
`},
		{"applied in part, quietly", TextOptions{Quiet: true}, failed, `
my-image
  ! latest  error: 403 Forbidden
  ! 9       error: not done
  ! 11      images.yaml:3:7: error[missing-source]: source is gone
  ! 12      error: 503
`},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := text(t, test.opts, everything(), test.result); got != strings.TrimPrefix(test.want, "\n") {
				t.Errorf("got\n%s\nwant%s", got, test.want)
			}
		})
	}
	got := text(t, TextOptions{}, everything(), failed)
	if !strings.HasSuffix(got, "Applied: 2 pushed, 0 tags and 0 manifests deleted, 1 blocked, 3 failed.\nIt is not known whether my-image:latest changed; the next run finds out. 2 tags were changed as planned; this run left every other tag as it was. Run again once the cause is gone: a run does what is left.\n") {
		t.Errorf("got\n%s", got)
	}
	if strings.Contains(got, "+ latest") || strings.Contains(got, "- 9") {
		t.Errorf("what was not done looks done:\n%s", got)
	}
}

// No text from a registry moves the cursor, starts a line or reverses text.
func TestHostileText(t *testing.T) {
	for _, hostile := range []string{"a\x1b[2J\r\n::error::\u202e\u0007##[error]", "::error::b", " ::add-mask::c", "###[debug]", "##vso[task.complete]"} {
		testHostileText(t, hostile)
	}
}

func testHostileText(t *testing.T, hostile string) {
	t.Helper()
	plan := everything()
	plan.Image = hostile
	for i := range plan.Pushes {
		for k := range plan.Pushes[i].Platforms {
			c := &plan.Pushes[i].Platforms[k]
			c.Platform, c.Source, c.OldSource, c.Behind, c.OldDigest = hostile, hostile, hostile, hostile, "sha256:"+hostile
		}
	}
	plan.Violations[0].Message, plan.Errors[0].Message = hostile, hostile
	plan.Choices = []reconcile.Choice{{Alias: "10", Candidates: []reconcile.Candidate{{Tag: hostile, Reason: hostile}, {Tag: hostile, Platform: hostile, Reason: hostile}}}}
	result := reconcile.Result{Deleted: []reconcile.Outcome{{Tag: "9", Err: errors.New(hostile)}}}
	inspected := reconcile.Inspection{
		Reference: hostile, Digest: one, MediaType: hostile, Owner: hostile,
		Parts:     []reconcile.Part{{Entry: policies.Entry{Platform: config.Platform{OS: hostile, Architecture: hostile}, Source: hostile, Digest: one}, Tells: hostile}},
		Referrers: []registry.Descriptor{{Digest: hostile, ArtifactType: hostile}},
	}
	var b strings.Builder
	if err := Inspection(&b, inspected); err != nil {
		t.Fatal(err)
	}
	for _, got := range []string{text(t, TextOptions{Verbose: true}, plan, result), b.String()} {
		for _, r := range got {
			if r != '\n' && !unicode.IsPrint(r) {
				t.Fatalf("%U is printed:\n%q", r, got)
			}
		}
		for line := range strings.Lines(got) {
			if strings.HasPrefix(strings.TrimSpace(line), "::") || strings.Contains(line, "##") {
				t.Errorf("a workflow command is printed:\n%s", got)
			}
		}
	}
}

// Joined errors have a line each. In a message they stand side by side.
func TestJoinedErrors(t *testing.T) {
	const ended, indented = "two\r\n", "\tthree"
	joined := errors.Join(errors.New("one"), fmt.Errorf("of two: %w", errors.Join(errors.New(ended), errors.New(indented))))
	plan := everything()
	plan.Violations[0].Message, plan.Errors[0].Message = joined.Error(), joined.Error()
	result := reconcile.Result{
		Pushed:  make([]reconcile.Outcome, len(plan.Pushes)),
		Deleted: []reconcile.Outcome{{Tag: "9", Err: joined}},
	}
	result.Pushed[0].Err = joined
	got := text(t, TextOptions{}, plan, result)
	if strings.ContainsRune(got, '\uFFFD') || strings.Count(got, "one; of two: two; three") != 4 {
		t.Errorf("got\n%s", got)
	}
	for from, want := range map[string]string{"a\nb": "a; b", "\na\n\n b\n": "a; b", "a\n": "a", "\n": "", "a": "a", " a ": " a ", "x\n::error::": "x; ::error::", "\n::error::": "\uFFFD:error::"} {
		if got := Printable(from); got != want {
			t.Errorf("%q becomes %q, want %q", from, got, want)
		}
	}
}

func TestCount(t *testing.T) {
	for want, got := range map[string]string{"1 tag": Count(1, "tag"), "0 tags": Count(0, "tag"), "2 aliases": Count(2, "alias")} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// A failure of several aliases is reported once, with all of its aliases
// counted.
func TestErrorsTogether(t *testing.T) {
	plan := reconcile.Plan{Image: "my-image", Errors: []reconcile.Failure{
		{Alias: "1", Message: "down"}, {Alias: "2", Message: "503"}, {Alias: "3", Message: "down"},
		{Alias: "4", Message: "403"}, {Alias: "5", Message: "403"}, {Alias: "6", Message: "403"}, {Alias: "7", Message: "403"},
	}}
	want := `my-image
  ! 1, 3             error: down
  ! 2                error: 503
  ! 4, 5 and 2 more  error: 403
Plan: 0 to push, 0 tags and 0 manifests to delete, 0 blocked, 7 failed.
`
	if got := text(t, TextOptions{DryRun: true}, plan, reconcile.Result{}); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// An image that stays the same may lose or get attestations.
func TestAttestationsThatChange(t *testing.T) {
	plan := reconcile.Plan{Image: "my-image", Pushes: []reconcile.Push{{Tag: "10", Old: one, New: two, Platforms: []reconcile.PlatformChange{
		{Platform: "linux/amd64", Source: "10.10", Digest: one, OldSource: "10.10", OldDigest: one, OldAttestations: 2, Attestations: 1},
		{Platform: "linux/arm64", Source: "10.20", Digest: two, OldDigest: one, OldAttestations: 2, Attestations: 1},
		{Platform: "linux/s390x", Source: "10.20", Digest: two, OldSource: "10.20", OldDigest: two, Attestations: 1},
	}}}}
	got := text(t, TextOptions{DryRun: true}, plan, reconcile.Result{})
	for _, want := range []string{"(unchanged, loses 1 attestation)", "(was sha256:111111111111…, with 1 attestation)", "(unchanged, now with 1 attestation)"} {
		if !strings.Contains(got, want) {
			t.Errorf("%s lacks %s", got, want)
		}
	}
}

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1.0 kB", 12_345_678: "12.3 MB", 999_999_999: "1000.0 MB",
		1e9: "1.0 GB", 5e12: "5.0 TB", 5e18: "5000000.0 TB",
	} {
		if got := Bytes(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
}

// A row says when an alias changes its media type: once if an image moves, too.
func TestTextOfMediaTypes(t *testing.T) {
	const index, list, image = "application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json", "application/vnd.oci.image.manifest.v1+json"
	moves := []reconcile.PlatformChange{
		{Platform: "linux/amd64", Source: "1.1", Digest: two, OldDigest: one}, {Platform: "linux/arm64", Source: "1.1", Digest: three, OldDigest: three},
	}
	stays := []reconcile.PlatformChange{{Platform: "linux/amd64", Source: "1.1", Digest: one, OldDigest: one}}
	for name, test := range map[string]struct {
		was, is string
		images  []reconcile.PlatformChange
		want    string
	}{
		"list to index, moves":    {list, index, moves, "(was sha256:111111111111…, now an OCI index, not a Docker list)\n(unchanged)"},
		"index to image, moves":   {index, image, moves, "(was sha256:111111111111…, now a plain OCI image, not an OCI index)\n(unchanged)"},
		"index to index, moves":   {index, index, moves, "(was sha256:111111111111…)\n(unchanged)"},
		"of a type without words": {"application/x", index, moves, "(was sha256:111111111111…)\n(unchanged)"},
		"of an older plan, moves": {"", index, moves, "(was sha256:111111111111…)\n(unchanged)"},
		"list to index, stays":    {list, index, stays, "(unchanged, new OCI index, was a Docker list)"},
		"index to index, stays":   {index, index, stays, "(unchanged, new index)"},
	} {
		plan := reconcile.Plan{Image: "a", Pushes: []reconcile.Push{{Tag: "1", Old: four, OldType: test.was, New: five, MediaType: test.is, Platforms: test.images}}}
		var notes []string
		for line := range strings.Lines(text(t, TextOptions{DryRun: true}, plan, reconcile.Result{})) {
			if _, note, ok := strings.Cut(strings.TrimSpace(line), "("); ok {
				notes = append(notes, "("+note)
			}
		}
		if got := strings.Join(notes, "\n"); got != test.want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, test.want)
		}
	}
}

func TestTextOfLeftAlone(t *testing.T) {
	plan := reconcile.Plan{Image: "a", InSync: []string{"2"}, LeftAlone: []string{"1"}}
	if got := text(t, TextOptions{}, plan, reconcile.Result{}); got != "Nothing to do: 1 alias in sync, 1 left alone.\n" {
		t.Error(got)
	}
	plan.DeleteTags = []reconcile.DeleteTag{{Tag: "9", Old: one, Reason: "set to absent"}}
	if got := text(t, TextOptions{DryRun: true, Verbose: true}, plan, reconcile.Result{}); !strings.Contains(got, "  = 1  left alone\n") ||
		!strings.HasSuffix(got, "0 blocked, 1 left alone.\n") {
		t.Error(got)
	}
}

// A chart has no platform. Whether it is chosen or passed over is seen by the reason.
func TestTextOfChosenArtifact(t *testing.T) {
	plan := reconcile.Plan{Image: "a", InSync: []string{"1"}, Choices: []reconcile.Choice{{Alias: "1", Range: "1.x", Candidates: []reconcile.Candidate{
		{Tag: "2.0", Reason: "not in range"}, {Tag: "1.1", Reason: "chosen"}, {Tag: "1.0", Reason: "older"},
	}}}}
	want := `a
  = 1  in sync
       artifact     1.1  chosen
       passed over       not in range: 2.0
       passed over       older: 1.0
`
	if got := text(t, TextOptions{DryRun: true, Verbose: true}, plan, reconcile.Result{}); !strings.HasPrefix(got, want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
