package kindstest

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"tagline/config"
	"tagline/reconcile/demo"
	"tagline/reconcile/listing/listingtest"
	"tagline/reconcile/oci/ocitest"
)

// Cut cuts off a run at any request, before the registry sees it or before its
// answer returns. No tag breaks, nothing needed is lost, and the next run ends as an
// uncut one. Without [ocitest.All], a sample is cut.
func Cut(t *testing.T, k Kind) {
	r, image := k.begin(t)
	before := k.Content(t, r.Host)
	r.Requests()
	if plan, err := k.Apply(t, image, Run{}); err != nil || len(plan.DeleteManifests) == 0 || len(plan.DeleteTags) != 1 {
		t.Fatalf("the uncut run: %+v, %v", plan, err)
	}
	requests := r.Requests()
	after := k.Content(t, r.Host)
	if left := k.digests(r); !maps.Equal(left, after.Needed) {
		t.Fatalf("%d manifests are left, and %d needed", len(left), len(after.Needed))
	}
	var reading, writing, cuts []int
	for at, request := range requests {
		if isWrite(request) {
			writing = append(writing, at)
		} else {
			reading = append(reading, at)
		}
	}
	for _, i := range ocitest.Sample(t, len(reading), 2) {
		cuts = append(cuts, reading[i])
	}
	for _, i := range ocitest.Sample(t, len(writing), 4) {
		cuts = append(cuts, writing[i])
	}
	for _, at := range cuts {
		for _, arrives := range []bool{false, true} {
			if arrives && !isWrite(requests[at]) {
				continue
			}
			t.Run(fmt.Sprintf("%d of %d, arrives %v", at+1, len(requests), arrives), func(t *testing.T) {
				r, image := k.begin(t)
				cut(r, at, arrives)
				_, _ = k.Apply(t, image, Run{}) // its result does not matter
				r.Around(nil)
				now := k.Content(t, r.Host)
				if len(now.Missing) > 0 {
					t.Errorf("missing are %q", now.Missing)
				}
				for tag, digest := range before.Tags {
					if now.Tags[tag] != digest && now.Tags[tag] != after.Tags[tag] {
						t.Errorf("tag %s is %q, neither what it was nor what it should be", tag, now.Tags[tag])
					}
				}
				if _, err := k.Apply(t, image, Run{AtOnce: 8}); err != nil {
					t.Errorf("the next run: %v", err)
				}
				end := k.Content(t, r.Host)
				if left := k.digests(r); !maps.Equal(end.Tags, after.Tags) || !maps.Equal(left, after.Needed) || len(end.Missing) > 0 {
					t.Errorf("in the end there are %d manifests, want %d; tags %v, missing %q", len(left), len(after.Needed), end.Tags, end.Missing)
				}
			})
		}
	}
}

// begin makes a repository and what has to be done there: an alias moves, one
// comes and one goes, and so do attestations and a manifest that lost its tag.
func (k Kind) begin(t *testing.T) (*listingtest.Registry, config.Image) {
	t.Helper()
	r := k.Start(t)
	Old(r)
	second := demo.Image{Tag: "1.1", Platforms: both, Provenance: true, Artifact: true}
	k.Seed(t, r, demo.Image{Tag: "1.0", Platforms: both, Provenance: true}, second)
	if _, err := k.Apply(t, k.Image(t, r.Host, "{aliases: {9: {amd64: 1.0}, 10: {amd64: 1.0, arm64: 1.1}}}"), Run{AtOnce: 8}); err != nil {
		t.Fatal(err)
	}
	second.Version = "again"
	k.Seed(t, r, second)
	return r, k.Image(t, r.Host, "{aliases: {10: {amd64: 1.0, arm64: 1.1}, latest: 10}, policies: {provenance: purge, prune: true, untagged: delete}}")
}

func (k Kind) digests(r *listingtest.Registry) map[string]bool {
	all := map[string]bool{}
	for _, m := range r.Manifests(k.Path) {
		all[m.Digest] = true
	}
	return all
}

// cut loses a request, or its answer if it arrives, and all requests that follow.
func cut(r *listingtest.Registry, at int, arrives bool) {
	var n atomic.Int64
	r.Around(func(w http.ResponseWriter, req *http.Request, next http.HandlerFunc) {
		now := int(n.Add(1)) - 1
		if now < at {
			next(w, req)
			return
		}
		if now == at && arrives {
			next(httptest.NewRecorder(), req)
		}
		panic(http.ErrAbortHandler)
	})
}
