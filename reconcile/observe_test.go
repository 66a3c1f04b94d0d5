package reconcile_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"tagline/reconcile"
)

// Each thing is asked once, whatever refers to it.
func TestObserveAsksOnce(t *testing.T) {
	m := newMemory()
	m.push(t, "app", plain12, plain40, both50)
	image := aliases(t, "10: {amd64: 10.12, arm64: 10.40}\n11: {amd64: 10.12, arm64: 10.50}\nlatest: 10")
	p := plan(t, m, image)
	slices.Sort(m.asked)
	child := "app " + p.Pushes[1].Platforms[1].Digest // of 10.50, which is an index; the others are what their tags name
	want := []string{"app 10", "app 10.12", "app 10.40", "app 10.50", "app 11", "app latest", child, "config", "config"}
	if !slices.Equal(m.asked, want) {
		t.Errorf("asked %q, want %q", m.asked, want)
	}
}

// An alias in sync vouches for the plain images that its own index lists: their
// configs are not read, and where a listing tells what tags name, nor are they.
func TestAliasesVouchForTheirImages(t *testing.T) {
	for name, listed := range map[string]bool{"tags are listed": true, "tags are asked one by one": false} {
		t.Run(name, func(t *testing.T) {
			m := newMemory()
			m.listed = listed
			digests := m.push(t, "app", plain12, plain40, both50)
			image := aliases(t, "10: {amd64: 10.12, arm64: 10.40}")
			if p := plan(t, m, image); reconcile.Apply(t.Context(), m.Writer(image.Repository), p).Pushed[0].Err != nil || len(p.Pushes) != 1 {
				t.Fatalf("not pushed: %+v", p)
			}
			own := m.tags["r.test/app:10"]

			m.asked = nil
			if p := plan(t, m, image); !p.Empty() || len(p.InSync) != 1 {
				t.Errorf("plan %+v, want nothing to do", p)
			}
			slices.Sort(m.asked)
			if want := []string{"app 10", "app 10.12", "app 10.40", "app " + own}; !slices.Equal(m.asked, want) {
				t.Errorf("asked %q, want %q", m.asked, want)
			}

			type change struct {
				name string
				make func()
				want string // what the plan has
			}
			tests := []change{
				{"a source that moved", func() { m.tags["r.test/app:10.12"] = digests["10.50"] }, "push"},
				{"a source that moved to a plain image", func() { m.tags["r.test/app:10.40"] = digests["10.12"] }, "platform-mismatch"},
				{"a source that is gone", func() { delete(m.tags, "r.test/app:10.12") }, "missing-source"},
				{"an index that somebody else made", func() {
					body := strings.ReplaceAll(string(m.manifests[own].Body), reconcile.AnnotationAlias, "other")
					m.put("10", strings.Replace(body, `"arm64"`, `"s390x"`, 1))
				}, "restored"},
				{"an index that lies in our name", func() {
					body := string(m.manifests[own].Body)
					m.put("10", strings.NewReplacer(`"amd64"`, `"arm64"`, `"arm64"`, `"amd64"`).Replace(body))
				}, "restored"},
				{"one that hides that a source is not what it should be", func() {
					m.tags["r.test/app:10.12"] = digests["10.40"]
					m.put("10", strings.Replace(string(m.manifests[own].Body), digests["10.12"], digests["10.40"], 1)+" ")
				}, "platform-mismatch"},
			}
			if listed { // over HTTP nothing is archived
				tests = append(tests, change{"an archived source", func() { m.archived = digests["10.40"] }, "archived-source"})
			}
			for _, test := range tests {
				t.Run(test.name, func(t *testing.T) {
					tags := maps.Clone(m.tags)
					defer func() { m.tags, m.archived = tags, "" }()
					test.make()
					p := plan(t, m, image)
					got := ""
					switch {
					case len(p.Violations) == 1:
						got = p.Violations[0].ID
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
	m := newMemory()
	m.push(t, "app", plain12, plain40)
	image := aliases(t, "10: {amd64: 10.12, arm64: 10.40}\n11: {amd64: 10.12, arm64: 10.40}\nlatest: 10.12")
	if p := plan(t, m, image); len(reconcile.Apply(t.Context(), m.Writer(image.Repository), p).Pushed) != 3 {
		t.Fatalf("not pushed: %+v", p)
	}
	m.asked = nil
	if p := plan(t, m, image); !p.Empty() || len(p.InSync) != 3 {
		t.Errorf("plan %+v, want nothing to do", p)
	}
	slices.Sort(m.asked)
	if want := []string{"app 10", "app 10.12", "app 10.40", "app 11", "app latest", "config", "config"}; !slices.Equal(m.asked, want) {
		t.Errorf("asked %q, want %q", m.asked, want)
	}
}
