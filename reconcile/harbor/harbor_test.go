package harbor_test

import (
	"testing"

	"go.uber.org/goleak"

	"tagline/config"
	"tagline/reconcile/demo"
	"tagline/reconcile/harbor/harbortest"
	"tagline/reconcile/oci"
	"tagline/reconcile/registry"
	"tagline/reconcile/registry/registrytest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestContract(t *testing.T) {
	h := harbortest.Start(t)
	registrytest.Test(t, registrytest.Backend{
		Host: h.Host,
		Open: func(t *testing.T, _ ...config.Repository) (registry.Readers, registry.Writers) {
			return clients(t, h.Host, oci.Options{})
		},
		Seed: func(t *testing.T, repository config.Repository, tag string, objects ...demo.Object) {
			t.Helper()
			if err := demo.PushObjects(t.Context(), repository.Host, repository.Path, tag, objects); err != nil {
				t.Fatal(err)
			}
		},
		Requests: func() int { return len(h.Requests()) },
		Many:     250,
		Lists:    true, Untyped: true, KeepsChildren: true, Cascades: true,
	})
}
