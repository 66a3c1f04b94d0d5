package report

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"tagline/config"
	"tagline/reconcile"
)

// image is a plan of a repository.
func image(i int) reconcile.Plan {
	name := fmt.Sprintf("app-%03d", i)
	return reconcile.Plan{Image: name, Repository: config.Repository{Host: "r.test", Path: name}}
}

func push1(tag, old string) reconcile.Push {
	return reconcile.Push{Tag: tag, Old: old, New: two, Platforms: []reconcile.PlatformChange{{Platform: "linux/amd64", Source: "1.0", Digest: two}}}
}

// The report of a large run tells the first images of each cause and counts the
// others.
func TestFewLinesOfOneCause(t *testing.T) {
	const of = 1000
	down := func(i int) reconcile.Plan {
		p := image(i)
		for _, alias := range []string{"1", "2"} {
			p.Errors = append(p.Errors, reconcile.Failure{Alias: alias, Message: fmt.Sprintf("%s:%s: 401 Unauthorized", p.Repository, alias), Cause: "r.test: 401 Unauthorized"})
		}
		return p
	}
	gone := func(i int) reconcile.Plan {
		p := image(i)
		p.Violations = []*config.Finding{{ID: "missing-source", Alias: "1", Source: "1.0", Pos: config.Pos{File: "images.yaml", Line: i, Column: 9},
			Message: fmt.Sprintf("source %q does not exist in %s; push it", "1.0", p.Repository)}}
		return p
	}
	odd := func(i int) reconcile.Plan {
		p := image(i)
		p.Violations = []*config.Finding{{ID: "missing-platform", Alias: "1", Message: fmt.Sprintf("no platform %d", i)}}
		return p
	}
	for _, test := range []struct {
		name string
		opts TextOptions
		plan func(int) reconcile.Plan
		want string // the last lines
		most int    // lines in all
	}{
		{"host down", TextOptions{DryRun: true}, down, `! 1000 images, 2000 aliases: error: r.test: 401 Unauthorized
-v and -o json have all of it.
Plan: 0 to push, 0 tags and 0 manifests to delete, 0 blocked, 2000 failed.
`, 12},
		{"quietly", TextOptions{DryRun: true, Quiet: true}, down, `! 1000 images, 2000 aliases: error: r.test: 401 Unauthorized
-v and -o json have all of it.
`, 11},
		{"own sources", TextOptions{DryRun: true}, gone, `! 1000 images: error[missing-source]: source "1.0" does not exist in its own repository; push it
-v and -o json have all of it.
Plan: 0 to push, 0 tags and 0 manifests to delete, 1000 blocked.
`, 9},
		{"a cause for each", TextOptions{DryRun: true}, odd, `! 1 image: error[missing-platform]: no platform 108
! 980 images: missing-platform, for 980 other reasons
-v and -o json have all of it.
Plan: 0 to push, 0 tags and 0 manifests to delete, 1000 blocked.
`, 33},
	} {
		t.Run(test.name, func(t *testing.T) {
			var b strings.Builder
			r := NewText(&b, test.opts)
			for i := range of {
				r.Repository(test.plan(i), reconcile.Result{})
			}
			if err := r.Summary(); err != nil {
				t.Fatal(err)
			}
			if got := b.String(); !strings.HasSuffix(got, test.want) || strings.Count(got, "\n") > test.most {
				t.Errorf("got %d lines:\n%s\nwant %s", strings.Count(got, "\n"), got, test.want)
			}
		})
	}
	t.Run("verbosely", func(t *testing.T) {
		var b strings.Builder
		r := NewText(&b, TextOptions{DryRun: true, Verbose: true})
		for i := range of {
			r.Repository(gone(i), reconcile.Result{})
		}
		if got := strings.Count(b.String(), "error[missing-source]"); got != of {
			t.Errorf("%d of %d are told", got, of)
		}
	})
}

// Three images are told as ever, and so is a problem that only some share.
func TestCausesOfFewImages(t *testing.T) {
	var b strings.Builder
	r := NewText(&b, TextOptions{})
	for i := range 3 {
		p := image(i)
		p.Pushes = []reconcile.Push{push1("1", "")}
		r.Repository(p, reconcile.Result{Pushed: []reconcile.Outcome{{Tag: "1", Err: errors.New("no space left on device")}}})
	}
	if err := r.Summary(); err != nil {
		t.Fatal(err)
	}
	const want = `app-000
  ! 1  error: no space left on device
app-001
  ! 1  error: no space left on device
app-002
  ! 1  error: no space left on device
Applied: 0 pushed, 0 tags and 0 manifests deleted, 0 blocked, 3 failed.
It is not known whether app-000:1, app-001:1, app-002:1 changed; the next run finds out. This run left every other tag as it was. Run again once the cause is gone: a run does what is left.
`
	if got := b.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// Changes are told in full for some images, then in a line each, then counted.
func TestChangesOfManyImages(t *testing.T) {
	var b strings.Builder
	r := NewText(&b, TextOptions{DryRun: true})
	for i := range 1000 {
		p := image(i)
		p.Pushes = []reconcile.Push{push1("1", one), push1("2", ""), push1("3", "")}
		p.DeleteTags = []reconcile.DeleteTag{{Tag: "0", Old: one, Reason: "set to absent"}}
		r.Repository(p, reconcile.Result{})
	}
	if err := r.Summary(); err != nil {
		t.Fatal(err)
	}
	got := b.String()
	for _, want := range []string{
		"app-049\n  ~ 1  linux/amd64", "\napp-050  + 2  ~ 1  - 1\n", "\napp-499  + 2  ~ 1  - 1\n500 more images with changes are left out.\n-v and -o json have all of it.\nPlan: 3000 to push, 1000 tags",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
}

// One cause that blocks many aliases of an image has one row there.
func TestManyAliasesOfOneCause(t *testing.T) {
	p := image(1)
	for i := range 5 {
		p.Violations = append(p.Violations, &config.Finding{ID: "missing-source", Alias: fmt.Sprint(10 + i), Source: "base:3", Pos: config.Pos{File: "images.yaml", Line: 5 + i, Column: 9}, Message: "source \"base:3\" is gone"})
	}
	p.Violations = append(p.Violations, &config.Finding{ID: "immutable-tag", Alias: "9", Message: "it can't move"})
	want := `app-001
  ! 10, 11 and 3 more  images.yaml:5:9: error[missing-source]: source "base:3" is gone
  ! 9                  error[immutable-tag]: it can't move
Plan: 0 to push, 0 tags and 0 manifests to delete, 6 blocked.
`
	if got := text(t, TextOptions{DryRun: true}, p, reconcile.Result{}); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// Some deletions of many may fail after one that was done.
func TestDeletionsThatFailInPart(t *testing.T) {
	p := image(1)
	var r reconcile.Result
	for i := range manyManifests + 5 {
		p.DeleteManifests = append(p.DeleteManifests, reconcile.DeleteManifest{Digest: fmt.Sprintf("sha256:%064d", i), Kind: reconcile.KindUntagged})
		var err error
		if i > 2 && i != 7 {
			err = errors.New("503")
		}
		r.Removed = append(r.Removed, reconcile.Outcome{Tag: p.DeleteManifests[i].Digest, Err: err})
	}
	if got := text(t, TextOptions{}, p, r); strings.Count(got, "error: 503") != 2 {
		t.Errorf("got\n%s", got)
	}
}
