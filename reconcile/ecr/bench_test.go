package ecr_test

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"tagline/config"
	"tagline/reconcile"
	"tagline/reconcile/cache"
	"tagline/reconcile/demo"
	"tagline/reconcile/ecr"
	"tagline/reconcile/ecr/ecrtest"
	"tagline/reconcile/oci"
)

// thousand fills my-image with two sources for each of n aliases, and returns
// the image that wants those aliases.
func thousand(b testing.TB, server *ecrtest.Server, n int, provenance bool) config.Image {
	b.Helper()
	var aliases strings.Builder
	for i := range n {
		for _, source := range []struct{ version, platform string }{{"10", "linux/amd64"}, {"20", "linux/arm64"}} {
			image := demo.Image{Tag: fmt.Sprintf("%d.%s", i, source.version), Platforms: []string{source.platform}, Provenance: provenance}
			if _, err := server.Seed("my-image", time.Now(), image); err != nil {
				b.Fatal(err)
			}
		}
		fmt.Fprintf(&aliases, "      %d: {amd64: %d.10, arm64: %d.20}\n", i, i, i)
	}
	return images(b, "images:\n  my-image:\n    policies: {provenance: drop}\n    aliases:\n"+aliases.String())[0]
}

func total(calls map[string]int) (n int) {
	for _, c := range calls {
		n += c
	}
	return n
}

// A repository of 3,000 tags and 1,000 aliases, with nothing to do. At the
// least, a run makes one call per thousand images, one per hundred aliases and
// one per hundred source indexes; with a cache, only the first.
func BenchmarkNoop(b *testing.B) {
	for _, bench := range []struct {
		name       string
		provenance bool
		cached     bool
		atMost     int
	}{{"plain", false, false, 14}, {"indexes", true, false, 34}, {"plain, cached", false, true, 4}, {"indexes, cached", true, true, 7}} {
		b.Run(bench.name, func(b *testing.B) {
			server := emulate(b, ecrtest.Options{})
			image := thousand(b, server, 1000, bench.provenance)
			if p, err := apply(b, image); err != nil || len(p.Pushes) != 1000 {
				b.Fatalf("%v, %d pushes", err, len(p.Pushes))
			}
			var store *cache.Cache
			if bench.cached {
				store = cache.Open(b.TempDir(), cache.DefaultLimit, func(err error) { b.Error(err) })
			}
			look := func() {
				readers := store.Readers(open(b, image.Repository), []config.Image{image})
				if p := reconcile.Diff(image, reconcile.Observe(b.Context(), readers, image)); !p.Empty() || len(p.InSync) != 1000 {
					b.Fatalf("%d pushes, %d errors", len(p.Pushes), len(p.Errors))
				}
			}
			look() // fills the cache
			for b.Loop() {
				server.ResetCalls()
				look()
			}
			calls := server.Calls()
			for _, operation := range slices.Sorted(maps.Keys(calls)) {
				b.ReportMetric(float64(calls[operation]), operation)
			}
			if n := total(calls); n > bench.atMost {
				b.Errorf("%d calls, want at most %d: %v", n, bench.atMost, calls)
			}
		})
	}
}

// Pushes are as fast as their rate allows, on a registry that has the real
// one's limit.
func BenchmarkPush(b *testing.B) {
	const pushes, perSecond = 200, ecr.DefaultPushRate
	for b.Loop() {
		b.StopTimer()
		server := emulate(b, ecrtest.Options{Rates: map[string]float64{"PutImage": 10}})
		image := thousand(b, server, pushes, true)
		c := ecr.New(ecr.Options{PushRate: perSecond, Repositories: []config.Repository{image.Repository}})
		p := reconcile.Diff(image, reconcile.Observe(b.Context(), c, image))
		server.ResetCalls()
		b.StartTimer()
		began := time.Now()
		result := reconcile.Apply(b.Context(), ecr.NewWriters(c).Writer(image.Repository), p)
		took := time.Since(began)
		b.StopTimer()
		c.Close()
		for _, o := range result.Pushed {
			if o.Err != nil {
				b.Fatal(o.Err)
			}
		}
		calls := server.Calls()
		b.ReportMetric(took.Seconds()/(float64(pushes)/perSecond), "of-the-rate's-time")
		for _, operation := range slices.Sorted(maps.Keys(calls)) {
			b.ReportMetric(float64(calls[operation]), operation)
		}
		b.StartTimer()
	}
}

// The memory that the listing of a full repository needs.
func BenchmarkList(b *testing.B) {
	const size = 100_000
	server := emulate(b, ecrtest.Options{MaxImages: size})
	image := demo.Image{Platforms: []string{"linux/amd64"}}
	for i := range size {
		image.Tag, image.Build, image.Version = fmt.Sprintf("1.%d", i), i, fmt.Sprint(i)
		if _, err := server.Seed("my-image", time.Now(), image); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		c := ecr.New(ecr.Options{OCI: oci.Options{}})
		tags, err := c.Reader(myImage).Tags(b.Context())
		if err != nil || len(tags) != size {
			b.Fatalf("%d tags, %v", len(tags), err)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		runtime.KeepAlive(c)
		runtime.KeepAlive(tags)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/1e6, "MB-kept")
		c.Close()
	}
	b.ReportMetric(float64(server.Calls()["DescribeImages"])/float64(b.N), "DescribeImages")
}
