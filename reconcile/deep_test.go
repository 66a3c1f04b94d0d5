package reconcile_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tagline/config"
	"tagline/reconcile"
	"tagline/reconcile/demo"
	"tagline/reconcile/registry"
	"tagline/reconcile/registry/registrytest"
)

func TestDeep(t *testing.T) {
	for _, test := range []struct {
		name, aliases string
		harm          func(m *registrytest.Memory, child string) // to the image of 10.10, which alias 10 lists
		violations    []string                                   // id and alias
		errors        int
		pushes        int
		always        bool     // it is seen without a deep look, too: a push would lead to it
		seen          []string // what is, if that is less
	}{
		{name: "whole", aliases: "10: {amd64: 10.10}", harm: func(*registrytest.Memory, string) {}},
		{name: "an image is gone", aliases: "10: {amd64: 10.10}", harm: func(m *registrytest.Memory, child string) { delete(m.Manifests, child) },
			violations: []string{"missing-child 10"}},
		{name: "of a new alias", aliases: "new: {amd64: 10.10}\nother: 10.20", harm: func(m *registrytest.Memory, child string) { delete(m.Manifests, child) },
			violations: []string{"missing-child new"}, pushes: 1, always: true},
		{name: "of one in sync that a new alias follows", aliases: "10: {amd64: 10.10}\nnew: 10", harm: func(m *registrytest.Memory, child string) { delete(m.Manifests, child) },
			violations: []string{"missing-child 10", "blocked-source new"}, seen: []string{"missing-child new"}},
		{name: "of a new alias, and it is not known", aliases: "new: {amd64: 10.10}", harm: func(m *registrytest.Memory, child string) { m.Broken[child] = errors.New("503") },
			errors: 1, always: true},
		{name: "of a new alias that is the source", aliases: "new: 10.10", harm: func(m *registrytest.Memory, child string) { delete(m.Manifests, child) },
			violations: []string{"missing-child new"}, always: true},
		{name: "of an alias that is blocked", aliases: "10: {amd64: 10.99}", harm: func(m *registrytest.Memory, child string) { delete(m.Manifests, child) },
			violations: []string{"missing-source 10", "missing-child 10"}},
		{name: "and one that follows", aliases: "10: {amd64: 10.10}\nlatest: 10", harm: func(m *registrytest.Memory, child string) { delete(m.Manifests, child) },
			violations: []string{"missing-child 10", "blocked-source latest"}},
		{name: "it is not known", aliases: "10: {amd64: 10.10}", harm: func(m *registrytest.Memory, child string) { m.Broken[child] = errors.New("503") }, errors: 1},
		{name: "archived", aliases: "10: {amd64: 10.10}", harm: func(m *registrytest.Memory, child string) { m.Archived = child },
			violations: []string{"missing-child 10"}},
		{name: "absent", aliases: "10: absent", harm: func(m *registrytest.Memory, child string) { delete(m.Manifests, child) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := registrytest.NewMemory()
			m.Push(t, "app", amd10, arm20)
			if p := plan(t, m, aliases(t, "10: {amd64: 10.10}")); len(p.Pushes) == 1 {
				m.Put("10", string(p.Pushes[0].Manifest))
			}
			child := ""
			for digest := range m.Manifests {
				if strings.Contains(string(m.Manifests[m.Tags["r.test/app:10"]].Body), `"digest":"`+digest+`","size":`) && !strings.Contains(string(m.Manifests[digest].Body), "in-toto") {
					child = digest
				}
			}
			test.harm(m, child)
			image := aliases(t, test.aliases)
			for name, observe := range map[string]func(context.Context, registry.Readers, config.Image) *reconcile.State{
				"deep": reconcile.ObserveDeep, "not deep": reconcile.Observe,
			} {
				want := test.violations
				if name != "deep" && !test.always {
					if want = test.seen; want == nil {
						continue
					}
				}
				p := reconcile.Diff(image, observe(t.Context(), m, image))
				var got []string
				for _, v := range p.Violations {
					got = append(got, string(v.ID)+" "+v.Alias)
				}
				if !reflect.DeepEqual(got, want) || len(p.Errors) != test.errors || len(p.Pushes) != test.pushes {
					t.Errorf("%s: violations %q, errors %v, %d pushes; want %q, %d, %d", name, got, p.Errors, len(p.Pushes), want, test.errors, test.pushes)
				}
			}
		})
	}
}

// A deep look at a registry in which nothing is missing changes no plan.
func TestDeepChangesNoPlan(tb *testing.T) {
	rapid.Check(tb, func(t *rapid.T) {
		w := drawWorld(t, tb)
		flat := reconcile.Diff(w.image, reconcile.Observe(tb.Context(), w.memory, w.image))
		deep := reconcile.Diff(w.image, reconcile.ObserveDeep(tb.Context(), w.memory, w.image))
		if !reflect.DeepEqual(flat, deep) {
			t.Fatalf("%s\nplan %+v\ndeep %+v", w.text, flat, deep)
		}
	})
}

// An alias that is left alone for its signature lists an image that another alias
// moves away from, and that is gone from its own repository alone. What it lists is
// then looked at, and not what it should list.
func TestLeftAloneWithAnImageThatIsGone(t *testing.T) {
	b := build()
	b.Push(t, "base", demo.Image{Tag: "1", Platforms: []string{intel}}, demo.Image{Tag: "2", Platforms: []string{intel}})
	image := plan(t, b.Memory, aliases(t, "10: {amd64: 'base:1'}")).Pushes[0].Platforms[0].Digest
	old := b.index("old", object{"by": "hand"}, b.entry(image, intel))
	b.tag("10", old)
	b.tag("11", b.index("other", object{"by": "another hand"}, b.entry(image, intel)))
	b.cosign("signature", old, ".sig")
	app := aliases(t, "10: {amd64: 'base:1'}\n11: {amd64: 'base:2'}")
	p := plan(t, b.Memory, app)
	if len(p.LeftAlone) != 0 || len(p.Pushes) != 1 || len(p.Violations) != 1 || p.Violations[0].ID != "missing-child" || p.Violations[0].Alias != "10" {
		t.Errorf("left alone %q, violations %v, pushes %+v", p.LeftAlone, p.Violations, p.Pushes)
	}
}
