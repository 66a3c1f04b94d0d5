package reconcile_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tagline/config"
	"tagline/reconcile"
	"tagline/reconcile/demo"
	"tagline/reconcile/registry"
	"tagline/reconcile/registry/registrytest"
	"tagline/reconcile/report"
)

var app = config.Repository{Host: "r.test", Path: "app"}

// draft is the images.yaml that DraftOf makes of the repository app.
func draft(t testing.TB, m *registrytest.Memory) (reconcile.Draft, string) {
	t.Helper()
	d, err := reconcile.DraftOf(t.Context(), m, app)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if d.Empty() {
		return d, ""
	}
	if err := report.Drafts(&b, []reconcile.Draft{d}); err != nil {
		t.Fatal(err)
	}
	return d, b.String()
}

// lines are those of a draft's aliases and comments on other tags, without what
// aliases in sync could follow.
func lines(text string) []string {
	var all []string
	hint := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if hint {
			hint = false
			continue
		}
		hint = strings.HasPrefix(line, "# To follow new versions without an edit; ")
		if alias, ok := strings.CutPrefix(line, "      "); ok {
			all = append(all, strings.Split(alias, "  # ")[0])
		} else if strings.HasPrefix(line, "#   ") {
			all = append(all, line)
		}
	}
	return all
}

func TestDraft(t *testing.T) {
	amd64, arm64, both := []string{"linux/amd64"}, []string{"linux/arm64"}, []string{"linux/amd64", "linux/arm64"}
	for _, test := range []struct {
		name   string
		images []demo.Image
		tags   map[string]string // more tags of images
		apply  string            // an images.yaml's aliases that were applied before
		policy string
		want   []string
	}{
		{name: "names follow versions", images: []demo.Image{{Tag: "10.20.3", Platforms: both}, {Tag: "10.19", Platforms: both}},
			tags: map[string]string{"10.20": "10.20.3", "10": "10.20.3", "latest": "10.20.3", "1a2b3c4": "10.20.3", "old": "10.19"},
			want: []string{"10: 10.20.3", "10.20: 10.20.3", "latest: 10.20.3", "old: 10.19",
				"#   1a2b3c4, 10.20.3", "#   1a2b3c4: linux/amd64, linux/arm64", "#   10.19: linux/amd64, linux/arm64", "#   10.20.3: linux/amd64, linux/arm64"}},
		{name: "names follow builds", images: []demo.Image{{Tag: "main-20260102", Platforms: amd64}},
			tags: map[string]string{"main": "main-20260102"}, want: []string{"main: main-20260102"}},
		{name: "equals are not guessed at", images: []demo.Image{{Tag: "10.10", Platforms: amd64}, {Tag: "edge", Platforms: amd64, Build: 2}},
			tags: map[string]string{"10.20": "10.10", "main": "edge"}, want: []string{`#   10: {newest: "10.x"}`, "10: 10.20", "#   10.10, 10.20", "#   edge, main"}},
		{name: "variants are apart", images: []demo.Image{{Tag: "10.20.3-alpine", Platforms: amd64}},
			tags: map[string]string{"10.20": "10.20.3-alpine", "10.20-alpine": "10.20.3-alpine", "alpine": "10.20.3-alpine"},
			want: []string{"10.20-alpine: 10.20.3-alpine", "alpine: 10.20.3-alpine", "#   10: 10.20", "#   10-alpine: 10.20.3-alpine", "#   10.20, 10.20.3-alpine"}},
		{name: "what tagline made", images: []demo.Image{{Tag: "10.10", Platforms: amd64}, {Tag: "10.20", Platforms: []string{"linux/arm64"}}},
			apply: "10: {amd64: 10.10, arm64: 10.20}\nlatest: 10\nsingle: 10.10", want: []string{"10: {amd64: 10.10, arm64: 10.20}", "latest: 10", "single: 10.10"}},
		{name: "what tagline made without attestations", policy: "provenance: drop",
			images: []demo.Image{{Tag: "10.10", Platforms: both, Provenance: true}, {Tag: "10.20", Platforms: amd64, Provenance: true}},
			apply:  "10: {amd64: 10.20, arm64: 10.10}\nlatest: 10\nboth: 10.10\nsingle: 10.20\npinned: {amd64: 10.10}",
			want: []string{"10: {amd64: 10.20, arm64: 10.10}", "both: 10.10", "latest: 10", "pinned: {amd64: 10.10}", "single: 10.20",
				"#   10.10: linux/amd64, linux/arm64, 2 attestations"}},
		{name: "an alias of an alias of one source for each platform", images: []demo.Image{{Tag: "1.0", Platforms: both}, {Tag: "1.1", Platforms: amd64}},
			apply: "1: {amd64: 1.0, arm64: 1.0}\nlatest: 1",
			want:  []string{"1: {amd64: 1.0, arm64: 1.0}", "latest: 1", "#   1.0: linux/amd64, linux/arm64"}},
		{name: "Windows versions", images: []demo.Image{{Tag: "1.0-linux", Platforms: amd64}, {Tag: "1.0-ltsc2019", Platforms: []string{"windows/amd64:10.0.17763.5458"}}, {Tag: "1.0-ltsc2022", Platforms: []string{"windows/amd64:10.0.20348.2322"}}},
			apply: "1: {amd64: 1.0-linux, windows(10.0.17763)/amd64: 1.0-ltsc2019, windows(10.0.20348)/amd64: 1.0-ltsc2022}\nlatest: 1",
			want: []string{"1: {amd64: 1.0-linux, windows(10.0.17763)/amd64: 1.0-ltsc2019, windows(10.0.20348)/amd64: 1.0-ltsc2022}", "latest: 1",
				"#   1-linux: 1.0-linux", "#   1-ltsc2019: 1.0-ltsc2019", "#   1-ltsc2022: 1.0-ltsc2022"}},
		{name: "a Windows image alone", images: []demo.Image{{Tag: "1.0", Platforms: []string{"windows/amd64:10.0.17763.5458"}}}, want: []string{`#   1: {newest: "1.x"}`, "1: 1.0"}},
		{name: "the newest of each Windows version", images: []demo.Image{{Tag: "1.0", Platforms: []string{"windows/amd64:10.0.17763.5458"}}, {Tag: "1.1", Platforms: []string{"windows/amd64:10.0.20348.2322"}}},
			want: []string{`#   1: {newest: "1.x"} with policies: {platforms: [windows(10.0.17763)/amd64, windows(10.0.20348)/amd64]}`,
				"1: {windows(10.0.17763)/amd64: 1.0, windows(10.0.20348)/amd64: 1.1}"}},
		{name: "the word absent", images: []demo.Image{{Tag: "absent", Platforms: amd64}}, apply: "10: {amd64: absent-not}\n9: app:absent"},
		{name: "nothing there"},
		{name: "names that suggest nothing", images: []demo.Image{{Tag: "edge", Platforms: both}, {Tag: "1a2b3c4", Platforms: amd64, Build: 2}}},
		{name: "a platform from each version", images: []demo.Image{{Tag: "10.10", Platforms: amd64}, {Tag: "10.20", Platforms: arm64}},
			want: []string{`#   10: {newest: "10.x"} with policies: {platforms: [amd64, arm64]}`, "10: {amd64: 10.10, arm64: 10.20}"}},
		{name: "the newest version of each platform", images: []demo.Image{{Tag: "v10.9", Platforms: both}, {Tag: "v10.10", Platforms: amd64}, {Tag: "v10.11-rc.1", Platforms: amd64, Build: 2}, {Tag: "11.0-alpine", Platforms: both, Build: 3}},
			want: []string{`#   v10: {newest: "10.x"} with policies: {platforms: [amd64, arm64]}`, "11-alpine: 11.0-alpine", "v10: {amd64: v10.10, arm64: v10.9}",
				"#   11.0-alpine: linux/amd64, linux/arm64", "#   v10.9: linux/amd64, linux/arm64"}},
		{name: "a tag for each platform", images: []demo.Image{{Tag: "10.9-amd64", Platforms: amd64}, {Tag: "10.9-aarch64", Platforms: arm64}, {Tag: "edge_linux_amd64", Platforms: amd64, Build: 2}, {Tag: "edge_linux_arm64", Platforms: arm64, Build: 2}},
			want: []string{"10: 10.9", "10.9: {amd64: 10.9-amd64, arm64: 10.9-aarch64}", "edge: {amd64: edge_linux_amd64, arm64: edge_linux_arm64}"}},
		{name: "a platform before the version", images: []demo.Image{{Tag: "x86_64-1.0", Platforms: amd64}, {Tag: "aarch64-1.0", Platforms: arm64}, {Tag: "x86_64-1.1", Platforms: amd64, Version: "1.1"}, {Tag: "aarch64-1.1", Platforms: arm64, Version: "1.1"}},
			want: []string{`#   1: {newest: "1.x", tags: "{arch}-{version}"} with policies: {platforms: [amd64, arm64]}`,
				"1: 1.1", "1.0: {amd64: x86_64-1.0, arm64: aarch64-1.0}", "1.1: {amd64: x86_64-1.1, arm64: aarch64-1.1}"}},
		{name: "a platform alone", images: []demo.Image{{Tag: "amd64", Platforms: amd64}, {Tag: "arm64", Platforms: arm64}}, want: []string{"latest: {amd64: amd64, arm64: arm64}"}},
		{name: "a platform in other words", images: []demo.Image{{Tag: "1.0-x86_64", Platforms: amd64}, {Tag: "1.0-armv7", Platforms: []string{"linux/arm/v7"}}},
			want: []string{"1: 1.0", "1.0: {amd64: 1.0-x86_64, arm/v7: 1.0-armv7}"}},
		{name: "a platform between the version and the variant", images: []demo.Image{{Tag: "1.0-amd64-ubi", Platforms: amd64}, {Tag: "1.0-arm64-ubi", Platforms: arm64}},
			want: []string{"1-ubi: 1.0-ubi", "1.0-ubi: {amd64: 1.0-amd64-ubi, arm64: 1.0-arm64-ubi}"}},
		{name: "the name of another platform", images: []demo.Image{{Tag: "edge-amd64", Platforms: arm64}, {Tag: "edge-arm64", Platforms: amd64}}},
		{name: "an alias of a tag for each platform", images: []demo.Image{{Tag: "10.9-amd64", Platforms: amd64}, {Tag: "10.9-arm64", Platforms: arm64}},
			apply: "10.9: {amd64: 10.9-amd64, arm64: 10.9-arm64}", want: []string{"10.9: {amd64: 10.9-amd64, arm64: 10.9-arm64}", "#   10: 10.9"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := registrytest.NewMemory()
			m.Push(t, "app", test.images...)
			if test.images == nil { // the repository is there all the same
				m.Manifests["sha256:untagged"] = registry.RawManifest{MediaType: ociIndex}
			}
			for tag, of := range test.tags {
				m.Tags["r.test/app:"+tag] = m.Tags["r.test/app:"+of]
			}
			if test.apply != "" {
				image := aliases(t, test.apply, test.policy)
				reconcile.Apply(t.Context(), m.Writer(app), plan(t, m, image))
			}
			d, text := draft(t, m)
			if got := lines(text); !slices.Equal(got, test.want) {
				t.Errorf("got\n%s\nwant\n%s\n\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"), text)
			}
			m.Puts = nil
			checkDraft(t, m, d, text)
		})
	}
}

// An index that another tool composed of other tags' images has bytes of its own. It
// is part of the file only if no other tag is an alias as it stands.
func TestDraftOfForeignIndex(t *testing.T) {
	m := registrytest.NewMemory()
	m.Push(t, "app", demo.Image{Tag: "10.10", Platforms: []string{"linux/amd64"}}, demo.Image{Tag: "10.20", Platforms: []string{"linux/arm64"}})
	p := plan(t, m, aliases(t, "10: {amd64: 10.10, arm64: 10.20}"))
	m.Put("10", strings.ReplaceAll(string(p.Pushes[0].Manifest), "dev.tagline", "org.example"))
	_, text := draft(t, m)
	if !strings.Contains(text, "\n      10: {amd64: 10.10, arm64: 10.20}  # linux/amd64, linux/arm64; it would get another digest\n") {
		t.Error(text)
	}
	m.Tags["r.test/app:latest"] = m.Tags["r.test/app:10.20"]
	_, text = draft(t, m)
	if !strings.Contains(text, "\n#   10: {amd64: 10.10, arm64: 10.20}\n") || !strings.Contains(text, "\n      latest: 10.20  #") {
		t.Error(text)
	}
}

// What a registry says of itself is not trusted to be a line of YAML.
func TestDraftOfHostileRegistry(t *testing.T) {
	m := registrytest.NewMemory()
	m.Push(t, "app", demo.Image{Tag: "10.10", Platforms: []string{"linux/amd64"}})
	child := m.Tags["r.test/app:10.10"]
	m.Put("10", fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"manifests":[{"mediaType":%q,"digest":%q,"size":%d,"platform":{"os":"linux\nimages: {evil: {aliases: {1: absent}}}","architecture":"amd64"}}]}`,
		ociIndex, m.Manifests[child].MediaType, child, len(m.Manifests[child].Body)))
	m.Tags["r.test/app:bad\nimages:"] = child
	m.Tags["r.test/app:latest"] = m.Tags["r.test/app:10"]
	m.Tags["r.test/app:unread"] = child
	m.Broken["unread"] = errors.New("503\nimages: {}")
	d, text := draft(t, m)
	if strings.Contains(text, "\nimages:") || d.Unread() == nil {
		t.Error(text)
	}
}

func TestDraftFailsWithTheList(t *testing.T) {
	m := registrytest.NewMemory()
	m.Broken["tags"] = errors.New("503")
	if _, err := reconcile.DraftOf(t.Context(), m, app); err == nil {
		t.Error("no error")
	}
}

// checkDraft applies a draft. It changes nothing if it has an alias that exists
// already, and else pushes every alias.
func checkDraft(t testing.TB, m *registrytest.Memory, d reconcile.Draft, text string) {
	t.Helper()
	if d.Empty() {
		return
	}
	images := parse(t, text)
	if len(images) != 1 {
		t.Fatalf("%s\nhas %d images", text, len(images))
	}
	p := plan(t, m, images[0])
	if len(p.Violations)+len(p.Errors) > 0 {
		t.Fatalf("%s\nplans %+v", text, p)
	}
	if len(d.Aliases) > 0 && (!p.Empty() || len(p.InSync) != len(d.Aliases)) || len(d.Aliases) == 0 && len(p.Pushes) != len(d.Near)+len(d.New) {
		t.Fatalf("%s\nplans %+v", text, p)
	}
}

// Whatever a repository holds, its draft is a valid images.yaml. It changes nothing if
// an alias exists already.
func TestDraftOfAnything(tb *testing.T) {
	proposed, fresh := 0, 0
	rapid.Check(tb, func(t *rapid.T) {
		w := drawWorld(t, tb)
		reconcile.Apply(tb.Context(), w.memory.Writer(app), plan(tb, w.memory, w.image))
		names := rapid.SampledFrom([]string{"10", "10.1", "10.1.2", "v10.1", "10.1-alpine", "latest", "null", "absent", "sha-1a2b3c4d", "newest", "1e3", "010"})
		tags := []string{"s0"}
		for tag := range w.memory.Tags {
			tags = append(tags, strings.TrimPrefix(tag, "r.test/app:"))
		}
		slices.Sort(tags)
		for range rapid.IntRange(0, 8).Draw(t, "more") {
			w.memory.Tags["r.test/app:"+names.Draw(t, "name")] = w.memory.Tags["r.test/app:"+rapid.SampledFrom(tags).Draw(t, "of")]
		}
		d, text := draft(tb, w.memory)
		proposed += len(d.Aliases)
		fresh += len(d.New)
		t.Log(text)
		checkDraft(tb, w.memory, d, text)
	})
	if proposed == 0 || fresh == 0 {
		tb.Errorf("%d aliases that exist, %d new ones: want some of both", proposed, fresh)
	}
}
