package reconcile_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"tagline/config"
	"tagline/reconcile"
)

// formers returns what a plan says of former aliases: the tags, each with the alias
// that its index was made for, and the warnings.
func formers(plan reconcile.Plan) (tags, warnings []string) {
	for _, f := range plan.Former {
		tags = append(tags, strings.TrimSuffix(f.Tag+" of "+f.Of, " of "))
	}
	for _, w := range plan.Warnings {
		if w.ID == "former-alias" {
			warnings = append(warnings, w.Message)
		}
	}
	return tags, warnings
}

// TestFormer has a repository with aliases that images.yaml does not list.
func TestFormer(t *testing.T) {
	start := func() *builder {
		b := build()
		image := b.image("1", intel)
		b.tag("10.10", image)
		b.tag("10", image)
		for _, alias := range []string{"9", "8", "old"} {
			b.tag(alias, b.index(alias, object{reconcile.AnnotationAlias: alias}, b.entry(image, intel)))
		}
		b.tag("stable", b.digest["9"])
		b.tag("latest", b.digest["8"])
		b.tag("re-used", image)
		b.tag("built", b.index("built", nil, b.entry(image, intel)))
		b.tag("base", b.digest["old"]) // a source of images.yaml
		return b
	}
	marked := []string{"8 of 8", "9 of 9", "latest of 8", "old of old", "stable of 9"}
	image := func(b *builder) reconcile.TagDigest {
		return reconcile.TagDigest{Tag: "re-used", Digest: b.digest["1"]}
	}
	const own = `tags "8", "9", "old" of r.test/app were aliases, by tagline's mark, and images.yaml does not list them; to delete them, set them to absent or set prune: true; to keep them, list them`
	const copies = `tags "latest" (alias "8"), "stable" (alias "9") of r.test/app may have followed aliases, for which their indexes were made, and images.yaml does not list them; to delete them, set them to absent; to keep them, list them`
	for _, test := range []struct {
		name     string
		policies []string
		aliases  string // beside 10 and copy
		job      func(*builder, *reconcile.Job)
		change   func(*builder)
		tags     []string
		warnings []string
	}{
		{name: "a dry run", job: func(_ *builder, j *reconcile.Job) { j.Former = true }, tags: marked, warnings: []string{own, copies}},
		{name: "a dry run that does not look"},
		{name: "an apply with nothing to do", job: func(b *builder, j *reconcile.Job) { j.Writers = b }},
		{name: "an apply that makes a tag", aliases: "new: 10.10", job: func(b *builder, j *reconcile.Job) { j.Writers = b }, tags: marked, warnings: []string{own, copies}},
		{name: "an apply that deletes a tag", aliases: "9: absent", job: func(b *builder, j *reconcile.Job) { j.Writers = b },
			tags: []string{"8 of 8", "latest of 8", "old of old", "stable of 9"}, warnings: []string{strings.Replace(own, `"9", `, "", 1), copies}},
		{name: "an apply that moves a tag", aliases: "re-used: 8", job: func(b *builder, j *reconcile.Job) { j.Writers = b }},
		{name: "a sweep", policies: []string{"untagged: delete"}, job: func(b *builder, j *reconcile.Job) { j.Writers = b }, tags: marked, warnings: []string{own, copies}},
		{name: "prune", policies: []string{"prune: true"}, tags: []string{"latest of 8", "stable of 9"}, warnings: []string{copies}},
		{name: "a list of tags that can't be read", job: func(_ *builder, j *reconcile.Job) { j.Former = true },
			change: func(b *builder) { b.Broken["tags"] = errors.New("broken") }},
		{name: "a tag that can't be read", job: func(_ *builder, j *reconcile.Job) { j.Former = true },
			change: func(b *builder) { b.Broken["9"], b.Broken["stable"] = errors.New("broken"), errors.New("broken") },
			tags:   []string{"8 of 8", "latest of 8", "old of old"}, warnings: []string{strings.Replace(own, `"9", `, "", 1),
				`tag "latest" of r.test/app may have followed alias "8", for which its index was made, and images.yaml does not list it; to delete it, set it to absent; to keep it, list it`}},
		{name: "recorded", job: func(b *builder, j *reconcile.Job) {
			j.Recorded = map[config.Repository][]reconcile.TagDigest{{Host: "r.test", Path: "app"}: {
				image(b), {Tag: "10", Digest: b.digest["1"]}, {Tag: "base", Digest: b.digest["old"]}, {Tag: "built", Digest: b.digest["1"]}, {Tag: "gone", Digest: b.digest["1"]},
			}}
		}, tags: []string{"re-used"}, warnings: []string{`tag "re-used" of r.test/app was an alias, by the journal, and images.yaml does not list it; to delete it, set it to absent; to keep it, list it`}},
		{name: "recorded and marked", job: func(b *builder, j *reconcile.Job) {
			j.Former = true
			j.Recorded = map[config.Repository][]reconcile.TagDigest{{Host: "r.test", Path: "app"}: {image(b), {Tag: "9", Digest: b.digest["9"]}}}
		}, tags: []string{"8 of 8", "9 of 9", "latest of 8", "old of old", "re-used", "stable of 9"},
			warnings: []string{own, copies, `tag "re-used" of r.test/app was an alias, by the journal, and images.yaml does not list it; to delete it, set it to absent; to keep it, list it`}},
		{name: "recorded and pruned", policies: []string{"prune: true"}, job: func(b *builder, j *reconcile.Job) {
			j.Recorded = map[config.Repository][]reconcile.TagDigest{{Host: "r.test", Path: "app"}: {{Tag: "9", Digest: b.digest["9"]}}}
		}, tags: []string{"latest of 8", "stable of 9"}, warnings: []string{copies}},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := start()
			if test.change != nil {
				test.change(b)
			}
			job := reconcile.Job{Readers: b, Limit: reconcile.Limit{Max: 100}}
			if test.job != nil {
				test.job(b, &job)
			}
			image := parse(t, fmt.Sprintf("images: {app: {policies: {%s}, aliases: {10: 10.10, copy: base, %s}}}", strings.Join(test.policies, ", "), test.aliases))[0]
			b.tag("copy", b.digest["old"])
			plan, _ := reconcile.Run(t.Context(), job, image)
			if len(plan.Errors) > 0 {
				t.Fatal(plan.Errors)
			}
			tags, warnings := formers(plan)
			if !slices.Equal(tags, test.tags) || !slices.Equal(warnings, test.warnings) {
				t.Errorf("got %q and\n%s\nwant %q and\n%s", tags, strings.Join(warnings, "\n"), test.tags, strings.Join(test.warnings, "\n"))
			}
			if looked := b.Asks("tags") > 0; looked && len(test.tags) == 0 && test.change == nil {
				t.Error("it has listed the tags")
			}
		})
	}
}

// TestFormerCandidates shows which tags a search asks for, likeliest first.
func TestFormerCandidates(t *testing.T) {
	b := build()
	image := b.image("1", intel)
	for _, tag := range []string{
		"9.3.1", "9.3.0", "9.3", "9", "v9", "8.1.0-alpine", "8-alpine", "8", "7", "10.20", "10.20-amd64", "10.20-arm64", "10.21", "10",
		"1.0.0-r4", "1.0.0", "2.0.0-rc.1", "2", "latest", "stable", "main", "feature-x", "pr-17", "20260102", "0a1b2c3d4e5f", "sha256-" + strings.Repeat("0", 64),
	} {
		b.tag(tag, image)
	}
	plan, _ := reconcile.Run(t.Context(), reconcile.Job{Readers: b, Former: true}, parse(t, "images: {app: {aliases: {9: 9.3.1}}}")[0])
	if len(plan.Errors)+len(plan.Former)+len(plan.Warnings) > 0 {
		t.Fatalf("%+v", plan)
	}
	var asked []string
	for _, question := range b.Asked {
		if tag, ofApp := strings.CutPrefix(question, "app "); ofApp && tag != "tags" && !slices.Contains(asked, tag) {
			asked = append(asked, tag)
		}
	}
	want := []string{"1.0.0", "10", "10.20", "2", "7", "8", "8-alpine", "9", "9.3", "9.3.1", "feature-x", "latest", "main", "pr-17", "stable", "v9"}
	if slices.Sort(asked); !slices.Equal(asked, want) {
		t.Errorf("asked for %q, want %q", asked, want)
	}

	// One list, 64 tags, and the index: the tag that has it is among the first.
	for i := range 100 {
		b.tag(fmt.Sprintf("%d", 1000+i), image)
	}
	b.tag("1099", b.index("1099", object{reconcile.AnnotationAlias: "1099"}, b.entry(image, intel)))
	b.Asked = nil
	reconcile.Run(t.Context(), reconcile.Job{Readers: b}, parse(t, "images: {app: {aliases: {9: 9.3.1}}}")[0])
	before := len(b.Asked)
	b.Asked = nil
	plan, _ = reconcile.Run(t.Context(), reconcile.Job{Readers: b, Former: true}, parse(t, "images: {app: {aliases: {9: 9.3.1}}}")[0])
	_, warnings := formers(plan)
	if n := len(b.Asked); n != before+1+64+1 || len(warnings) != 1 || !strings.HasSuffix(warnings[0], " (50 more tags were not looked at)") {
		t.Errorf("%d questions, without looking %d: %q", n, before, warnings)
	}
}
