package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tagline/reconcile/demo"
	"tagline/reconcile/oci/ocitest"
)

// BenchmarkApply runs the command, as its users do, on CNCF distribution
// behind a proxy that counts and delays. 200 aliases are each of two plain
// images, one per platform, at a concurrency of 16.
//
// The floor is a bare HTTP client that sends the very requests of that run
// again, sixteen at a time, with nothing to parse and nothing to decide.
//
//	requests/alias  what the registry was asked for each alias
//	ms, floor-ms    wall time of the process, and of the floor
//	x-floor         the ratio of the two
//	MB              peak resident memory of the process
func BenchmarkApply(b *testing.B) {
	const aliases = 200
	proxy := ocitest.Proxy(b, ocitest.Distribution(b))
	file := filepath.Join(b.TempDir(), "images.yaml")
	var images strings.Builder
	fmt.Fprintf(&images, "images:\n  bench:\n    aliases:\n")
	var sources []demo.Image
	for i := range aliases {
		fmt.Fprintf(&images, "      %d: {amd64: %d.10, arm64: %d.20}\n", i, i, i)
		sources = append(sources,
			demo.Image{Tag: fmt.Sprintf("%d.10", i), Platforms: []string{"linux/amd64"}},
			demo.Image{Tag: fmt.Sprintf("%d.20", i), Platforms: []string{"linux/arm64/v8"}})
	}
	if err := os.WriteFile(file, []byte(images.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	if _, err := demo.Push(b.Context(), proxy.Host, "bench", sources); err != nil {
		b.Fatal(err)
	}

	for _, latency := range []time.Duration{0, 20 * time.Millisecond} {
		b.Run(fmt.Sprintf("create/%v", latency), func(b *testing.B) {
			proxy.SetLatency(latency)
			measure(b, proxy, file, aliases, func() {
				proxy.SetLatency(0)
				for i := range aliases {
					send(b, http.DefaultClient, http.MethodDelete, fmt.Sprintf("http://%s/v2/bench/manifests/%d", proxy.Host, i), nil)
				}
				proxy.SetLatency(latency)
			})
		})
		b.Run(fmt.Sprintf("no-op/%v", latency), func(b *testing.B) {
			proxy.SetLatency(latency)
			measure(b, proxy, file, aliases, func() {})
		})
	}
}

// BenchmarkNewest follows the newest of 10,000 version tags, the first time and
// again. Metrics are those of [BenchmarkApply], with one alias.
func BenchmarkNewest(b *testing.B) {
	const tags = 10000
	upstream := ocitest.Distribution(b)
	proxy := ocitest.Proxy(b, upstream)
	file := filepath.Join(b.TempDir(), "images.yaml")
	if err := os.WriteFile(file, []byte("images: {bench: {aliases: {newest: {newest: \"10.x\"}}}}\n"), 0o600); err != nil {
		b.Fatal(err)
	}
	image := demo.Image{Tag: "10.0", Platforms: []string{"linux/amd64", "linux/arm64"}}
	if _, err := demo.Push(b.Context(), upstream, "bench", []demo.Image{image}); err != nil {
		b.Fatal(err)
	}
	url := "http://" + upstream + "/v2/bench/manifests/"
	body := send(b, http.DefaultClient, http.MethodGet, url+"10.0", nil)
	for i := range tags {
		send(b, http.DefaultClient, http.MethodPut, fmt.Sprintf("%s10.%d", url, i), body)
	}
	b.Run("create", func(b *testing.B) {
		measure(b, proxy, file, 1, func() { send(b, http.DefaultClient, http.MethodDelete, url+"newest", nil) })
	})
	b.Run("no-op", func(b *testing.B) { measure(b, proxy, file, 1, func() {}) })
}

// measure runs apply and its floor in turn. What a run finds is up to prepare.
func measure(b *testing.B, proxy *ocitest.RegistryProxy, file string, aliases int, prepare func()) {
	var took, floor time.Duration
	var requests int
	var memory int64
	for b.Loop() {
		b.StopTimer()
		prepare()
		proxy.Reset()
		cmd := exec.Command(self(b), "apply", "-q", "-f", file, "--registry", proxy.Host, "--concurrency", "16")
		cmd.Stderr = os.Stderr
		b.StartTimer()
		start := time.Now()
		if err := cmd.Run(); err != nil {
			b.Fatal(err)
		}
		took += time.Since(start)
		b.StopTimer()
		trace := proxy.Trace()
		requests += len(trace)
		memory = max(memory, cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)
		floor += replay(b, proxy.Host, trace)
		b.StartTimer()
	}
	n := float64(b.N)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(requests)/n/float64(aliases), "requests/alias")
	b.ReportMetric(float64(took.Milliseconds())/n, "ms")
	b.ReportMetric(float64(floor.Milliseconds())/n, "floor-ms")
	b.ReportMetric(float64(took)/float64(floor), "x-floor")
	b.ReportMetric(float64(memory)/1024, "MB")
}

// self is this test binary under the name by which it is tagline.
func self(tb testing.TB) string {
	binary, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	link := filepath.Join(tb.TempDir(), "tagline")
	if err := os.Symlink(binary, link); err != nil {
		tb.Fatal(err)
	}
	return link
}

// replay sends the requests of a trace again, sixteen at a time, and returns
// how long that took. What is put is what the registry has.
func replay(b testing.TB, host string, trace []ocitest.Request) time.Duration {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16, DisableCompression: true}}
	defer client.CloseIdleConnections()
	bodies := map[string][]byte{}
	for _, r := range trace {
		if r.Method == http.MethodPut {
			bodies[r.Path] = send(b, client, http.MethodGet, "http://"+host+r.Path, nil)
		}
	}
	work := make(chan ocitest.Request)
	var wg sync.WaitGroup
	start := time.Now()
	for range 16 {
		wg.Go(func() {
			for r := range work {
				send(b, client, r.Method, "http://"+host+r.Path+"?"+r.Query, bodies[r.Path])
			}
		})
	}
	for _, r := range trace {
		work <- r
	}
	close(work)
	wg.Wait()
	return time.Since(start)
}

// send is one request with the manifest types that clients ask for.
func send(b testing.TB, client *http.Client, method, url string, body []byte) []byte {
	req, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	const index, manifest = "application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.manifest.v1+json"
	req.Header.Set("Accept", index+", "+manifest)
	if method == http.MethodPut {
		req.Header.Set("Content-Type", index)
	}
	resp, err := client.Do(req)
	if err != nil {
		b.Error(err)
		return nil
	}
	defer func() { _ = resp.Body.Close() }()
	answer, _ := io.ReadAll(resp.Body)
	return answer
}
