package registry_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"tagline/config"
	"tagline/reconcile/demo"
	"tagline/reconcile/registry"
	"tagline/reconcile/registry/registrytest"
)

// sharing are two images that take an alias from the repository base, and one of
// that repository.
func sharing(source config.Source) []config.Image {
	source.Repository = config.Repository{Host: "r.test", Path: "base"}
	images := []config.Image{{Repository: source.Repository, Aliases: []config.Alias{{Tag: "1"}}}}
	for _, path := range []string{"app0", "app1"} {
		images = append(images, config.Image{
			Repository: config.Repository{Host: "r.test", Path: path},
			Aliases:    []config.Alias{{Tag: "10", Sources: []config.Source{source}}},
		})
	}
	return images
}

func TestOnce(t *testing.T) {
	m := registrytest.NewMemory()
	digests := m.Push(t, "base", demo.Image{Tag: "1", Platforms: []string{"linux/amd64"}}, demo.Image{Tag: "2", Platforms: []string{"linux/amd64"}})
	base := config.Repository{Host: "r.test", Path: "base"}
	readers := registry.Once(m, sharing(config.Source{Tag: "1"}))

	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			got := readers.Reader(base).Manifests(t.Context(), []string{"1", "2", "no-such-tag"})
			if got[0].Value.Digest != digests["1"] || got[1].Value.Digest != digests["2"] || !errors.Is(got[2].Err, registry.ErrNotFound) {
				t.Errorf("manifests are %+v", got)
			}
		})
		wg.Go(func() {
			got := readers.Reader(base).Resolve(t.Context(), []string{"2", "1", "no-such-tag"})
			if got[0].Value.Digest != digests["2"] || got[1].Value.Digest != digests["1"] || !errors.Is(got[2].Err, registry.ErrNotFound) {
				t.Errorf("tags are %+v", got)
			}
		})
	}
	wg.Wait()
	for _, tag := range []string{"1", "2", "no-such-tag"} {
		if n := m.Asks(tag); n != 1 {
			t.Errorf("%s was asked %d times: %v", tag, n, m.Asked)
		}
	}
	// What one image alone reads is asked as it was, and not kept.
	m.Push(t, "app0", demo.Image{Tag: "x", Platforms: []string{"linux/amd64"}})
	for range 2 {
		readers.Reader(config.Repository{Host: "r.test", Path: "app0"}).Manifests(t.Context(), []string{"x"})
	}
	if n := m.Asks("x"); n != 2 {
		t.Errorf("x was asked %d times", n)
	}
}

// A tag that moves after it was resolved is not a tag that is gone.
func TestOnceTagMoves(t *testing.T) {
	m := registrytest.NewMemory()
	was := m.Push(t, "base", demo.Image{Tag: "1", Platforms: []string{"linux/amd64"}})["1"]
	reader := registry.Once(m, sharing(config.Source{Tag: "1"})).Reader(config.Repository{Host: "r.test", Path: "base"})
	reader.Resolve(t.Context(), []string{"1"})
	now := m.Push(t, "base", demo.Image{Tag: "1", Platforms: []string{"linux/arm64"}})["1"]
	delete(m.Manifests, was)
	if got := reader.Manifests(t.Context(), []string{"1"})[0]; got.Value.Digest != now {
		t.Errorf("1 is %+v, want %s", got, now)
	}
}

// Who waits for another's question gives up when its own time is up.
func TestOnceWaitsNoLongerThanItMay(t *testing.T) {
	m := registrytest.NewMemory()
	m.Push(t, "base", demo.Image{Tag: "1", Platforms: []string{"linux/amd64"}})
	reader := registry.Once(m, sharing(config.Source{Tag: "1"})).Reader(config.Repository{Host: "r.test", Path: "base"})
	m.Lock() // the registry does not answer
	var wg sync.WaitGroup
	wg.Go(func() { reader.Resolve(t.Context(), []string{"1"}) })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wg.Go(func() {
		if a := reader.Manifests(ctx, []string{"1"})[0]; a.Err != nil && !errors.Is(a.Err, context.Canceled) {
			t.Errorf("the answer is %+v", a)
		}
	})
	m.Unlock()
	wg.Wait()
}

// A question whose asker gives up is asked again by whoever waits for it, or
// comes later.
func TestOnceAsksAgain(t *testing.T) {
	m := registrytest.NewMemory()
	want := m.Push(t, "base", demo.Image{Tag: "1", Platforms: []string{"linux/amd64"}})["1"]
	reader := registry.Once(m, sharing(config.Source{Tag: "1"})).Reader(config.Repository{Host: "r.test", Path: "base"})
	ctx, cancel := context.WithCancel(t.Context())
	m.Lock() // the registry does not answer
	var wg sync.WaitGroup
	wg.Go(func() { reader.Resolve(ctx, []string{"1"}) })
	wg.Go(func() { reader.Manifests(ctx, []string{"1"}) })
	for range 4 {
		wg.Go(func() {
			if a := reader.Resolve(t.Context(), []string{"1"})[0]; a.Value.Digest != want {
				t.Errorf("1 is %+v, want %s", a, want)
			}
		})
		wg.Go(func() {
			if a := reader.Manifests(t.Context(), []string{"1"})[0]; a.Value.Digest != want {
				t.Errorf("1 is %+v, want %s", a, want)
			}
		})
	}
	cancel()
	m.Unlock()
	wg.Wait()
}

// remembering is a registry with a memory.
type remembering struct{ *registrytest.Memory }

type rememberingReader struct{ registry.Reader }

func (r remembering) Reader(of config.Repository) registry.Reader {
	return rememberingReader{r.Memory.Reader(of)}
}

func (rememberingReader) Memory() registry.Memory { return itsMemory }

var itsMemory = &struct{ registry.NoMemory }{}

// A reader whose answers are shared remembers what any other does.
func TestOnceRemembers(t *testing.T) {
	readers := registry.Once(remembering{registrytest.NewMemory()}, sharing(config.Source{Tag: "1"}))
	for _, path := range []string{"base", "app0"} {
		if got := readers.Reader(config.Repository{Host: "r.test", Path: path}).Memory(); got != registry.Memory(itsMemory) {
			t.Errorf("the reader of %s has the memory %#v", path, got)
		}
	}
}
