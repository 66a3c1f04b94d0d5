package cache

import (
	"testing"

	"tagline/config"
	"tagline/reconcile/demo"
	"tagline/reconcile/registry"
	"tagline/reconcile/registry/registrytest"
)

// A cache is no registry, but what it answers for one keeps a reader's promise:
// with an empty folder, and with one that other runs have filled.
func TestContract(t *testing.T) {
	for _, test := range []struct {
		name string
		warm bool
	}{{"each run with a folder of its own", false}, {"all runs with one folder", true}} {
		t.Run(test.name, func(t *testing.T) {
			m, dir := registrytest.NewMemory(), t.TempDir()
			registrytest.Test(t, registrytest.Backend{
				Host: registrytest.Host,
				Open: func(t *testing.T, _ ...config.Repository) (registry.Readers, registry.Writers) {
					folder := dir
					if !test.warm {
						folder = t.TempDir()
					}
					c := Open(folder, DefaultLimit, func(err error) { t.Error(err) })
					t.Cleanup(c.Close)
					return c.Readers(m, nil), m
				},
				Seed: func(_ *testing.T, repository config.Repository, tag string, objects ...demo.Object) {
					m.Lock()
					defer m.Unlock()
					m.Seed(repository, tag, objects...)
				},
				PlatformsAlone: true,
			})
		})
	}
}
