package oci

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"tagline/config"
	"tagline/reconcile/oci/transport"
	"tagline/reconcile/registry"
)

// Writers opens repositories for writing.
type Writers struct {
	client *Client
	source *remote.Puller // for copies: its blobs stream
	pusher atomic.Pointer[remote.Pusher]
	// deletions holds the outcome of each kind of deletion that was answered:
	// nil, or the error for all that follow.
	deletions sync.Map
	subjects  sync.Map // digest with its repository -> *sync.Mutex: what refers to it is pushed one after the other
}

var _ registry.Writers = (*Writers)(nil)

// NewWriters returns writers that share the client's connections, credentials
// and limits. Nothing else in this package writes.
func NewWriters(c *Client) *Writers {
	w := &Writers{client: c, source: must(remote.NewPuller(c.remoteOptions(c.transport.Chain(transport.Streams))...))}
	w.Forget()
	return w
}

// Forget drops go-containerregistry's memory of earlier copies: it copies a
// digest to a repository only once, even if the manifest has been deleted
// since. Call it after a deletion.
func (w *Writers) Forget() {
	options := append(w.client.remoteOptions(w.client.transport.Chain(transport.Streams)),
		remote.WithRetryPredicate(isBusyUpload),
		remote.WithRetryBackoff(remote.Backoff{Duration: time.Nanosecond, Steps: uploadAttempts})) // the transport waits
	w.pusher.Store(must(remote.NewPusher(options...)))
}

// uploadAttempts is how often the upload of a blob is started.
const uploadAttempts = 3

// isBusyUpload reports whether an upload was answered with 503. Its session may
// have moved on, so go-containerregistry starts the upload again in a new one.
func isBusyUpload(err error) bool {
	status := transport.StatusOf(err)
	return status != nil && status.StatusCode == http.StatusServiceUnavailable && transport.IsUpload(status.Request)
}

// Writer opens a repository for writing. It sends no request and cannot fail; a
// name that no host can have is an error of every method.
func (w *Writers) Writer(repository config.Repository) registry.Writer {
	return &writer{reader: reader{client: w.client, repository: w.client.named(repository), rereads: true}, writers: w}
}

// writer writes one repository. It embeds a reader, which has no cache: what it reads is
// what the registry has now.
type writer struct {
	reader
	writers *Writers
}

// taggable is a manifest that go-containerregistry pushes byte for byte.
type taggable struct{ manifest registry.RawManifest }

// RawManifest implements [remote.Taggable].
func (t taggable) RawManifest() ([]byte, error) { return t.manifest.Body, nil }

// MediaType returns the Content-Type of the push.
func (t taggable) MediaType() (types.MediaType, error) {
	return types.MediaType(t.manifest.MediaType), nil
}

// AtOnce implements [registry.Writer].
func (w *writer) AtOnce() int { return w.client.options.AtOnce(w.Host) }

// Turn implements [registry.Writer]. There are none: a push that has to wait for long
// reads its tag again.
func (*writer) Turn(ctx context.Context) (func(), error) { return func() {}, ctx.Err() }
