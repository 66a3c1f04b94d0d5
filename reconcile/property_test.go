package reconcile_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tagline/config"
	"tagline/reconcile"
	"tagline/reconcile/demo"
	"tagline/reconcile/registry/registrytest"
)

// world is a random registry, a random images.yaml for it, and what of it
// can't be read.
type world struct {
	memory *registrytest.Memory
	image  config.Image
	text   string
}

func drawWorld(t *rapid.T, tb testing.TB) world {
	m := registrytest.NewMemory()
	m.Listed = rapid.Bool().Draw(t, "listed")
	m.Untyped = m.Listed && rapid.Bool().Draw(t, "untyped")
	platforms := []string{"linux/amd64", "linux/arm64", "linux/arm/v7"}
	var tags []string
	for i := range rapid.IntRange(1, 5).Draw(t, "sources") {
		image := demo.Image{
			Tag:       fmt.Sprintf("s%d", i),
			Platforms: rapid.SliceOfNDistinct(rapid.SampledFrom(platforms), 1, 3, rapid.ID).Draw(t, "platforms"),
		}
		switch rapid.IntRange(0, 3).Draw(t, "shape") {
		case 0:
			image.Docker = true
		case 1:
			image.Provenance = true
		case 2:
			image.Provenance, image.Artifact = true, true
		}
		m.Push(tb, "app", image)
		tags = append(tags, image.Tag)
	}
	sources := append(tags, "gone")
	var lines strings.Builder
	aliases := []string{}
	for i := range rapid.IntRange(1, 5).Draw(t, "aliases") {
		tag := fmt.Sprintf("a%d", i)
		if rapid.Bool().Draw(t, "exists") {
			m.Tags["r.test/app:"+tag] = m.Tags["r.test/app:"+rapid.SampledFrom(tags).Draw(t, "was")]
		}
		of := rapid.SampledFrom(append(slices.Clone(sources), aliases...))
		switch rapid.IntRange(0, 5).Draw(t, "kind") {
		case 0:
			fmt.Fprintf(&lines, "      %s: absent\n", tag)
			continue // no alias may follow it
		case 1, 2:
			fmt.Fprintf(&lines, "      %s: %s\n", tag, of.Draw(t, "source"))
		default:
			var entries []string
			for _, p := range rapid.SliceOfNDistinct(rapid.SampledFrom(platforms), 1, 3, rapid.ID).Draw(t, "wanted") {
				entries = append(entries, p+": "+of.Draw(t, "source"))
			}
			fmt.Fprintf(&lines, "      %s: {%s}\n", tag, strings.Join(entries, ", "))
		}
		aliases = append(aliases, tag)
	}
	text := fmt.Sprintf("images:\n  app:\n    policies: {provenance: %s, format: %s}\n    aliases:\n%s",
		rapid.SampledFrom([]string{"keep", "drop"}).Draw(t, "provenance"),
		rapid.SampledFrom([]string{"oci", "docker"}).Draw(t, "format"), &lines)
	return world{m, parse(tb, text)[0], text}
}

// Whatever the registry holds and images.yaml asks for: what is planned is
// done, what is not planned is left alone, and then there is nothing to do.
func TestApplyConverges(tb *testing.T) {
	rapid.Check(tb, func(t *rapid.T) {
		w := drawWorld(t, tb)
		before := maps.Clone(w.memory.Tags)
		p := plan(tb, w.memory, w.image)
		if len(p.Errors) > 0 {
			t.Fatalf("%s\nerrors %+v", w.text, p.Errors)
		}
		for _, v := range p.Violations {
			if slices.ContainsFunc(p.Pushes, func(p reconcile.Push) bool { return p.Tag == v.Alias }) {
				t.Fatalf("%s\nalias %s has a violation and a push", w.text, v.Alias)
			}
		}
		want := maps.Clone(before)
		for _, push := range p.Pushes {
			want["r.test/app:"+push.Tag] = push.New
		}
		for _, d := range p.DeleteTags {
			delete(want, "r.test/app:"+d.Tag)
		}
		w.memory.Drops = rapid.Bool().Draw(t, "drops")
		result := reconcile.Apply(tb.Context(), w.memory.Writer(w.image.Repository), p)
		for _, o := range slices.Concat(result.Pushed, result.Deleted, result.Ensured) {
			if o.Err != nil {
				t.Fatalf("%s\ntag %s: %v", w.text, o.Tag, o.Err)
			}
		}
		if !maps.Equal(w.memory.Tags, want) {
			t.Fatalf("%s\ntags are %v, want %v", w.text, w.memory.Tags, want)
		}
		for name, digest := range w.memory.Tags {
			for _, child := range w.memory.References(digest).Manifests {
				if w.memory.Manifests[child.Digest].Body == nil {
					t.Fatalf("%s\n%s lists %s, which the registry has dropped", w.text, name, child.Digest)
				}
			}
		}
		for _, w.memory.Listed = range []bool{true, false} {
			if again := plan(tb, w.memory, w.image); !again.Empty() || len(again.Violations) != len(p.Violations) {
				t.Fatalf("%s\nlisted %v: the second plan is %+v", w.text, w.memory.Listed, again)
			}
		}
	})
}

// An unreadable reference fails the aliases that need it and no others, and
// no tag is moved on account of it.
func TestUnreadableIsNeverAbsent(tb *testing.T) {
	rapid.Check(tb, func(t *rapid.T) {
		w := drawWorld(t, tb)
		whole := plan(tb, w.memory, w.image)

		broken := rapid.SampledFrom(slices.Sorted(maps.Keys(references(w)))).Draw(t, "broken")
		w.memory.Broken[broken] = errors.New("503 Service Unavailable")
		p := plan(tb, w.memory, w.image)
		failed := map[string]bool{}
		for _, e := range p.Errors {
			failed[e.Alias] = true
		}
		for _, push := range p.Pushes {
			i := slices.IndexFunc(whole.Pushes, func(o reconcile.Push) bool { return o.Tag == push.Tag })
			if i < 0 || whole.Pushes[i].New != push.New || failed[push.Tag] {
				t.Fatalf("%s\nwithout %s alias %s is pushed as %s", w.text, broken, push.Tag, push.Manifest)
			}
		}
		for _, push := range whole.Pushes {
			if !failed[push.Tag] && !slices.ContainsFunc(p.Pushes, func(o reconcile.Push) bool { return o.Tag == push.Tag }) {
				t.Fatalf("%s\nwithout %s alias %s is silently left out", w.text, broken, push.Tag)
			}
		}
		if len(p.Violations) > len(whole.Violations) {
			t.Fatalf("%s\nwithout %s there are new violations: %v", w.text, broken, p.Violations)
		}
	})
}

// references are all tags and digests that a world has.
func references(w world) map[string]bool {
	all := map[string]bool{}
	for tag := range w.memory.Tags {
		all[strings.TrimPrefix(tag, "r.test/app:")] = true
	}
	for digest := range w.memory.Manifests {
		all[digest] = true
	}
	for digest := range w.memory.Blobs {
		all[digest] = true
	}
	return all
}
