package reconcile_test

import (
	"context"
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

var unlimited = reconcile.Limit{Max: 1000, Set: true}

// savedPlan is a plan with one of each thing, the registry and the image that
// it is for.
func savedPlan(t *testing.T) (*registrytest.Memory, config.Image, reconcile.Plan) {
	t.Helper()
	m := registrytest.NewMemory()
	m.Push(t, "app", plain12, plain40, both50)
	m.Push(t, "base", demo.Image{Tag: "1", Platforms: []string{"linux/amd64"}})
	m.Tags["r.test/app:9"] = m.Tags["r.test/app:10.50"]
	m.Tags["r.test/app:moves"] = m.Tags["r.test/app:10.12"]
	image := aliases(t, `
9: absent
10: 10.12
early: latest
latest: 10
moves: 10.40
tool: base:1
follows: {amd64: {newest: "10.x"}}
pinned: app@`+m.Tags["r.test/app:10.12"])
	p := plan(t, m, image)
	if len(p.Pushes) != 7 || len(p.DeleteTags) != 1 || len(reconcile.CheckSaved(image, p)) > 0 {
		t.Fatalf("plan is %+v: %v", p, reconcile.CheckSaved(image, p))
	}
	return m, image, p
}

func applySaved(t *testing.T, m *registrytest.Memory, image config.Image, p reconcile.Plan) map[string]error {
	t.Helper()
	r := reconcile.ApplySaved(t.Context(), m, m.Writer(image.Repository), image, p, unlimited)
	became := map[string]error{}
	for i, o := range r.Pushed {
		if o.Tag != p.Pushes[i].Tag {
			t.Errorf("outcome %d is of %s, not of %s", i, o.Tag, p.Pushes[i].Tag)
		}
		became[o.Tag] = o.Err
	}
	for i, o := range r.Deleted {
		if o.Tag != p.DeleteTags[i].Tag {
			t.Errorf("deletion %d is of %s, not of %s", i, o.Tag, p.DeleteTags[i].Tag)
		}
		became[o.Tag] = o.Err
	}
	return became
}

func TestApplySaved(t *testing.T) {
	everything := []string{"10", "9", "early", "follows", "latest", "moves", "pinned", "tool"}
	for name, test := range map[string]struct {
		change  func(*registrytest.Memory, *reconcile.Plan)
		refused map[string]error // nil stands for a failure to read
	}{
		"nothing has changed": {func(*registrytest.Memory, *reconcile.Plan) {}, nil},
		"an alias that was made": {
			func(m *registrytest.Memory, _ *reconcile.Plan) {
				m.Tags["r.test/app:tool"] = m.Tags["r.test/app:10.12"]
			},
			map[string]error{"tool": reconcile.ErrStale, "9": reconcile.ErrSkipped},
		},
		"an alias that moved": {
			func(m *registrytest.Memory, _ *reconcile.Plan) {
				m.Tags["r.test/app:moves"] = m.Tags["r.test/app:10.50"]
			},
			map[string]error{"moves": reconcile.ErrStale, "9": reconcile.ErrSkipped},
		},
		"a tag to delete that moved": {
			func(m *registrytest.Memory, _ *reconcile.Plan) { m.Tags["r.test/app:9"] = m.Tags["r.test/app:10.12"] },
			map[string]error{"9": reconcile.ErrStale},
		},
		"a tag to delete that is gone": {func(m *registrytest.Memory, _ *reconcile.Plan) { delete(m.Tags, "r.test/app:9") }, nil},
		"a source that moved, and who follows": {
			func(m *registrytest.Memory, _ *reconcile.Plan) {
				m.Tags["r.test/app:10.12"] = m.Tags["r.test/app:10.40"]
			},
			map[string]error{"10": reconcile.ErrStale, "latest": reconcile.ErrSkipped, "early": reconcile.ErrSkipped, "9": reconcile.ErrSkipped},
		},
		"a source elsewhere that is gone": {
			func(m *registrytest.Memory, _ *reconcile.Plan) { delete(m.Tags, "r.test/base:1") },
			map[string]error{"tool": reconcile.ErrStale, "9": reconcile.ErrSkipped},
		},
		"a chosen version that moved": {
			func(m *registrytest.Memory, _ *reconcile.Plan) {
				m.Tags["r.test/app:10.50"] = m.Tags["r.test/app:10.12"]
			},
			map[string]error{"follows": reconcile.ErrStale, "9": reconcile.ErrSkipped},
		},
		"an image that its source lists and that is gone": {
			func(m *registrytest.Memory, p *reconcile.Plan) {
				delete(m.Manifests, tagged(p, "follows").Platforms[0].Digest)
			},
			map[string]error{"follows": reconcile.ErrStale, "9": reconcile.ErrSkipped},
		},
		"an attestation that a plan brings along": {
			func(_ *registrytest.Memory, p *reconcile.Plan) {
				push := tagged(p, "follows")
				lost := digestOf("lost")
				body := strings.Replace(string(push.Manifest), `"manifests":[`, `"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"`+lost+`","size":1,"platform":{"os":"unknown","architecture":"unknown"}},`, 1)
				push.Manifest, push.New = []byte(body), digestOf(body)
			},
			map[string]error{"follows": reconcile.ErrStale, "9": reconcile.ErrSkipped},
		},
		"an image that can't be read": {
			func(m *registrytest.Memory, p *reconcile.Plan) {
				m.Broken[tagged(p, "follows").Platforms[0].Digest] = errors.New("503")
			},
			map[string]error{"follows": nil, "9": reconcile.ErrSkipped},
		},
		"a newer version": {func(m *registrytest.Memory, _ *reconcile.Plan) {
			m.Tags["r.test/app:10.60"] = m.Tags["r.test/app:10.12"]
		}, nil},
		"done already": {func(m *registrytest.Memory, p *reconcile.Plan) {
			m.Tags["r.test/app:tool"] = tagged(p, "tool").New
			delete(m.Tags, "r.test/base:1")
		}, nil},
		"an unreadable source": {
			func(m *registrytest.Memory, _ *reconcile.Plan) { m.Broken["1"] = errors.New("503") },
			map[string]error{"tool": nil, "9": reconcile.ErrSkipped},
		},
		"an unreadable alias": {
			func(m *registrytest.Memory, _ *reconcile.Plan) { m.Broken["10"] = errors.New("503") },
			map[string]error{"10": nil, "latest": reconcile.ErrSkipped, "early": reconcile.ErrSkipped, "9": reconcile.ErrSkipped},
		},
		"a tag to delete that a refused push would keep": {
			func(m *registrytest.Memory, p *reconcile.Plan) {
				m.Tags["r.test/app:10.12"], m.Tags["r.test/app:9"] = m.Tags["r.test/app:10.40"], tagged(p, "10").New
				p.DeleteTags[0].Old = tagged(p, "10").New
			},
			map[string]error{"10": reconcile.ErrStale, "latest": reconcile.ErrSkipped, "early": reconcile.ErrSkipped, "9": reconcile.ErrSkipped},
		},
		"a tag to delete that a refused index would hold": {
			func(m *registrytest.Memory, p *reconcile.Plan) {
				m.Tags["r.test/app:10.50"], m.Tags["r.test/app:9"] = m.Tags["r.test/app:10.12"], tagged(p, "follows").Platforms[0].Digest
				p.DeleteTags[0].Old = m.Tags["r.test/app:9"]
			},
			map[string]error{"follows": reconcile.ErrStale, "9": reconcile.ErrSkipped},
		},
		"an interruption": {
			func(m *registrytest.Memory, _ *reconcile.Plan) { m.Broken["10"] = context.Canceled },
			map[string]error{"10": reconcile.ErrSkipped, "latest": reconcile.ErrSkipped, "early": reconcile.ErrSkipped, "9": reconcile.ErrSkipped},
		},
		"an incomplete plan": {
			func(_ *registrytest.Memory, p *reconcile.Plan) {
				p.Errors = []reconcile.Failure{{Alias: "x", Message: "503"}}
			},
			map[string]error{"9": reconcile.ErrSkipped},
		},
	} {
		t.Run(name, func(t *testing.T) {
			m, image, p := savedPlan(t)
			test.change(m, &p)
			before := maps.Clone(m.Tags)
			became := applySaved(t, m, image, p)
			for _, tag := range everything {
				want, refused := test.refused[tag]
				now := m.Tags["r.test/app:"+tag]
				switch {
				case !refused && became[tag] != nil:
					t.Errorf("%s: %v", tag, became[tag])
				case !refused && tag != "9" && now != tagged(&p, tag).New, !refused && tag == "9" && now != "":
					t.Errorf("%s was done, and names %q", tag, now)
				case refused && (became[tag] == nil || now != before["r.test/app:"+tag]):
					t.Errorf("%s: %v, and it names %q", tag, became[tag], now)
				case refused && want == nil && (errors.Is(became[tag], reconcile.ErrStale) || !strings.Contains(became[tag].Error(), "503")):
					t.Errorf("%s: %v, want why it can't be read", tag, became[tag])
				case refused && want != nil && !errors.Is(became[tag], want):
					t.Errorf("%s: %v, want %v", tag, became[tag], want)
				}
			}
		})
	}
}

func tagged(p *reconcile.Plan, tag string) *reconcile.Push {
	i := slices.IndexFunc(p.Pushes, func(p reconcile.Push) bool { return p.Tag == tag })
	return &p.Pushes[i]
}

func TestCheckSaved(t *testing.T) {
	for want, alter := range map[string]func(*reconcile.Plan){
		`it pushes tag "other", which is no alias`:            func(p *reconcile.Plan) { p.Pushes[0].Tag = "other" },
		`it pushes tag "9", which should be absent`:           func(p *reconcile.Plan) { p.Pushes[0].Tag = "9" },
		`it purges tag "10", which is an alias`:               func(p *reconcile.Plan) { tagged(p, "10").Purged = 1 },
		`it deletes tag "10", which images.yaml does not say`: func(p *reconcile.Plan) { p.DeleteTags[0].Tag = "10" },
		`it deletes tag "10.50", which images.yaml does not`:  func(p *reconcile.Plan) { p.DeleteTags[0].Tag = "10.50" },
		`alias "10" has no source "10.40"`:                    func(p *reconcile.Plan) { tagged(p, "10").Platforms[0].Source = "10.40" },
		`alias "follows" has no source "11.0"`:                func(p *reconcile.Plan) { tagged(p, "follows").Platforms[0].Source = "11.0" },
		`alias "follows" has no source "latest"`:              func(p *reconcile.Plan) { tagged(p, "follows").Platforms[0].Source = "latest" },
		`alias "pinned" has the source "app@sha256:`:          func(p *reconcile.Plan) { tagged(p, "pinned").Platforms[0].SourceDigest = p.Pushes[1].New + "0" },
		`it copies from evil.test/base for alias "tool"`:      func(p *reconcile.Plan) { tagged(p, "tool").Copies[0].From.Host = "evil.test" },
	} {
		_, image, p := savedPlan(t)
		alter(&p)
		errs := reconcile.CheckSaved(image, p)
		if len(errs) != 1 || !strings.HasPrefix(errs[0].Error(), "r.test/app: "+want) {
			t.Errorf("got %v, want one error: %s", errs, want)
		}
	}
	// Two policies are about tags that images.yaml does not list.
	_, image, p := savedPlan(t)
	p.Pushes[0].Tag, p.DeleteTags[0].Tag = "other", "10.50"
	for policy, value := range map[string]string{"provenance": "purge", "prune": "true"} {
		image.Policies = config.Settings{policy: {Value: value}}
		if errs := reconcile.CheckSaved(image, p); len(errs) > 0 {
			t.Errorf("%s: %s: %v", policy, value, errs)
		}
	}
}

// readOnly fails whatever would write.
type readOnly struct{ registry.Writer }

func (readOnly) Copy(context.Context, config.Repository, string) error { return errors.New("a copy") }
func (readOnly) Put(_ context.Context, p []registry.TaggedManifest) []error {
	return slices.Repeat([]error{errors.New("a push")}, len(p))
}

func TestASavedPlanIsAppliedOnce(t *testing.T) {
	m, image, p := savedPlan(t)
	applySaved(t, m, image, p)
	r := reconcile.ApplySaved(t.Context(), m, readOnly{m.Writer(image.Repository)}, image, p, unlimited)
	for _, o := range slices.Concat(r.Pushed, r.Deleted) {
		if o.Err != nil {
			t.Errorf("%s was done already, but: %v", o.Tag, o.Err)
		}
	}
}

// purgePlan is a plan that rewrites a tag which images.yaml does not list, and
// deletes what nothing needs then.
func purgePlan(t *testing.T) (*registrytest.Memory, config.Image, reconcile.Plan) {
	t.Helper()
	m := registrytest.NewMemory()
	m.Push(t, "app", demo.Image{Tag: "1.0", Platforms: []string{"linux/amd64"}, Provenance: true},
		demo.Image{Tag: "2.0", Platforms: []string{"linux/amd64", "linux/arm64"}, Provenance: true})
	image := aliases(t, "1: 1.0\n2: 2.0", "provenance: purge")
	p := plan(t, m, image)
	if len(p.Pushes) != 4 || len(p.DeleteManifests) != 5 || len(p.Tags) != 4 || len(reconcile.CheckSaved(image, p)) > 0 {
		t.Fatalf("plan is %+v: %v", p, reconcile.CheckSaved(image, p))
	}
	return m, image, p
}

func TestASavedPurge(t *testing.T) {
	m, image, p := purgePlan(t)
	for range 2 {
		r := reconcile.ApplySaved(t.Context(), m, m.Writer(image.Repository), image, p, unlimited)
		for i, o := range slices.Concat(r.Pushed, r.Deleted, r.Removed) {
			if o.Err != nil {
				t.Errorf("action %d, %s: %v", i, o.Tag, o.Err)
			}
		}
		if len(r.Removed) != len(p.DeleteManifests) {
			t.Errorf("of %d manifests to delete %d were", len(p.DeleteManifests), len(r.Removed))
		}
		if left := plan(t, m, image); !left.Empty() {
			t.Fatalf("left to do: %+v", left)
		}
	}
}

// Nothing is deleted if a plan of now could not read everything, though it would delete
// the same.
func TestASavedPlanDeletesNothingAfterAFailedRead(t *testing.T) {
	for _, untagged := range []string{"keep", "delete"} {
		b := build()
		b.Listed = true
		for _, tag := range []string{"1", "2", "9"} {
			b.tag(tag, b.image(tag, intel))
		}
		b.image("old", intel)
		image := aliases(t, "9: absent\n10: 1\n11: 2", "untagged: "+untagged)
		reconcile.Apply(t.Context(), b.Writer(image.Repository), plan(t, b.Memory, aliases(t, "11: 2"))) // 11 is in sync
		p := plan(t, b.Memory, image)
		if len(p.DeleteTags) != 1 || len(p.Pushes) != 1 || (untagged == "delete") != (len(p.DeleteManifests) == 2) {
			t.Fatalf("plan is %v", b.short(p))
		}
		b.Broken["2"] = errors.New("503 Service Unavailable")
		r := reconcile.ApplySaved(t.Context(), b, b.Writer(image.Repository), image, p, unlimited)
		for _, o := range slices.Concat(r.Deleted, r.Removed) {
			if o.Err == nil || !strings.Contains(o.Err.Error(), "503") && !errors.Is(o.Err, reconcile.ErrSkipped) {
				t.Errorf("untagged: %s: %s: %v", untagged, o.Tag, o.Err)
			}
		}
		if r.Pushed[0].Err != nil || b.Tags["r.test/app:9"] == "" {
			t.Errorf("untagged: %s: the push: %v; tags %v", untagged, r.Pushed[0].Err, b.Tags)
		}
	}
}

// A saved plan can't say of itself that its deletions do not count.
func TestASavedPlanIsOverTheLimit(t *testing.T) {
	for name, alter := range map[string]func(*reconcile.Plan){
		"the kind": func(p *reconcile.Plan) {
			for i := range p.DeleteManifests {
				p.DeleteManifests[i].Kind = reconcile.KindAttestation
			}
		},
		"the size of the repository": func(p *reconcile.Plan) { p.DeleteManifests = p.DeleteManifests[:20]; p.Swept.Manifests = 1000 },
	} {
		t.Run(name, func(t *testing.T) {
			b := build()
			b.Listed = true
			b.tag("1", b.image("1", intel))
			for i := range 40 {
				b.image(fmt.Sprint("old ", i), intel)
			}
			image := aliases(t, "10: 1", "untagged: delete")
			p := plan(t, b.Memory, image)
			if alter(&p); len(p.DeleteManifests) < 20 {
				t.Fatalf("%d deletions", len(p.DeleteManifests))
			}
			before := len(b.Manifests)
			job := reconcile.Job{Readers: b.Memory, Writers: b.Memory, Saved: map[config.Repository]reconcile.Plan{image.Repository: p}}
			_, r := reconcile.Run(t.Context(), job, image)
			for _, o := range r.Removed {
				if !errors.Is(o.Err, reconcile.ErrStale) || !strings.Contains(o.Err.Error(), "--max-deletions") {
					t.Fatalf("%s: %v", o.Tag, o.Err)
				}
			}
			if len(b.Manifests) != before || len(r.Removed) != len(p.DeleteManifests) || r.Pushed[0].Err != nil {
				t.Errorf("of %d manifests %d are left, and the push: %v", before, len(b.Manifests), r.Pushed[0].Err)
			}
		})
	}
}

// A registry may delete a manifest with its last tag, and an index that lists it may have
// come after the plan. Then the tag stays where it is.
func TestASavedPlanBreaksNoLaterIndex(t *testing.T) {
	for name, test := range map[string]struct {
		alias string
		as    func(*builder) // the registry
	}{
		"a tag that goes, on GitHub": {"9: absent", func(b *builder) { b.Listed, b.Facts.LastTag, b.Facts.NoUntag = true, true, true }},
		"a tag that goes, on zot":    {"9: absent", func(b *builder) { b.Drops = true }},
		"a tag that moves, on zot":   {"9: keep", func(b *builder) { b.Drops = true }},
	} {
		t.Run(name, func(t *testing.T) {
			for _, later := range []bool{false, true} {
				b := build()
				test.as(b)
				was := b.image("9", intel)
				b.tag("9", was)
				b.tag("keep", b.image("keep", intel))
				image := aliases(t, test.alias, "prune: true")
				p := plan(t, b.Memory, image)
				if later {
					b.tag("10.1", b.index("10.1", nil, b.entry(was, intel)))
				}
				r := reconcile.ApplySaved(t.Context(), b, b.Writer(image.Repository), image, p, unlimited)
				_, there := b.Manifests[was]
				for _, o := range slices.Concat(r.Pushed, r.Deleted) {
					if there != later || later != errors.Is(o.Err, reconcile.ErrStale) {
						t.Errorf("with a later index %v: the image is there %v, tag %s: %v", later, there, o.Tag, o.Err)
					}
				}
			}
		})
	}
}

// A run that was cut after a signature was deleted goes on where it stopped: the tag of
// the signature is gone with it.
func TestASavedPurgeThatWasCut(t *testing.T) {
	b := build()
	b.Listed = true
	old := b.release("1", false, intel)
	b.cosign("signature", old, ".sig")
	image := aliases(t, "10: 1", "provenance: purge", "signed: purge")
	p := plan(t, b.Memory, image)
	b.Broken["DELETE "+old] = errors.New("cut")
	for _, cut := range []bool{true, false} {
		failed := 0
		r := reconcile.ApplySaved(t.Context(), b, b.Writer(image.Repository), image, p, unlimited)
		for _, o := range slices.Concat(r.Pushed, r.Deleted, r.Removed) {
			if o.Err != nil {
				failed++
			}
		}
		if _, there := b.Manifests[b.digest["signature"]]; there || cut != (failed > 0) {
			t.Errorf("cut %v: %d actions failed, and the signature is there: %v", cut, failed, there)
		}
		clear(b.Broken)
	}
	if left := plan(t, b.Memory, image); !left.Empty() {
		t.Errorf("left to do: %+v", left)
	}
}

func TestASavedPurgeIsVouchedFor(t *testing.T) {
	manifest := func(what string) bool { return strings.HasPrefix(what, "sha256:") }
	for name, test := range map[string]struct {
		change  func(*registrytest.Memory, *reconcile.Plan)
		refused func(tag string) bool
		want    string
	}{
		"a manifest that nothing says is unneeded": {
			func(m *registrytest.Memory, p *reconcile.Plan) {
				digest := m.Push(t, "app", plain12)["10.12"]
				delete(m.Tags, "r.test/app:10.12")
				p.DeleteManifests = append([]reconcile.DeleteManifest{{Digest: digest}}, p.DeleteManifests...)
			},
			manifest,
			"stale: a plan of now would not do it; plan again",
		},
		"a new tag": {
			func(m *registrytest.Memory, _ *reconcile.Plan) { m.Tags["r.test/app:new"] = m.Tags["r.test/app:1.0"] },
			manifest,
			"is new since the plan",
		},
		"an alias that moved": {
			func(m *registrytest.Memory, _ *reconcile.Plan) { m.Tags["r.test/app:1"] = m.Tags["r.test/app:2.0"] },
			func(what string) bool { return what == "1" || manifest(what) },
			"not done: nothing is deleted from a repository in which something failed",
		},
		"a tag that is not to be purged": {
			func(_ *registrytest.Memory, p *reconcile.Plan) {
				tagged(p, "1.0").New, tagged(p, "1.0").Manifest = tagged(p, "2.0").New, tagged(p, "2.0").Manifest
			},
			func(what string) bool { return what == "1" || what == "1.0" || manifest(what) },
			"stale: a plan of now would not do it; plan again",
		},
		"a repository that can't be listed": {
			func(m *registrytest.Memory, _ *reconcile.Plan) {
				m.Broken["tags"], m.Broken["inventory"] = errors.New("503"), errors.New("503")
			},
			func(string) bool { return true },
			"it could not be planned again: ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			m, image, p := purgePlan(t)
			test.change(m, &p)
			r := reconcile.ApplySaved(t.Context(), m, m.Writer(image.Repository), image, p, unlimited)
			said := false
			for _, o := range slices.Concat(r.Pushed, r.Removed) {
				said = said || o.Err != nil && strings.Contains(o.Err.Error(), test.want)
				if test.refused(o.Tag) != (o.Err != nil) {
					t.Errorf("%s: %v", o.Tag, o.Err)
				}
			}
			if !said {
				t.Errorf("nothing says %q", test.want)
			}
		})
	}
}
