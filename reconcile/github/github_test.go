package github_test

import (
	"runtime/debug"
	"testing"

	"tagline/config"
	"tagline/reconcile/github/githubtest"
	"tagline/reconcile/kinds"
	"tagline/reconcile/kinds/kindstest"
	"tagline/reconcile/listing/listingtest"
	"tagline/reconcile/oci"
	"tagline/reconcile/registry/registrytest"
)

// TestMain collects garbage less often: the tests allocate much and keep little.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	m.Run()
}

// tested is what the tests of every kind need to know of this one.
var tested = kindstest.Kind{Kind: config.GitHub, Path: "owner/app", Start: func(t testing.TB) *listingtest.Registry { return githubtest.Start(t).Registry }}

func open(t testing.TB, host string, options oci.Options) (*kinds.Client, *kinds.Writers) {
	t.Helper()
	return tested.Open(t, host, options)
}

func TestContract(t *testing.T) {
	tested.Contract(t, githubtest.Start(t).Registry, registrytest.Backend{
		Many: 130, Lists: true, LastTag: true, KeepsTags: true, KeepsLast: true, ListsNone: true, Untyped: true,
	})
}

func TestCalls(t *testing.T) {
	kindstest.Calls(t, tested, func(aliases int) (listing, tagByTag kindstest.Requests) {
		// The pages, and the first and the last of them once more; without a cache,
		// GET /v2/ and each alias's manifest too.
		pages := (3*aliases+99)/100 + 2
		return kindstest.Requests{Cold: pages + 1 + aliases, Warm: pages}, kindstest.Requests{Cold: 4*aliases + 1, Warm: 3*aliases + 1}
	})
}
