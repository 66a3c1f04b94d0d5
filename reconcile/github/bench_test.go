package github_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"tagline/config"
	"tagline/reconcile"
	"tagline/reconcile/cache"
	"tagline/reconcile/demo"
	"tagline/reconcile/github/githubtest"
	"tagline/reconcile/oci"
	"tagline/reconcile/registry"
)

// A repository of 3,000 tags and 1,000 aliases, with nothing to do: the requests
// by the listing, and tag by tag.
func BenchmarkNoop(b *testing.B) {
	g := githubtest.Start(b)
	var aliases strings.Builder
	for i := range 1000 {
		for _, source := range []struct{ version, platform string }{{"10", "linux/amd64"}, {"20", "linux/arm64"}} {
			seed(b, g, demo.Image{Tag: fmt.Sprintf("%d.%s", i, source.version), Platforms: []string{source.platform}})
		}
		fmt.Fprintf(&aliases, "%d: {amd64: %d.10, arm64: %d.20}, ", i, i, i)
	}
	image := parse(b, g.Host, "{aliases: {"+aliases.String()+"}}")
	if p, err := apply(b, g.Host, image, 16); err != nil || len(p.Pushes) != 1000 {
		b.Fatalf("%v, %d pushes", err, len(p.Pushes))
	}
	for _, way := range []struct {
		name  string
		token string
	}{{"listing", githubtest.Token}, {"tag by tag", ""}} {
		dir := b.TempDir()
		for _, run := range []string{"cold", "warm"} {
			b.Run(way.name+"/"+run, func(b *testing.B) {
				b.Setenv("GITHUB_TOKEN", way.token)
				c, _ := open(b, g.Host, oci.Options{})
				g.Requests()
				for range b.N {
					kept := cache.Open(dir, cache.DefaultLimit, func(err error) { b.Error(err) })
					plan := observe(b.Context(), kept.Readers(c, []config.Image{image}), image)
					kept.Close()
					if !plan.Empty() || len(plan.Errors) > 0 {
						b.Fatalf("%d pushes, %v", len(plan.Pushes), plan.Errors)
					}
				}
				b.ReportMetric(float64(len(g.Requests()))/float64(b.N), "requests")
			})
		}
	}
}

func observe(ctx context.Context, readers registry.Readers, image config.Image) (plan reconcile.Plan) {
	reconcile.RunAll(ctx, reconcile.Job{Readers: readers}, []config.Image{image}, func(p reconcile.Plan, _ reconcile.Result) { plan = p })
	return plan
}
