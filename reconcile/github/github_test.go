package github_test

import (
	"testing"

	"tagline/config"
	"tagline/reconcile/demo"
	"tagline/reconcile/ecr"
	"tagline/reconcile/github/githubtest"
	"tagline/reconcile/kinds"
	"tagline/reconcile/oci"
	"tagline/reconcile/registry"
	"tagline/reconcile/registry/registrytest"
)

func open(t testing.TB, host string, options oci.Options) (*kinds.Client, *kinds.Writers) {
	t.Helper()
	if options.Patience.Attempts == 0 {
		options.Patience.Attempts = 1
	}
	c := kinds.New(ecr.Options{OCI: options}, map[string]config.Registry{host: {Kind: config.GitHub}})
	t.Cleanup(c.Close)
	return c, kinds.NewWriters(c)
}

func TestContract(t *testing.T) {
	g := githubtest.Start(t)
	registrytest.Test(t, registrytest.Backend{
		Host: g.Host,
		Open: func(t *testing.T, _ ...config.Repository) (registry.Readers, registry.Writers) {
			return open(t, g.Host, oci.Options{})
		},
		Seed: func(t *testing.T, repository config.Repository, tag string, objects ...demo.Object) {
			t.Helper()
			if err := demo.PushObjects(t.Context(), repository.Host, repository.Path, tag, objects); err != nil {
				t.Fatal(err)
			}
		},
		Requests: func() int { return len(g.Requests()) },
		Many:     130,
		Lists:    true, LastTag: true, KeepsTags: true, KeepsLast: true, ListsNone: true, Untyped: true,
	})
}
