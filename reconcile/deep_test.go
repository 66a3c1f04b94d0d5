package reconcile_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
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

// An alias that is left alone for its signature may have lost what its index lists.
// That is copied again from where its sources have it. Where it can't be, the alias
// moves if that helps, or else is a violation. Without a deep look it is seen if
// another alias moves away from what is lost.
func TestLeftAloneThatLostSomething(t *testing.T) {
	for name, test := range map[string]struct {
		kept   bool                                        // the repository still has the image
		lose   func(b *builder, image, attestation string) // more of it
		source string                                      // of alias 10; base:1 if empty
		deep   []string                                    // what is planned with a deep look
		flat   []string                                    // and without one
	}{
		"nothing":  {kept: true, deep: []string{"left alone 10", "push 11"}, flat: []string{"left alone 10", "push 11"}},
		"an image": {deep: []string{"copy 10", "push 11"}, flat: []string{"copy 10", "push 11"}},
		"an image, and no other repository has it": {source: "1",
			deep: []string{"push 11", "missing-child 10"}, flat: []string{"push 11", "missing-child 10"}},
		"an attestation": {kept: true, lose: func(b *builder, _, attestation string) { delete(b.Manifests, attestation) },
			deep: []string{"push 10", "push 11", "push latest"}, flat: []string{"left alone 10", "push 11"}},
		"both": {lose: func(b *builder, _, attestation string) { delete(b.Manifests, attestation) },
			deep: []string{"push 10", "push 11", "push latest"}, flat: []string{"push 11", "missing-child 10"}},
		"something that is not known": {kept: true, lose: func(b *builder, _, attestation string) { b.Broken[attestation] = errors.New("503") },
			deep: []string{"push 11", "error 10"}, flat: []string{"left alone 10", "push 11"}},
	} {
		for _, deep := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, deep %v", name, deep), func(t *testing.T) {
				b := build()
				base := []demo.Image{{Tag: "1", Platforms: []string{intel}}, {Tag: "2", Platforms: []string{intel}}}
				b.Push(t, "base", base...)
				if b.Put("9", "{}"); test.kept {
					b.Push(t, "app", base[0])
				}
				image := plan(t, b.Memory, aliases(t, "10: {amd64: 'base:1'}")).Pushes[0].Platforms[0].Digest
				attestation := b.attest("attestation", image, false)
				signed := b.index("signed", nil, b.entry(image, intel), b.attestation(attestation, image))
				b.tag("10", signed)
				b.tag("latest", signed)
				b.tag("1", b.index("release", object{"by": "another hand"}, b.entry(image, intel)))
				b.tag("11", b.index("other", object{"by": "hand"}, b.entry(image, intel)))
				b.cosign("signature", signed, ".sig")
				if test.lose != nil {
					test.lose(b, image, attestation)
				}
				app := aliases(t, fmt.Sprintf("10: {amd64: %q}\n11: {amd64: 'base:2'}\nlatest: 10", cmp.Or(test.source, "base:1")), "provenance: drop")
				observe, want := reconcile.Observe, test.flat
				if deep {
					observe, want = reconcile.ObserveDeep, test.deep
				}
				p := reconcile.Diff(app, observe(t.Context(), b.Memory, app))
				var got []string
				for _, tag := range p.LeftAlone {
					got = append(got, "left alone "+tag)
				}
				for _, push := range p.Pushes {
					what := "push "
					if push.Old == push.New {
						what = "copy "
					}
					got = append(got, what+push.Tag)
				}
				for _, v := range p.Violations {
					got = append(got, string(v.ID)+" "+v.Alias)
				}
				for _, e := range p.Errors {
					got = append(got, "error "+e.Alias)
				}
				got = slices.DeleteFunc(got, func(what string) bool { return !strings.HasPrefix(what, "push") && strings.HasSuffix(what, "latest") })
				if !slices.Equal(got, want) {
					t.Errorf("%q, want %q; warnings %v", got, want, p.Warnings)
				}
				reconcile.Apply(t.Context(), b.Writer(app.Repository), p)
				if again := reconcile.Diff(app, observe(t.Context(), b.Memory, app)); len(again.Pushes) > 0 {
					t.Errorf("there is still something to push: %+v", again.Pushes)
				}
			})
		}
	}
}
