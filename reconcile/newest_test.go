package reconcile_test

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"tagline/config"
	"tagline/reconcile"
	"tagline/reconcile/demo"
	"tagline/reconcile/registry"
	"tagline/reconcile/registry/registrytest"
)

var (
	amd, arm  = []string{"linux/amd64"}, []string{"linux/arm64"}
	amdAndArm = []string{"linux/amd64", "linux/arm64"}
)

// releases is the repository of a team that mixes everything.
func releases(t testing.TB) *registrytest.Memory {
	m := registrytest.NewMemory()
	m.Push(t, "app",
		demo.Image{Tag: "10.9", Platforms: amdAndArm, Provenance: true},
		demo.Image{Tag: "10.10", Platforms: amd, Provenance: true},
		demo.Image{Tag: "10.20", Platforms: arm, Provenance: true},
		demo.Image{Tag: "10.21-rc.1", Platforms: amdAndArm},
		demo.Image{Tag: "10.20-alpine", Platforms: amdAndArm},
		demo.Image{Tag: "11.0", Platforms: amdAndArm},
		demo.Image{Tag: "latest", Platforms: amdAndArm},
		demo.Image{Tag: "20240105", Platforms: amdAndArm},
		demo.Image{Tag: "1a2b3c4", Platforms: amdAndArm},
	)
	return m
}

// platforms is where each platform of the pushed alias comes from.
func platforms(p reconcile.Plan, alias string) string {
	i := slices.IndexFunc(p.Pushes, func(p reconcile.Push) bool { return p.Tag == alias })
	if i < 0 {
		return "not pushed"
	}
	var all []string
	for _, c := range p.Pushes[i].Platforms {
		if c.Digest == "" {
			continue // what the alias loses
		}
		all = append(all, strings.TrimPrefix(c.Platform, "linux/")+" "+c.Source)
	}
	return strings.Join(all, ", ")
}

func TestNewest(t *testing.T) {
	const both = "platforms: [amd64, arm64]"
	for _, test := range []struct {
		name, alias string
		settings    []string
		want        string
	}{
		{"per platform", `10: {newest: "10.x"}`, []string{both}, "amd64 10.10, arm64 10.20"},
		{"not mixed", `10: {newest: "10.x"}`, []string{both, "mixed-versions: deny"}, "amd64 10.9, arm64 10.9"},
		{"one platform", `10: {amd64: {newest: "10.x"}}`, nil, "amd64 10.10"},
		{"beside a tag", `10: {amd64: {newest: "10.x"}, arm64: 10.9}`, nil, "amd64 10.10, arm64 10.9"},
		{"the platforms of the newest, if no policy says which", `10: {newest: "10.x"}`, nil, "arm64 10.20"},
		{"prereleases", `10: {newest: "10.x", prereleases: true}`, []string{both}, "amd64 10.21-rc.1, arm64 10.21-rc.1"},
		{"a variant", `10: {newest: "10.x", variant: alpine}`, []string{both}, "amd64 10.20-alpine, arm64 10.20-alpine"},
		{"everything", `stable: {newest: "*"}`, []string{both}, "amd64 11.0, arm64 11.0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := releases(t)
			m.Tags["r.test/app:10"] = m.Tags["r.test/app:latest"] // an alias is never a candidate
			image := aliases(t, test.alias, append(test.settings, "provenance: drop", "downgrade: allow")...)
			tag, _, _ := strings.Cut(test.alias, ":")
			p := plan(t, m, image)
			if got := platforms(p, tag); got != test.want {
				t.Fatalf("got %s, want %s\n%+v", got, test.want, p)
			}
			applyAndSettle(t, m, image)
		})
	}
}

// Once 10.20 is there for amd64 too, nothing mixes any more.
func TestNewestFollowsReleases(t *testing.T) {
	for _, mixed := range []string{"allow", "deny"} {
		m := releases(t)
		image := aliases(t, `10: {newest: "10.x"}`, "platforms: [amd64, arm64]", "mixed-versions: "+mixed)
		p := plan(t, m, image)
		waits := slices.ContainsFunc(p.Choices[0].Candidates, func(c reconcile.Candidate) bool {
			return strings.Contains(c.Reason, "10.20 waits for linux/amd64")
		})
		if waits != (mixed == "deny") {
			t.Errorf("mixed-versions %s: candidates %+v", mixed, p.Choices[0].Candidates)
		}
		applyAndSettle(t, m, image)
		m.Push(t, "app", demo.Image{Tag: "10.20", Platforms: amdAndArm})
		if got := platforms(plan(t, m, image), "10"); got != "amd64 10.20, arm64 10.20" {
			t.Errorf("mixed-versions %s: %s", mixed, got)
		}
		applyAndSettle(t, m, image)
	}
}

func TestCandidatesSayWhy(t *testing.T) {
	m := releases(t)
	m.Tags["r.test/app:10"] = m.Tags["r.test/app:latest"]
	p := plan(t, m, aliases(t, `10: {newest: "10.x"}`, "platforms: [amd64, arm64]"))
	got := map[string]string{}
	for _, c := range p.Choices[0].Candidates {
		got[strings.TrimSpace(c.Tag+" "+c.Platform)] = c.Reason
	}
	for tag, want := range map[string]string{
		"10": "alias", "latest": "not a version", "20240105": "not a version", "1a2b3c4": "not a version",
		"11.0": "not in range", "10.21-rc.1": "prerelease", "10.20-alpine": "variant alpine",
		"10.20 linux/arm64": "chosen", "10.20 linux/amd64": "no such platform", "10.10 linux/amd64": "chosen", "10.9": "older",
	} {
		if got[tag] != want {
			t.Errorf("%s is %q, want %q", tag, got[tag], want)
		}
	}
}

func TestDowngrades(t *testing.T) {
	const both = "platforms: [amd64, arm64]"
	t.Run("a release is deleted", func(t *testing.T) {
		m := releases(t)
		image := aliases(t, "10: {newest: \"10.x\"}\nstable: 10", both)
		applyAndSettle(t, m, image)
		delete(m.Tags, "r.test/app:10.20")
		p := plan(t, m, image)
		if len(p.Pushes) > 0 || len(p.Violations) != 2 || p.Violations[0].ID != "downgrade" || p.Violations[1].ID != "blocked-source" ||
			!strings.Contains(p.Violations[0].Message, "linux/arm64 would be downgraded from 10.20 to 10.9") {
			t.Errorf("plan is %+v", p)
		}
		allowed := aliases(t, `10: {newest: "10.x"}`, both, "downgrade: allow")
		if got := platforms(plan(t, m, allowed), "10"); got != "amd64 10.10, arm64 10.9" {
			t.Errorf("with downgrade: allow: %s", got)
		}
	})
	t.Run("made by hand from a version out of the range", func(t *testing.T) {
		m := releases(t)
		m.Tags["r.test/app:10"] = m.Tags["r.test/app:11.0"]
		p := plan(t, m, aliases(t, `10: {newest: "10.x"}`, both))
		if len(p.Pushes) > 0 || len(p.Violations) != 1 || !strings.Contains(p.Violations[0].Message, `has 11.0, which is not in "10.x"`) {
			t.Errorf("plan is %+v", p)
		}
	})
	t.Run("the mark is that of another alias", func(t *testing.T) {
		m := releases(t)
		applyAndSettle(t, m, aliases(t, "10: {newest: \"10.x\"}\nstable: 10\nlast: {amd64: 10, arm64: 10}", both))
		delete(m.Tags, "r.test/app:10.20")
		delete(m.Tags, "r.test/app:10")
		p := plan(t, m, aliases(t, `stable: {newest: "10.x"}`, both))
		if len(p.Pushes) > 0 || len(p.Violations) != 1 || !strings.Contains(p.Violations[0].Message, "from 10.20 to 10.9") {
			t.Errorf("plan is %+v", p)
		}
		// If the mark names an alias, and the release is gone, the version is not
		// known, and the alias is left alone.
		p = plan(t, m, aliases(t, `last: {newest: "10.x"}`, both))
		if len(p.Pushes) > 0 || len(p.Violations) != 1 || p.Violations[0].ID != "unknown-version" {
			t.Errorf("plan is %+v", p)
		}
		p = plan(t, m, aliases(t, `last: {newest: "10.x"}`, both, "downgrade: allow"))
		if len(p.Violations) > 0 || platforms(p, "last") != "amd64 10.10, arm64 10.9" {
			t.Errorf("with downgrade: allow, the plan is %+v", p)
		}
	})
	// What can't be told is left alone.
	for name, test := range map[string]struct {
		make func(*builder)
		want string
	}{
		"its image is that of an old version": {func(b *builder) { b.tag("12", b.digest["12.3"]) }, "push"},
		"its image is that of a higher version and of an old one": {func(b *builder) {
			b.tag("12", b.digest["12.3"])
			b.tag("13.0", b.digest["12.3"])
		}, "downgrade"},
		"a version tag can't be read": {func(b *builder) {
			b.tag("12", b.digest["12.3"])
			b.tag("13.0", b.image("13.0", intel))
			b.Broken["13.0"] = errors.New("503 Service Unavailable")
		}, "source \"13.0\": 503 Service Unavailable"},
		"its image has no version tag": {func(b *builder) { b.tag("12", b.image("12.5.5.201", intel)) }, "unknown-version"},
		"it can't be read": {func(b *builder) {
			b.tag("12", b.image("other", intel))
			b.Broken[b.digest["other"]] = errors.New("503 Service Unavailable")
		}, "503 Service Unavailable"},
		"it is of an unknown type":     {func(b *builder) { b.tag("12", b.foreign("foreign")) }, "unknown-version"},
		"it does not say its platform": {func(b *builder) { b.tag("12", b.referrer("artifact", b.digest["12.3"])) }, "unknown-version"},
		"it has two images of a platform": {func(b *builder) {
			b.tag("13.0", b.image("13.0", intel))
			b.tag("12", b.index("two", nil, b.entry(b.digest["13.0"], intel), b.entry(b.digest["12.3"], intel)))
		}, "downgrade"},
		"it is gone": {func(b *builder) {
			b.tag("12", b.image("gone", intel))
			delete(b.Manifests, b.digest["gone"])
		}, "push"},
		"it does not exist": {func(*builder) {}, "push"},
	} {
		t.Run(name, func(t *testing.T) {
			b := build()
			for i := range 70 {
				version := fmt.Sprintf("12.%d", i)
				b.tag(version, b.image(version, intel))
			}
			test.make(b)
			p := plan(t, b.Memory, aliases(t, `12: {newest: "12.x"}`))
			got := "nothing"
			switch {
			case len(p.Errors) == 1:
				got = p.Errors[0].Message
			case len(p.Violations) == 1:
				got = string(p.Violations[0].ID)
			case len(p.Pushes) == 1:
				got = "push"
			}
			if got != test.want {
				t.Errorf("%s, want %s: %+v", got, test.want, p)
			}
			p = plan(t, b.Memory, aliases(t, `12: {newest: "12.x"}`, "downgrade: allow"))
			if len(p.Pushes) != 1 {
				t.Errorf("with downgrade: allow, the plan is %+v", p)
			}
		})
	}
	t.Run("an alias whose line is gone is no release", func(t *testing.T) {
		m := releases(t)
		applyAndSettle(t, m, aliases(t, "10.30: {amd64: 10.9, arm64: 10.9}", both))
		p := plan(t, m, aliases(t, `10: {newest: "10.x"}`, both))
		if got := platforms(p, "10"); got != "amd64 10.10, arm64 10.20" {
			t.Errorf("got %s", got)
		}
	})
	t.Run("a build whose tag names its platform is deleted", func(t *testing.T) {
		for _, tags := range []string{"{version}-ubi-{arch}", "build-{version}-{arch}"} {
			m := registrytest.NewMemory()
			tag := func(version, arch string) string {
				return strings.NewReplacer("{version}", version, "{arch}", arch).Replace(tags)
			}
			for _, version := range []string{"1.0", "1.1"} {
				m.Push(t, "app", demo.Image{Tag: tag(version, "amd64"), Platforms: amd}, demo.Image{Tag: tag(version, "arm64"), Platforms: arm})
			}
			image := aliases(t, fmt.Sprintf("1: {newest: \"1.x\", tags: %q}", tags), both)
			applyAndSettle(t, m, image)
			delete(m.Tags, "r.test/app:"+tag("1.1", "arm64"))
			p := plan(t, m, image)
			if want := fmt.Sprintf("linux/arm64 would be downgraded from %s to %s", tag("1.1", "arm64"), tag("1.0", "arm64")); len(p.Pushes) > 0 ||
				len(p.Violations) != 1 || p.Violations[0].ID != "downgrade" || !strings.Contains(p.Violations[0].Message, want) {
				t.Errorf("plan is %+v, want %s", p, want)
			}
			for _, own := range []string{"downgrade: allow", "downgrade: deny"} {
				image := aliases(t, fmt.Sprintf("1: {newest: \"1.x\", tags: %q, %s}", tags, own), both, "downgrade: allow")
				if p := plan(t, m, image); (len(p.Pushes) == 1) != (own == "downgrade: allow") {
					t.Errorf("%s: plan is %+v", own, p)
				}
			}
		}
	})
	t.Run("a range that excludes what the alias has", func(t *testing.T) {
		m := releases(t)
		applyAndSettle(t, m, aliases(t, `10: {newest: "10.x"}`, both))
		image := aliases(t, `10: {newest: "10.x !=10.20"}`, both)
		if got := platforms(plan(t, m, image), "10"); got != "amd64 10.10, arm64 10.9" {
			t.Errorf("got %s", got)
		}
		applyAndSettle(t, m, image)
	})
	t.Run("a tag is its author's word", func(t *testing.T) {
		m := releases(t)
		applyAndSettle(t, m, aliases(t, `10: {newest: "10.x"}`, both))
		if got := platforms(plan(t, m, aliases(t, "10: {amd64: 10.9, arm64: 10.9}", both)), "10"); got != "amd64 10.9, arm64 10.9" {
			t.Errorf("got %s", got)
		}
	})
}

func TestNewestViolations(t *testing.T) {
	const both = "platforms: [amd64, arm64]"
	for _, test := range []struct {
		name, alias string
		settings    []string
		id, want    string
	}{
		{"no version in the range", `12: {newest: "12.x"}`, nil, "no-candidate",
			`no tag of r.test/app is in "12.x": 6 are not in range, 3 are not versions; the newest are 11.0, 10.20, 10.10, 10.9`},
		{"no tag of the variant", `12: {newest: "10.x", variant: alpin}`, nil, "no-candidate",
			`no tag of r.test/app with the variant "alpin" is in "10.x": 4 have no variant, 3 are not versions, 1 is not in range, 1 has the variant alpine; to take tags such as 10.20-alpine, write variant: alpine beside newest`},
		{"a platform that no version has", `12: {newest: "10.x"}`, []string{"platforms: [amd64, s390x]"}, "missing-platform",
			`no version in "10.x" has linux/s390x; the newest is 10.20`},
		{"no version has them all", `12: {newest: ">=10.10 <11"}`, []string{both, "mixed-versions: deny"}, "missing-platform",
			`no version in ">=10.10 <11" has all of linux/amd64, linux/arm64; the newest is 10.20`},
		{"written out, but mixed", `12: {amd64: 10.10, arm64: 10.20}`, []string{both, "mixed-versions: deny"}, "mixed-versions",
			"linux/amd64 from 10.10, linux/arm64 from 10.20"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := plan(t, releases(t), aliases(t, test.alias, test.settings...))
			if len(p.Violations) != 1 || string(p.Violations[0].ID) != test.id || !strings.Contains(p.Violations[0].Message, test.want) || len(p.Pushes) > 0 {
				t.Errorf("plan is %+v, want %s: %s", p, test.id, test.want)
			}
		})
	}

	t.Run("an alias as a source is the version behind it", func(t *testing.T) {
		image := aliases(t, "9: {amd64: 10.9, arm64: 10.9}\n10: {amd64: 9, arm64: 10.9}", both, "mixed-versions: deny")
		if p := plan(t, releases(t), image); len(p.Violations) > 0 || len(p.Pushes) != 2 {
			t.Errorf("plan is %+v", p)
		}
	})
	t.Run("tags that tie", func(t *testing.T) {
		m := releases(t)
		m.Push(t, "app", demo.Image{Tag: "10.20.0", Platforms: arm, Version: "a"}, demo.Image{Tag: "v10.20.0", Platforms: arm, Version: "b"})
		p := plan(t, m, aliases(t, `10: {newest: "10.x"}`, both))
		if len(p.Violations) != 1 || p.Violations[0].ID != "ambiguous-version" ||
			!strings.Contains(p.Violations[0].Message, `tags "10.20.0" and "v10.20.0" are the same version`) ||
			!strings.Contains(p.Violations[0].Message, "give both the same content, or list the one that moves as an alias") {
			t.Errorf("plan is %+v", p)
		}
		m.Tags["r.test/app:v10.20.0"] = m.Tags["r.test/app:10.20.0"] // the same image: no matter
		if got := platforms(plan(t, m, aliases(t, `10: {newest: "10.x"}`, both)), "10"); got != "amd64 10.10, arm64 10.20.0" {
			t.Errorf("got %s", got)
		}
	})
	t.Run("a float beside its version", func(t *testing.T) {
		m := releases(t)
		m.Push(t, "app", demo.Image{Tag: "10.20.0", Platforms: arm, Version: "fuller"})
		p := plan(t, m, aliases(t, `10: {newest: "10.x"}`, both))
		if got := platforms(p, "10"); got != "amd64 10.10, arm64 10.20.0" || len(p.Violations) > 0 {
			t.Errorf("got %s: %+v", got, p)
		}
		if !slices.Contains(p.Choices[0].Candidates, reconcile.Candidate{Tag: "10.20", Reason: "a float of 10.20.0"}) {
			t.Errorf("candidates %+v", p.Choices[0].Candidates)
		}
	})
	t.Run("no repository", func(t *testing.T) {
		p := plan(t, registrytest.NewMemory(), aliases(t, `10: {newest: "10.x"}`))
		if len(p.Violations) != 1 || p.Violations[0].ID != "no-candidate" {
			t.Errorf("plan is %+v", p)
		}
	})
}

// The newest version that can't be read is not passed over for an older one.
func TestUnreadableCandidate(t *testing.T) {
	for _, broken := range []string{"tags", "10.20"} {
		m := releases(t)
		m.Broken[broken] = errors.New("503 Service Unavailable")
		p := plan(t, m, aliases(t, `10: {newest: "10.x"}`, "platforms: [amd64, arm64]"))
		if len(p.Errors) == 0 || len(p.Pushes)+len(p.Violations) > 0 {
			t.Errorf("without %s the plan is %+v", broken, p)
		}
	}
}

// A list that is said not to exist is one that could not be read, where tags of
// the same repository answer.
func TestListAtOddsWithTags(t *testing.T) {
	m := releases(t)
	m.Broken["tags"] = registry.ErrNotFound
	p := plan(t, m, aliases(t, "10: {newest: 10.x}\n11: {amd64: 11.0}", "prune: true"))
	if len(p.Violations) > 0 || len(p.Pushes) != 1 || p.Pushes[0].Tag != "11" || len(p.DeleteTags) > 0 {
		t.Errorf("plan is %+v, want 11 alone", p)
	}
	for _, e := range p.Errors {
		if !strings.Contains(e.Message, "list of tags of r.test/app: the registry says that there is no such repository, and answers for what is in it") {
			t.Errorf("error %+v", e)
		}
	}
	if len(p.Errors) == 0 {
		t.Error("no error")
	}
}

// A run remembers the versions of a thousand manifests. Where that is not enough, it
// keeps those that it has seen itself.
func TestRememberedVersions(t *testing.T) {
	for others, want := range map[int]int{0: 1, 999: 1000, 1000: 1} {
		m := &remembering{Memory: releases(t)}
		image := aliases(t, `10: {newest: 10.x, whole: true}`)
		versions := m.record(image.Repository).Versions
		for i := range others {
			versions[fmt.Sprint("sha256:", i)] = "1.0"
		}
		for range 2 {
			reconcile.Run(t.Context(), reconcile.Job{Readers: m}, image)
		}
		if len(versions) != want {
			t.Errorf("with the versions of %d others it remembers %d, want %d", others, len(versions), want)
		}
	}
}

// Ten thousand tags cost one listing and a few manifests, even for a platform
// that lags behind or is not there at all.
func TestNewestReadsLittle(t *testing.T) {
	m := registrytest.NewMemory()
	var images []demo.Image
	for i := range 10000 {
		image := demo.Image{Tag: fmt.Sprintf("10.%d", i), Platforms: amd, Version: "same"}
		if i == 9990 {
			image.Platforms = amdAndArm
		}
		images = append(images, image)
	}
	m.Push(t, "app", images...)
	count := func(image config.Image) (lists, manifests int) {
		m.Asked = nil
		plan(t, m, image)
		for _, a := range m.Asked {
			switch {
			case a == "app tags":
				lists++
			case strings.HasPrefix(a, "app 10."):
				manifests++
			}
		}
		return lists, manifests
	}
	for _, test := range []struct {
		platforms string
		most      int
	}{{"amd64", 1}, {"amd64, arm64", 16}, {"amd64, s390x", 32}} {
		lists, manifests := count(aliases(t, `10: {newest: "10.x"}`, "platforms: ["+test.platforms+"]"))
		if lists != 1 || manifests > test.most {
			t.Errorf("%s: %d listings and %d manifests, want 1 and at most %d", test.platforms, lists, manifests, test.most)
		}
		t.Logf("10,000 tags, platforms %s: %d listing, %d manifests", test.platforms, lists, manifests)
	}
}

// Ten thousand tags of every scheme: each alias finds its own, and reads little.
func TestEveryScheme(t *testing.T) {
	m := registrytest.NewMemory()
	var images []demo.Image
	add := func(platforms []string, format string, args ...any) {
		images = append(images, demo.Image{Tag: fmt.Sprintf(format, args...), Platforms: platforms, Version: "same"})
	}
	for i := range 500 {
		add(amdAndArm, "1.%d", i)
		add(amdAndArm, "v2.%d.%d", i/20, i%20)
		add(amdAndArm, "3.0.0.%d", i)
		add(amdAndArm, "4.0.0-%d", i)
		add(amdAndArm, "5.1-r%d", i)
		add(amdAndArm, "5.2.%d-r0-ls%d", i/100, i)
		add(amdAndArm, "6.%d-alpine", i)
		add(amdAndArm, "6.2.%d-debian-12-r%d", i/100, i)
		add(amd, "7.%d-ubi-amd64", i)
		if i < 490 {
			add(arm, "7.%d-ubi-arm64", i)
		}
		add(amd, "x86_64-8.%d.0", i)
		add(arm, "arm64v8-8.%d.0-ls%d", i, i)
		add(amdAndArm, "9.0-rc.%d", i)
		add(amdAndArm, "9.%d.0-beta%d", i, i)
		add(amdAndArm, "10.%d.0", i)
		add(amdAndArm, "10.%d", i) // a float
		add(amdAndArm, "%d.%02d.%d", 10+i/12, 1+i%12, i)
		add(amdAndArm, "%d.%d.%d", 1990+i/12, 1+i%12, i)
		add(amdAndArm, "release-11.%d", i)
		add(amdAndArm, "sha-%07x", i*7919)
		add(amdAndArm, "%d", 20240101+i)
	}
	if len(images) < 10000 {
		t.Fatalf("%d tags", len(images))
	}
	m.Push(t, "app", images...)
	tests := []struct {
		source, settings, want string
		tags                   int // that have to be read
	}{
		{`{newest: "1.x"}`, "", "amd64 1.499, arm64 1.499", 1},
		{`{newest: "2.x"}`, "", "amd64 v2.24.19, arm64 v2.24.19", 1},
		{`{newest: "3.x"}`, "", "amd64 3.0.0.499, arm64 3.0.0.499", 1},
		{`{newest: "<3.0.0.77"}`, "", "amd64 3.0.0.76, arm64 3.0.0.76", 1},
		{`{newest: "4.x"}`, "", "amd64 4.0.0-499, arm64 4.0.0-499", 1},
		{`{newest: "~5.1"}`, "", "amd64 5.1-r499, arm64 5.1-r499", 1},
		{`{newest: "=5.2.0"}`, "", "amd64 5.2.0-r0-ls99, arm64 5.2.0-r0-ls99", 1},
		{`{newest: "5.x"}`, "", "amd64 5.2.4-r0-ls499, arm64 5.2.4-r0-ls499", 1},
		{`{newest: "6.x", variant: alpine}`, "", "amd64 6.499-alpine, arm64 6.499-alpine", 1},
		{`{newest: "6.x", variant: debian-12}`, "", "amd64 6.2.4-debian-12-r499, arm64 6.2.4-debian-12-r499", 1},
		{`{newest: "7.x", tags: "{version}-ubi-{arch}"}`, "", "amd64 7.499-ubi-amd64, arm64 7.489-ubi-arm64", 2},
		{`{newest: "7.x", tags: "{version}-ubi-{arch}"}`, "mixed-versions: deny", "amd64 7.489-ubi-amd64, arm64 7.489-ubi-arm64", 2},
		{`{newest: "8.x", tags: "{arch}-{version}"}`, "", "amd64 x86_64-8.499.0, arm64 arm64v8-8.499.0-ls499", 2},
		{`{newest: "9.x", prereleases: true}`, "", "amd64 9.499.0-beta499, arm64 9.499.0-beta499", 1},
		{`{newest: "~9.0", prereleases: true}`, "", "amd64 9.0-rc.499, arm64 9.0-rc.499", 1},
		{`{newest: "10.x"}`, "", "amd64 10.499.0, arm64 10.499.0", 1},
		{`{newest: "*"}`, "", "amd64 50.12.491, arm64 50.12.491", 1},
		{`{newest: "*", versioning: calendar}`, "", "amd64 2031.8.499, arm64 2031.8.499", 1},
		{`{newest: "<100", versioning: calendar}`, "", "amd64 51.08.499, arm64 51.08.499", 1},
		{`{newest: ">=24.04 <24.10", versioning: calendar}`, "", "amd64 24.09.176, arm64 24.09.176", 1},
		{`{newest: "11.x", tags: "release-{version}"}`, "", "amd64 release-11.499, arm64 release-11.499", 1},
	}
	for _, settings := range []string{"", "mixed-versions: deny"} {
		var lines, want []string
		most := 0
		for i, test := range tests {
			if test.settings == settings {
				lines = append(lines, fmt.Sprintf("stable-%d: %s", i, test.source))
				want = append(want, test.want)
				most += test.tags
			}
		}
		m.Asked = nil
		p := plan(t, m, aliases(t, strings.Join(lines, "\n"), "platforms: [amd64, arm64]", cmp.Or(settings, "mixed-versions: allow")))
		for i, line := range lines {
			alias, _, _ := strings.Cut(line, ":")
			if got := platforms(p, alias); got != want[i] {
				t.Errorf("%s is %s, want %s; violations %v", line, got, want[i], p.Violations)
			}
		}
		read := map[string]bool{}
		for _, asked := range m.Asked {
			what := strings.TrimPrefix(asked, "app ")
			if _, err := config.ParseVersion(strings.TrimLeft(what, "abcdefghijklmnopqrstuvwxyz")); err == nil || strings.Contains(what, "-8.") {
				read[what] = true
			}
		}
		if len(read) > most {
			t.Errorf("%d tags are read, want at most %d: %v", len(read), most, slices.Sorted(maps.Keys(read)))
		}
	}
}
