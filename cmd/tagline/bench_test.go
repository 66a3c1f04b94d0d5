package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"tagline/reconcile/demo"
	"tagline/reconcile/oci/ocitest"
)

// BenchmarkNewest follows the newest of 10,000 version tags, the first time and
// again, on CNCF distribution behind a proxy that counts. The floor is a bare
// HTTP client that sends the very requests of that run once more.
//
//	requests      what the registry was asked
//	ms, floor-ms  wall time of the process, and of the floor
//	x-floor       the ratio of the two
//	MB            peak resident memory of the process
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
		measure(b, proxy, file, func() { send(b, http.DefaultClient, http.MethodDelete, url+"newest", nil) })
	})
	b.Run("no-op", func(b *testing.B) { measure(b, proxy, file, func() {}) })
}

// measure runs apply and its floor in turn. What a run finds is up to prepare.
func measure(b *testing.B, proxy *ocitest.RegistryProxy, file string, prepare func()) {
	var took, floor time.Duration
	var requests int
	var memory int64
	for b.Loop() {
		b.StopTimer()
		prepare()
		proxy.Reset()
		cmd := exec.Command(self(b), "apply", "-q", "-f", file, "--registry", proxy.Host, "--cache-dir", "off")
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
	b.ReportMetric(float64(requests)/n, "requests")
	b.ReportMetric(float64(took.Milliseconds())/n, "ms")
	b.ReportMetric(float64(floor.Milliseconds())/n, "floor-ms")
	b.ReportMetric(float64(took)/float64(floor), "x-floor")
	b.ReportMetric(float64(memory)/1024, "MB")
}
