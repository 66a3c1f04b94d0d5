package ecr_test

import (
	"testing"
	"time"

	"tagline/config"
	"tagline/reconcile/demo"
	"tagline/reconcile/ecr"
	"tagline/reconcile/ecr/ecrtest"
	"tagline/reconcile/registry"
	"tagline/reconcile/registry/registrytest"
)

func TestContract(t *testing.T) {
	server := emulate(t, ecrtest.Options{})
	registrytest.Test(t, registrytest.Backend{
		Host: host,
		Open: func(t *testing.T, repositories ...config.Repository) (registry.Readers, registry.Writers) {
			c := open(t, repositories...)
			return c, ecr.NewWriters(c)
		},
		Seed: func(t *testing.T, repository config.Repository, tag string, objects ...demo.Object) {
			t.Helper()
			if err := server.SeedObjects(repository.Path, tag, time.Now().Add(-time.Hour), objects...); err != nil {
				t.Fatal(err)
			}
		},
		Create: func(t *testing.T, repository config.Repository) {
			t.Helper()
			if err := server.CreateRepository(repository.Path, ""); err != nil {
				t.Fatal(err)
			}
		},
		Requests: func() int {
			n := 0
			for _, calls := range server.Calls() {
				n += calls
			}
			return n
		},
		Many: 1050, // a page has 1,000, a request a hundred

		Lists: true, LastTag: true, KeepsChildren: true, Protects: true,
	})
}
