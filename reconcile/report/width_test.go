package report

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"tagline/config"
	"tagline/reconcile"
)

// On a terminal no line is wider, columns stay columns, and the last lines say what to
// do.
func TestWidth(t *testing.T) {
	plan := everything()
	plan.Violations[0].Source, plan.Violations[0].Message = "3.0.0", `source "3.0.0" does not exist in registry.example.com/my-image; push it, or change the source`
	plan.Errors[0].Message, plan.Errors[0].Cause = "registry.example.com/my-image:12: 503 Service Unavailable", "registry.example.com: 503 Service Unavailable"
	for width, want := range map[int]string{
		60: `my-image
  ~ 10      linux/amd64  10.10        (unchanged, behind
                                      10.20)
            linux/arm64  10.20        (10.19 -> 10.20, was
                                      sha256:111111111111…)
            linux/s390x               (dropped, was 10.9
                                      sha256:111111111111…)
  + chart   artifact     1.0          (new)
  + latest  linux/amd64  10           (new, with 2
                                      attestations)
            copy         r.test/base
  - 9       set to absent (was sha256:111111111111…)
  ! 11      images.yaml:3:7: error[missing-source]: source
            "3.0.0" does not exist in
            registry.example.com/my-image; push it, or
            change the source
  ! 12      error: registry.example.com/my-image:12: 503
            Service Unavailable
Plan: 3 to push, 1 tag and 0 manifests to delete, 1
  blocked, 1 failed.
1 failed: registry.example.com: 503 Service Unavailable;
  then run again
1 blocked: push 3.0.0, or change images.yaml:3
`,
		200: `my-image
  ~ 10      linux/amd64  10.10        sha256:111111111111…  (unchanged, behind 10.20)
            linux/arm64  10.20        sha256:222222222222…  (10.19 -> 10.20, was sha256:111111111111…)
            linux/s390x                                     (dropped, was 10.9 sha256:111111111111…)
  + chart   artifact     1.0          sha256:222222222222…  (new)
  + latest  linux/amd64  10           sha256:111111111111…  (new, with 2 attestations)
            copy         r.test/base  sha256:222222222222…
  - 9       set to absent (was sha256:111111111111…)
  ! 11      images.yaml:3:7: error[missing-source]: source "3.0.0" does not exist in registry.example.com/my-image; push it, or change the source
  ! 12      error: registry.example.com/my-image:12: 503 Service Unavailable
Plan: 3 to push, 1 tag and 0 manifests to delete, 1 blocked, 1 failed.
1 failed: registry.example.com: 503 Service Unavailable; then run again
1 blocked: push 3.0.0, or change images.yaml:3
`,
	} {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			if got := text(t, TextOptions{DryRun: true, Width: width}, plan, reconcile.Result{}); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// Wrapping loses no word, and only what has no space in it is too wide.
func TestWrap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		indent := rapid.IntRange(0, 30).Draw(t, "indent")
		width := rapid.IntRange(40, 120).Draw(t, "width")
		words := rapid.SliceOfN(rapid.StringMatching(`[a-z…]{1,60}`), 1, 20).Draw(t, "words")
		lines := wrap(strings.Repeat("x", indent)+strings.Join(words, " "), width, indent)
		var got []string
		for i, line := range lines {
			if i > 0 && line[:indent] != strings.Repeat(" ", indent) {
				t.Fatalf("%q is not indented", line)
			}
			of := strings.Fields(line[indent:])
			if utf8.RuneCountInString(line) > width && len(of) > 1 {
				t.Fatalf("%q is wider than %d", line, width)
			}
			got = append(got, of...)
		}
		if strings.Join(got, " ") != strings.Join(words, " ") {
			t.Fatalf("%q became %q", words, got)
		}
	})
}

// Colours take no room.
func TestWidthOfColours(t *testing.T) {
	plan := reconcile.Plan{Image: "app", Violations: []*config.Finding{{ID: "x", Alias: "1", Message: strings.Repeat("word ", 30)}}}
	plain := text(t, TextOptions{Width: 80}, plan, reconcile.Result{})
	if got := text(t, TextOptions{Width: 80, Color: true}, plan, reconcile.Result{}); colour.ReplaceAllString(got, "") != plain {
		t.Errorf("got\n%s\nwant\n%s", got, plain)
	}
}

// In a log of GitHub Actions the changes of an image are a group, and its problems
// stand outside of it. No name ends a group or begins a command.
func TestGroups(t *testing.T) {
	plan := everything()
	plan.Image = "app%0A::error::x\n::endgroup::"
	got := text(t, TextOptions{DryRun: true, Groups: true}, plan, reconcile.Result{})
	if !strings.HasPrefix(got, "::group::app%250A::error::x; ::endgroup::  + 2  ~ 1  - 1\n  ~ 10 ") {
		t.Errorf("got\n%s", got)
	}
	if strings.Count("\n"+got, "\n::") != 2 || !strings.Contains(got, "\n::endgroup::\napp%0A::error::x; ::endgroup::\n  ! 11 ") {
		t.Errorf("got\n%s", got)
	}
	plan = reconcile.Plan{Image: "app", Errors: plan.Errors}
	if got := text(t, TextOptions{Groups: true}, plan, reconcile.Result{}); strings.Contains(got, "::") {
		t.Errorf("problems alone are in a group:\n%s", got)
	}
}
