package ocitest_test

import (
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"tagline/reconcile/demo"
	"tagline/reconcile/oci/ocitest"
)

func TestProxyCountsByMethodAndKind(t *testing.T) {
	proxy := ocitest.Proxy(t, ocitest.Distribution(t))
	base := "http://" + proxy.Host
	digest := "sha256:" + strings.Repeat("0", 64)
	for _, request := range []string{
		"GET /v2/",
		"GET /v2/a/b/tags/list?n=1000",
		"HEAD /v2/a/b/manifests/10.10",
		"GET /v2/a/b/manifests/10.10",
		"GET /v2/a/b/manifests/" + digest,
		"DELETE /v2/a/b/manifests/" + digest,
		"GET /v2/manifests/blobs/blobs/" + digest, // the repository is manifests/blobs
		"POST /v2/a/b/blobs/uploads/",
		"GET /v2/a/b/referrers/" + digest,
		"GET /token?service=x",
		"GET /v2/_catalog",
	} {
		method, path, _ := strings.Cut(request, " ")
		do(t, method, base+path)
	}
	want := map[string]int{
		"GET v2": 1, "GET tags": 1, "HEAD manifest(tag)": 1, "GET manifest(tag)": 1,
		"GET manifest(digest)": 1, "DELETE manifest(digest)": 1, "GET blob": 1,
		"POST upload": 1, "GET referrers": 1, "GET token": 1, "GET other": 1,
	}
	if got := proxy.Count(); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if proxy.Total() != 11 {
		t.Errorf("total %d, want 11", proxy.Total())
	}
	tags := proxy.Trace()[1]
	if tags.Path != "/v2/a/b/tags/list" || tags.Query != "n=1000" || tags.Status != http.StatusNotFound {
		t.Errorf("trace has %+v", tags)
	}
	proxy.Reset()
	if proxy.Total() != 0 || len(proxy.Count()) != 0 {
		t.Errorf("after a reset: %v", proxy.Count())
	}
}

// An upload follows the registry's absolute Location.
func TestProxySeesWholeUploads(t *testing.T) {
	ocitest.Each(t, func(t *testing.T, host string) {
		proxy := ocitest.Proxy(t, host)
		if _, err := demo.Seed(t.Context(), proxy.Host); err != nil {
			t.Fatal(err)
		}
		counts := proxy.Count()
		if counts["PUT upload"] != 8 || counts["PUT manifest(digest)"] != 4 || counts["PUT manifest(tag)"] != 2 {
			t.Errorf("got %v", counts)
		}
	})
}

func TestProxyLatencyAndMaxInFlight(t *testing.T) {
	proxy := ocitest.Proxy(t, ocitest.Olareg(t))
	const latency = 200 * time.Millisecond
	proxy.SetLatency(latency)
	start := time.Now()
	var group sync.WaitGroup
	for range 5 {
		group.Go(func() { do(t, http.MethodGet, "http://"+proxy.Host+"/v2/") })
	}
	group.Wait()
	if took := time.Since(start); took < latency {
		t.Errorf("took %v, want at least %v", took, latency)
	}
	if got := proxy.MaxInFlight(); got < 2 || got > 5 { // a busy machine may not reach five at once
		t.Errorf("max in flight %d, want 5", got)
	}
}
