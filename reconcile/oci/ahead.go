package oci

import (
	"context"
	"encoding/json"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"tagline/config"
	"tagline/reconcile"
)

// maxAhead bounds the configs that are held before anybody asks for them.
const maxAhead = 1000

// ahead fetches the config of a plain image as soon as its manifest is there:
// whoever reads a tag asks for its platform next, and would have to wait for
// the slowest of all manifests first. Each config is asked for once, and handed
// out once.
type ahead struct {
	mu      sync.Mutex
	configs map[aheadOf]*early
}

type aheadOf struct {
	repository config.Repository
	digest     string
}

type early struct {
	fetched chan struct{}
	blob    []byte
	err     error
}

// fetch is for the goroutine that has read the manifest of a tag.
func (a *ahead) fetch(ctx context.Context, r *reader, m reconcile.RawManifest) {
	var image struct {
		Config struct{ MediaType, Digest string }
	}
	if json.Unmarshal(m.Body, &image) != nil || !types.MediaType(image.Config.MediaType).IsConfig() {
		return
	}
	if _, err := v1.NewHash(image.Config.Digest); err != nil {
		return // nobody has looked into this manifest yet
	}
	of := aheadOf{r.Repository, image.Config.Digest}
	a.mu.Lock()
	_, known := a.configs[of]
	if known || len(a.configs) >= maxAhead {
		a.mu.Unlock()
		return
	}
	e := &early{fetched: make(chan struct{})}
	if a.configs == nil {
		a.configs = map[aheadOf]*early{}
	}
	a.configs[of] = e
	a.mu.Unlock()
	e.blob, e.err = r.config(ctx, of.digest)
	close(e.fetched)
}

// take is what has been fetched of a config, if anything has.
func (a *ahead) take(of aheadOf) (blob []byte, ok bool) {
	a.mu.Lock()
	e := a.configs[of]
	delete(a.configs, of)
	a.mu.Unlock()
	if e == nil {
		return nil, false
	}
	<-e.fetched // by a request that is under way, and ends with its context
	return e.blob, e.err == nil
}
