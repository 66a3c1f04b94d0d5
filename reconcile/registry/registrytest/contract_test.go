package registrytest_test

import (
	"testing"
	"time"

	"tagline/config"
	"tagline/reconcile/demo"
	"tagline/reconcile/registry"
	"tagline/reconcile/registry/registrytest"
)

// memory is a backend made of maps.
func memory() (*registrytest.Memory, registrytest.Backend) {
	m := registrytest.NewMemory()
	return m, registrytest.Backend{
		Host: registrytest.Host,
		Open: func(*testing.T, ...config.Repository) (registry.Readers, registry.Writers) { return m, m },
		Seed: func(_ *testing.T, repository config.Repository, tag string, objects ...demo.Object) {
			m.Lock()
			defer m.Unlock()
			m.Seed(repository, tag, objects...)
			for _, o := range objects {
				m.Pushed[o.Digest.String()] = time.Now()
			}
		},
	}
}

func TestMemory(t *testing.T) {
	_, backend := memory()
	registrytest.Test(t, backend)
}

// Amazon ECR, in what the planner sees of it.
func TestMemoryThatLists(t *testing.T) {
	m, backend := memory()
	m.Listed, m.Facts.LastTag = true, true
	backend.Lists, backend.LastTag, backend.KeepsChildren, backend.Protects = true, true, true, true
	registrytest.Test(t, backend)
}

// What several images share is asked once, and is still what a reader promises.
func TestOnce(t *testing.T) {
	m, backend := memory()
	backend.Open = func(_ *testing.T, repositories ...config.Repository) (registry.Readers, registry.Writers) {
		var images []config.Image
		for _, r := range repositories {
			images = append(images, config.Image{Repository: r}, config.Image{
				Repository: config.Repository{Host: r.Host, Path: "contract/other"},
				Aliases:    []config.Alias{{Sources: []config.Source{{Repository: r}}}},
			})
		}
		return registry.Once(m, images), m
	}
	registrytest.Test(t, backend)
}
