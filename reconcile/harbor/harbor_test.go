package harbor_test

import (
	"runtime/debug"
	"testing"

	"go.uber.org/goleak"

	"tagline/config"
	"tagline/reconcile/harbor/harbortest"
	"tagline/reconcile/kinds/kindstest"
	"tagline/reconcile/listing/listingtest"
	"tagline/reconcile/registry/registrytest"
)

// TestMain collects garbage less often: the tests allocate much and keep little.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	goleak.VerifyTestMain(m)
}

// tested is what the tests of every kind need to know of this one.
var tested = kindstest.Kind{Kind: config.Harbor, Path: app, Start: func(t testing.TB) *listingtest.Registry { return harbortest.Start(t).Registry }}

func TestContract(t *testing.T) {
	tested.Contract(t, harbortest.Start(t).Registry, registrytest.Backend{
		Many: 250, Lists: true, Untyped: true, KeepsChildren: true, Cascades: true,
	})
}

func TestCalls(t *testing.T) {
	kindstest.Calls(t, tested, func(aliases int) (listing, tagByTag kindstest.Requests) {
		// GET /v2/, the pages, and the first of them once more; without a cache, each
		// alias's manifest too.
		pages := (3*aliases+99)/100 + 2
		return kindstest.Requests{Cold: pages + aliases, Warm: pages}, kindstest.Requests{Cold: 4*aliases + 1, Warm: 3*aliases + 1}
	})
}
