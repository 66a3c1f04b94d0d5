package reconcile_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"tagline/reconcile"
	"tagline/reconcile/demo"
	"tagline/reconcile/registry"
	"tagline/reconcile/registry/registrytest"
)

// Each thing is asked once, whatever refers to it.
func TestObserveAsksOnce(t *testing.T) {
	m := registrytest.NewMemory()
	m.Push(t, "app", plain12, plain40, both50)
	image := aliases(t, "10: {amd64: 10.12, arm64: 10.40}\n11: {amd64: 10.12, arm64: 10.50}\nlatest: 10")
	p := plan(t, m, image)
	slices.Sort(m.Asked)
	child := "app " + p.Pushes[1].Platforms[1].Digest // of 10.50, which is an index; the others are what their tags name
	want := []string{"app 10", "app 10.12", "app 10.40", "app 10.50", "app 11", "app latest", child, "config", "config"}
	if !slices.Equal(m.Asked, want) {
		t.Errorf("asked %q, want %q", m.Asked, want)
	}
}

// An alias in sync vouches for the plain images that its own index lists: their
// configs are not read, and where a listing tells what tags name, nor are they.
func TestAliasesVouchForTheirImages(t *testing.T) {
	for name, listed := range map[string]bool{"tags are listed": true, "tags are asked one by one": false} {
		t.Run(name, func(t *testing.T) {
			m := registrytest.NewMemory()
			m.Listed = listed
			digests := m.Push(t, "app", plain12, plain40, both50)
			image := aliases(t, "10: {amd64: 10.12, arm64: 10.40}")
			if p := plan(t, m, image); reconcile.Apply(t.Context(), m.Writer(image.Repository), p).Pushed[0].Err != nil || len(p.Pushes) != 1 {
				t.Fatalf("not pushed: %+v", p)
			}
			own := m.Tags["r.test/app:10"]

			m.Asked = nil
			if p := plan(t, m, image); !p.Empty() || len(p.InSync) != 1 {
				t.Errorf("plan %+v, want nothing to do", p)
			}
			slices.Sort(m.Asked)
			if want := []string{"app 10", "app 10.12", "app 10.40", "app " + own}; !slices.Equal(m.Asked, want) {
				t.Errorf("asked %q, want %q", m.Asked, want)
			}

			type change struct {
				name string
				make func()
				want string // what the plan has
			}
			tests := []change{
				{"a source that moved", func() { m.Tags["r.test/app:10.12"] = digests["10.50"] }, "push"},
				{"a source that moved to a plain image", func() { m.Tags["r.test/app:10.40"] = digests["10.12"] }, "platform-mismatch"},
				{"a source that is gone", func() { delete(m.Tags, "r.test/app:10.12") }, "missing-source"},
				{"an index that another tool made", func() {
					body := strings.ReplaceAll(string(m.Manifests[own].Body), reconcile.AnnotationAlias, "other")
					m.Put("10", strings.Replace(body, `"arm64"`, `"s390x"`, 1))
				}, "restored"},
				{"an index that lies in our name", func() {
					body := string(m.Manifests[own].Body)
					m.Put("10", strings.NewReplacer(`"amd64"`, `"arm64"`, `"arm64"`, `"amd64"`).Replace(body))
				}, "restored"},
				{"one that hides that a source is not what it should be", func() {
					m.Tags["r.test/app:10.12"] = digests["10.40"]
					m.Put("10", strings.Replace(string(m.Manifests[own].Body), digests["10.12"], digests["10.40"], 1)+" ")
				}, "platform-mismatch"},
			}
			if listed { // over HTTP nothing is archived
				tests = append(tests, change{"an archived source", func() { m.Archived = digests["10.40"] }, "archived-source"})
			}
			for _, test := range tests {
				t.Run(test.name, func(t *testing.T) {
					tags := maps.Clone(m.Tags)
					defer func() { m.Tags, m.Archived = tags, "" }()
					test.make()
					p := plan(t, m, image)
					got := ""
					switch {
					case len(p.Violations) == 1:
						got = string(p.Violations[0].ID)
					case len(p.Pushes) == 1 && p.Pushes[0].New == own:
						got = "restored"
					case len(p.Pushes) == 1:
						got = "push"
					}
					if got != test.want {
						t.Errorf("%q, want %q: %d pushes, violations %v, errors %v", got, test.want, len(p.Pushes), p.Violations, p.Errors)
					}
				})
			}
		})
	}
}

// An index is read for platforms only where that saves a request.
func TestConfigsOfSeveralAliases(t *testing.T) {
	m := registrytest.NewMemory()
	m.Push(t, "app", plain12, plain40)
	image := aliases(t, "10: {amd64: 10.12, arm64: 10.40}\n11: {amd64: 10.12, arm64: 10.40}\nlatest: 10.12")
	if p := plan(t, m, image); len(reconcile.Apply(t.Context(), m.Writer(image.Repository), p).Pushed) != 3 {
		t.Fatalf("not pushed: %+v", p)
	}
	m.Asked = nil
	if p := plan(t, m, image); !p.Empty() || len(p.InSync) != 3 {
		t.Errorf("plan %+v, want nothing to do", p)
	}
	slices.Sort(m.Asked)
	if want := []string{"app 10", "app 10.12", "app 10.40", "app 11", "app latest", "config", "config"}; !slices.Equal(m.Asked, want) {
		t.Errorf("asked %q, want %q", m.Asked, want)
	}
}

// A run over images that share a source asks for it once, and plans what it
// would plan without [registry.Once].
func TestObserveOnce(t *testing.T) {
	m := registrytest.NewMemory()
	m.Push(t, "base", demo.Image{Tag: "1", Platforms: []string{"linux/amd64", "linux/arm64"}})
	text := "images:\n"
	for i := range 5 {
		text += fmt.Sprintf("  app%d: {aliases: {10: 'base:1'}}\n", i)
	}
	images := parse(t, text)
	plans := func(readers registry.Readers) []string {
		var all []string
		for _, image := range images {
			for _, p := range reconcile.Diff(image, reconcile.Observe(t.Context(), readers, image)).Pushes {
				all = append(all, fmt.Sprint(image.Repository, p.Tag, p.New, p.Copies))
			}
		}
		return all
	}
	want := plans(m)
	m.Asked = nil
	if got := plans(registry.Once(m, images)); len(got) != 5 || !slices.Equal(got, want) {
		t.Errorf("planned %v, want %v", got, want)
	}
	if n := m.Asks("1"); n != 1 {
		t.Errorf("base:1 was asked for %d times: %v", n, m.Asked)
	}
}
