package harbor_test

import (
	"testing"

	"go.uber.org/goleak"

	"tagline/config"
	"tagline/reconcile/demo"
	"tagline/reconcile/ecr"
	"tagline/reconcile/harbor/harbortest"
	"tagline/reconcile/kinds"
	"tagline/reconcile/oci"
	"tagline/reconcile/registry"
	"tagline/reconcile/registry/registrytest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, h *harbortest.Harbor, options oci.Options) (*kinds.Client, *kinds.Writers) {
	t.Helper()
	if options.Patience == (oci.Patience{}) {
		options.Patience.Attempts = 1
	}
	c := kinds.New(ecr.Options{OCI: options}, map[string]config.Registry{h.Host: {Kind: config.Harbor}})
	t.Cleanup(c.Close)
	return c, kinds.NewWriters(c)
}

func TestContract(t *testing.T) {
	h := harbortest.Start(t)
	registrytest.Test(t, registrytest.Backend{
		Host: h.Host,
		Open: func(t *testing.T, _ ...config.Repository) (registry.Readers, registry.Writers) {
			return open(t, h, oci.Options{})
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
