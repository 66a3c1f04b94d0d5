package harbor_test

import (
	"fmt"
	"strings"
	"testing"

	"tagline/config"
	"tagline/reconcile"
	"tagline/reconcile/cache"
	"tagline/reconcile/demo"
	"tagline/reconcile/ecr"
	"tagline/reconcile/harbor/harbortest"
	"tagline/reconcile/kinds"
	"tagline/reconcile/oci"
)

// A repository of 3,000 tags and 1,000 aliases, with nothing to do: the requests
// by the listing, and tag by tag.
func BenchmarkNoop(b *testing.B) {
	h := harbortest.Start(b)
	var aliases strings.Builder
	for i := range 1000 {
		for _, source := range []struct{ version, platform string }{{"10", "linux/amd64"}, {"20", "linux/arm64"}} {
			seed(b, h, demo.Image{Tag: fmt.Sprintf("%d.%s", i, source.version), Platforms: []string{source.platform}})
		}
		fmt.Fprintf(&aliases, "%d: {amd64: %d.10, arm64: %d.20}, ", i, i, i)
	}
	image := parse(b, h.Host, "{aliases: {"+aliases.String()+"}}")
	if p, err := apply(b, h.Host, image, 16, nil); err != nil || len(p.Pushes) != 1000 {
		b.Fatalf("%v, %d pushes", err, len(p.Pushes))
	}
	for _, way := range []struct {
		name string
		kind config.RegistryKind
	}{{"listing", config.Harbor}, {"tag by tag", config.OCI}} {
		dir := b.TempDir()
		for _, run := range []string{"cold", "warm"} {
			b.Run(way.name+"/"+run, func(b *testing.B) {
				h.Requests()
				for range b.N {
					c := kinds.New(ecr.Options{OCI: oci.Options{}}, map[string]config.Registry{h.Host: {Kind: way.kind}})
					kept := cache.Open(dir, cache.DefaultLimit, func(err error) { b.Error(err) })
					var plan reconcile.Plan
					job := reconcile.Job{Readers: kept.Readers(c, []config.Image{image})}
					reconcile.RunAll(b.Context(), job, []config.Image{image}, func(p reconcile.Plan, _ reconcile.Result) { plan = p })
					kept.Close()
					c.Close()
					if !plan.Empty() || len(plan.Errors) > 0 {
						b.Fatalf("%d pushes, %v", len(plan.Pushes), plan.Errors)
					}
				}
				b.ReportMetric(float64(len(h.Requests()))/float64(b.N), "requests")
			})
		}
	}
}
