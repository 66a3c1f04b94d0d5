package azure_test

import (
	"testing"

	"tagline/config"
	"tagline/reconcile/azure/azuretest"
	"tagline/reconcile/demo"
	"tagline/reconcile/ecr"
	"tagline/reconcile/kinds"
	"tagline/reconcile/oci"
	"tagline/reconcile/registry"
	"tagline/reconcile/registry/registrytest"
)

func open(t *testing.T, r *azuretest.Registry) (*kinds.Client, *kinds.Writers) {
	t.Helper()
	c := kinds.New(ecr.Options{OCI: oci.Options{Patience: oci.Patience{Attempts: 1}}}, map[string]config.Registry{r.Host: {Kind: config.Azure}})
	t.Cleanup(c.Close)
	return c, kinds.NewWriters(c)
}

func TestContract(t *testing.T) {
	r := azuretest.Start(t)
	r.Page = 7
	registrytest.Test(t, registrytest.Backend{
		Host: r.Host,
		Open: func(t *testing.T, _ ...config.Repository) (registry.Readers, registry.Writers) { return open(t, r) },
		Seed: func(t *testing.T, repository config.Repository, tag string, objects ...demo.Object) {
			t.Helper()
			if err := demo.PushObjects(t.Context(), repository.Host, repository.Path, tag, objects); err != nil {
				t.Fatal(err)
			}
		},
		Requests: func() int { return len(r.Requests()) },
		Lists:    true,
		Many:     30,
	})
}
