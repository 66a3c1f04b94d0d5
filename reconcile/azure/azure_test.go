package azure_test

import (
	"net/http"
	"net/http/httptest"
	"runtime/debug"
	"testing"
	"time"

	"tagline/config"
	"tagline/reconcile/azure/azuretest"
	"tagline/reconcile/demo"
	"tagline/reconcile/kinds"
	"tagline/reconcile/kinds/kindstest"
	"tagline/reconcile/listing/listingtest"
	"tagline/reconcile/oci"
	"tagline/reconcile/oci/transport"
	"tagline/reconcile/registry"
	"tagline/reconcile/registry/registrytest"
)

// TestMain collects garbage less often: the tests allocate much and keep little.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	m.Run()
}

// tested is what the tests of every kind need to know of this one.
var tested = kindstest.Kind{Kind: config.Azure, Path: "team/app", Start: func(t testing.TB) *listingtest.Registry { return azuretest.Start(t).Registry }}

func open(t *testing.T, r *azuretest.Registry) (*kinds.Client, *kinds.Writers) {
	t.Helper()
	return tested.Open(t, r.Host, oci.Options{})
}

func TestContract(t *testing.T) {
	r := azuretest.Start(t)
	r.Page = 7
	tested.Contract(t, r.Registry, registrytest.Backend{Lists: true, Many: 30, TakesReferrers: true})
}

func TestCalls(t *testing.T) {
	kindstest.Calls(t, tested, func(aliases int) (listing, tagByTag kindstest.Requests) {
		// GET /v2/, a token, the repository, the pages of tags and as many of
		// manifests. If there are several, all are read again up to the second one of
		// manifests. Without a cache, another token and each alias's manifest too.
		pages := (3*aliases + 999) / 1000
		warm := 3 + 2*pages
		if pages > 1 {
			warm += 1 + pages + 2
		}
		return kindstest.Requests{Cold: warm + 1 + aliases, Warm: warm}, kindstest.Requests{Cold: 4*aliases + 2, Warm: 3*aliases + 2}
	})
}

// A deletion of a tag whose answer is lost is this run's, and none of another job.
func TestLostAnswerOfATag(t *testing.T) {
	r := azuretest.Start(t)
	digests := tested.Seed(t, r.Registry, demo.Image{Tag: "1.0", Platforms: []string{"linux/amd64"}})
	sent := 0
	r.Around(func(w http.ResponseWriter, req *http.Request, next http.HandlerFunc) {
		if req.Method == http.MethodDelete {
			sent++
			next(httptest.NewRecorder(), req)
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		next(w, req)
	})
	_, w := tested.Open(t, r.Host, oci.Options{Patience: transport.Patience{Attempts: 3, Backoff: time.Millisecond}})
	err := w.Writer(config.Repository{Host: r.Host, Path: tested.Path}).DeleteTags(t.Context(), []registry.TagDigest{{Tag: "1.0", Digest: digests["1.0"]}})[0]
	if err != nil || sent != 1 || len(tested.Content(t, r.Host).Tags) > 0 {
		t.Errorf("got %v after %d deletions, and the tags are %v", err, sent, tested.Content(t, r.Host).Tags)
	}
}
