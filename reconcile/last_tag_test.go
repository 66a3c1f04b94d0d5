package reconcile_test

import (
	"slices"
	"strings"
	"testing"

	"tagline/reconcile"
)

// Amazon ECR deletes an image with its last tag, and refuses that for an image
// that an index lists. It is known at planning, and holds nothing else up.
func TestLastTagOfAListedImage(t *testing.T) {
	for _, test := range []struct {
		name     string
		aliases  string
		policies string
		build    func(b *builder)
		want     []string // of the first run
		message  string   // a part of its first finding
		then     []string // of the second run
	}{
		{
			"absent", "9: absent, 11: absent, 11.2: absent", "", func(b *builder) {
				b.release("11.20", false, intel)
				b.tag("11", b.digest["11.20 linux/amd64"])
				b.tag("9", b.image("9", intel))
				b.index("untagged", nil, b.entry(b.image("11.2", intel), intel))
				b.tag("11.2", b.digest["11.2"])
			},
			[]string{"untag 9", "violation listed-image", "violation listed-image"},
			`tag "11" is the last one of DIGEST OF 11.20 linux/amd64, which tag "11.20" lists, and r.test deletes an image with its last tag, ` +
				"but not as long as an index lists it; give the image another tag, or delete that index first",
			[]string{"violation listed-image", "violation listed-image"},
		},
		{
			"it has another tag", "11: absent", "", func(b *builder) {
				b.release("11.2", false, intel)
				b.tag("11", b.digest["11.2 linux/amd64"])
				b.tag("stable", b.digest["11.2 linux/amd64"])
			}, []string{"untag 11"}, "", nil,
		},
		{
			"a push gives it another tag", "11: absent, stable: 11.2", "provenance: drop", func(b *builder) {
				b.release("11.2", false, intel)
				b.tag("11", b.digest["11.2 linux/amd64"])
			}, []string{"push stable 11.2 linux/amd64", "untag 11"}, "", nil,
		},
		{
			"a purge gives it another tag", "11: absent", "provenance: purge", func(b *builder) {
				b.release("11.2", false, intel)
				b.tag("11", b.digest["11.2 linux/amd64"])
			},
			[]string{"push 11.2 11.2 linux/amd64", "untag 11", "delete replaced: 11.2", "delete attestation: 11.2 attestation of linux/amd64"}, "", nil,
		},
		{
			"the index goes in this run", "11: absent", "untagged: delete", func(b *builder) {
				b.index("loose", nil, b.entry(b.image("11", intel), intel))
				b.tag("11", b.digest["11"])
			},
			[]string{"delete untagged: loose", "warning listed-image 11"}, "that goes in this run, and the tag in the next one", []string{"untag 11", "delete untagged: 11"},
		},
		{
			"prune", "10: 1", "prune: true", func(b *builder) {
				b.tag("1", b.image("1", intel))
				b.tag("10", b.digest["1"])
				for _, tag := range []string{"8", "9"} {
					b.tag(tag, b.index(tag, object{reconcile.AnnotationAlias: tag}, b.entry(b.digest["1"], intel)))
				}
				b.tag("both", b.index("both", nil, b.descriptor(b.digest["9"])))
			},
			[]string{"untag 8", "violation listed-image"}, `tag "9" is the last one of DIGEST OF 9, which tag "both" lists`, []string{"violation listed-image"},
		},
		{
			"what is only mentioned", "11: absent", "untagged: delete", func(b *builder) {
				b.tag("11", b.image("11", intel))
				b.foreign("foreign", b.digest["11"])
			}, []string{"untag 11"}, "", nil,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := build()
			test.build(b)
			b.Listed, b.Facts.LastTag = true, true
			image := parse(t, "images:\n  app:\n    policies: {"+test.policies+"}\n    aliases: {"+test.aliases+"}\n")[0]
			p := plan(t, b.Memory, image)
			if got := b.actions(p); !slices.Equal(got, test.want) {
				t.Fatalf("the first run does %q, want %q", got, test.want)
			}
			for _, f := range append(p.Violations, p.Warnings...)[:min(1, len(p.Violations)+len(p.Warnings))] {
				for name, digest := range b.digest {
					test.message = strings.ReplaceAll(test.message, "DIGEST OF "+name+",", digest+",")
				}
				if !strings.Contains(f.Message, test.message) || test.message == "" {
					t.Errorf("it says %q\nwant        %q", f.Message, test.message)
				}
			}
			r := reconcile.Apply(t.Context(), b.Writer(image.Repository), p)
			for _, o := range slices.Concat(r.Pushed, r.Deleted, r.Removed) {
				if o.Err != nil {
					t.Errorf("%s: %v", o.Tag, o.Err)
				}
			}
			if got := b.actions(plan(t, b.Memory, image)); !slices.Equal(got, test.then) {
				t.Errorf("the second run does %q, want %q", got, test.then)
			}
		})
	}
}

// GitHub deletes a tag only with its image, and keeps the last image that has one.
// It would delete what an index lists.
func TestTagsThatGoWithTheirImage(t *testing.T) {
	for name, test := range map[string]struct {
		aliases  string
		policies string
		build    func(b *builder)
		want     []string
		message  string
	}{
		"another tag stays": {"9: absent, 8: absent", "", func(b *builder) {
			b.tag("9", b.image("9", intel))
			b.tag("9.0", b.digest["9"])
			b.tag("8", b.image("8", intel))
		}, []string{"untag 8", "violation kept-tag"}, `tag "9" can't be deleted: r.test deletes a tag only with its image`},
		"another tag stays, and the repository is swept": {"9: absent, 8: absent", "untagged: delete", func(b *builder) {
			b.tag("9", b.image("9", intel))
			b.tag("9.0", b.digest["9"])
			b.tag("8", b.image("8", intel))
			b.image("loose", intel)
		}, []string{"untag 8", "delete untagged: loose", "delete untagged: 8", "violation kept-tag"}, `tag "9" can't be deleted`},
		"all tags go": {"9: absent, 9.0: absent", "", func(b *builder) {
			b.tag("9", b.image("9", intel))
			b.tag("9.0", b.digest["9"])
			b.tag("8", b.image("8", intel))
		}, []string{"untag 9", "untag 9.0"}, ""},
		"an index lists it": {"11: absent", "", func(b *builder) {
			b.release("11.2", false, intel)
			b.tag("11", b.digest["11.2 linux/amd64"])
		}, []string{"violation listed-image"}, "deletes an image with its last tag, even if an index lists it"},
		"the last image with a tag": {"9: absent, 8: absent", "", func(b *builder) {
			b.tag("9", b.image("9", intel))
			b.tag("8", b.image("8", intel))
		}, []string{"untag 8", "violation kept-tag"}, `tag "9" can't be deleted: it is of the last image of r.test/app that has a tag`},
	} {
		t.Run(name, func(t *testing.T) {
			b := build()
			b.Listed, b.Untyped = true, true
			b.Facts.LastTag, b.Facts.NoUntag = true, true
			test.build(b)
			image := parse(t, "images:\n  app:\n    policies: {"+test.policies+"}\n    aliases: {"+test.aliases+"}\n")[0]
			p := plan(t, b.Memory, image)
			if got := b.actions(p); !slices.Equal(got, test.want) {
				t.Errorf("plan:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
			if test.message != "" && (len(p.Violations) == 0 || !strings.Contains(p.Violations[0].Message, test.message)) {
				t.Errorf("violations are %+v", p.Violations)
			}
			r := reconcile.Apply(t.Context(), b.Writer(image.Repository), p)
			for _, o := range slices.Concat(r.Pushed, r.Deleted, r.Removed) {
				if o.Err != nil {
					t.Errorf("%s: %v", o.Tag, o.Err)
				}
			}
			if again := plan(t, b.Memory, image); !again.Empty() || len(again.Violations) != len(p.Violations) {
				t.Errorf("the second run does %q", b.actions(again))
			}
		})
	}
}
