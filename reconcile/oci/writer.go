package oci

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	ggcr "github.com/google/go-containerregistry/pkg/v1/remote/transport"
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

// writer writes one repository. A reader has no cache, so it can read too.
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

// Put implements [registry.Writer].
//
// Errors: [registry.MovedError] if a tag has been moved before its push was sent.
func (w *writer) Put(ctx context.Context, pushes []registry.TaggedManifest) []error {
	errs := w.client.each(w.repository, len(pushes), func(i int) error {
		if subject := subjectOf(pushes[i].Manifest); subject != "" {
			defer w.alone(subject)()
		}
		ctx := ctx
		if push := pushes[i]; push.Tag != "" {
			ctx = w.checked(ctx, push.Tag, push.Was, push.Manifest.Digest)
		}
		return w.writers.pusher.Load().Put(ctx, w.reference(target(pushes[i])), taggable{pushes[i].Manifest})
	})
	for i, err := range errs {
		if err != nil {
			errs[i] = w.failure("push "+w.subject(target(pushes[i])), err)
		}
	}
	return errs
}

// checked returns a context for a write of a tag. A write that is late reads the tag once
// more, and is not sent if the tag names neither what it named nor what it should.
func (w *writer) checked(ctx context.Context, tag, was, becomes string) context.Context {
	return transport.WithCheck(ctx, tag, func(ctx context.Context) error {
		now, err := w.head(ctx, w.name.Tag(tag))
		switch {
		case isAbsent(err):
			now.Digest = ""
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return &transport.RequestError{Err: fmt.Errorf("the tag could not be read again before that: %s", w.reason(err))}
		}
		if now.Digest != was && now.Digest != becomes {
			return &registry.MovedError{Now: now.Digest}
		}
		return nil
	})
}

// Checked returns a context for a PUT or DELETE by an API of the registry's own, whose
// path ends with of. ask is called before a late write, as for a tag. If it returns an
// error, that is the write's.
func Checked(ctx context.Context, of string, ask func(context.Context) error) context.Context {
	return transport.WithCheck(ctx, of, ask)
}

// target is the tag that a manifest is pushed under, or its digest if it has
// none.
func target(push registry.TaggedManifest) string { return cmp.Or(push.Tag, push.Manifest.Digest) }

// DeleteTags implements [registry.Writer].
//
// Errors: [registry.ErrNotFound] if the tag does not exist;
// [registry.MovedError] if it names another digest; [registry.ErrUnsupported]
// if the registry does not delete by tag.
func (w *writer) DeleteTags(ctx context.Context, tags []registry.TagDigest) []error {
	errs := w.delete("tag", len(tags), func(i int) error {
		return w.deleteTag(ctx, tags[i])
	})
	for i, err := range errs {
		if err != nil {
			errs[i] = w.failure("delete tag "+w.subject(tags[i].Tag), err)
		}
	}
	return errs
}

// deleteTag never deletes by digest, which would delete every other tag of the
// manifest. The protocol has no conditional deletion, so the tag can move
// between the last HEAD and the DELETE.
func (w *writer) deleteTag(ctx context.Context, named registry.TagDigest) error {
	tag := named.Tag
	now, err := w.head(ctx, w.name.Tag(tag))
	switch {
	case isAbsent(err):
		return registry.ErrNotFound
	case err != nil:
		return err
	case now.Digest != named.Digest:
		return &registry.MovedError{Now: now.Digest}
	}
	if err := w.refused("tag"); err != nil {
		return err
	}
	err = w.writers.pusher.Load().Delete(w.checked(ctx, tag, named.Digest, ""), w.name.Tag(tag))
	status := transport.StatusOf(err)
	switch {
	case status == nil || transport.RouteOf(status.Request).Resource != "manifests":
		return err
	case status.StatusCode == http.StatusBadRequest || transport.IsNoSuchMethod(status.StatusCode):
		return fmt.Errorf("%w (%s)", registry.ErrUnsupported, w.reason(err))
	case status.StatusCode == http.StatusNotFound: // it may have looked for a digest of that name
		return w.gone(ctx, tag, err)
	}
	return err
}

// gone reports what a 404 to a deletion means: nil if the tag or manifest is
// gone, ErrUnsupported if it is still there.
func (w *writer) gone(ctx context.Context, reference string, err error) error {
	what := "tag"
	if config.IsDigest(reference) {
		what = "manifest"
	}
	_, still := w.head(ctx, w.reference(reference))
	switch {
	case still == nil:
		return fmt.Errorf("%w (%s, though the %s is there)", registry.ErrUnsupported, w.reason(err), what)
	case isAbsent(still):
		return nil
	}
	return still
}

// DeleteManifests implements [registry.Writer]. The protocol can't ask which tags
// name a manifest, so all of them go with it.
//
// Errors: [registry.ErrUnsupported] if the registry does not delete by digest.
func (w *writer) DeleteManifests(ctx context.Context, due []registry.Removal) []error {
	errs := w.delete("manifest", len(due), func(i int) error {
		if err := w.refused("manifest"); err != nil {
			return err
		}
		err := w.writers.pusher.Load().Delete(ctx, w.name.Digest(due[i].Digest))
		status := transport.StatusOf(err)
		switch {
		case isAbsent(err):
			return w.gone(ctx, due[i].Digest, err)
		case status != nil && transport.RouteOf(status.Request).Resource == "manifests" && unsupported(status):
			return fmt.Errorf("%w (%s)", registry.ErrUnsupported, w.reason(err))
		}
		return err
	})
	for i, err := range errs {
		if err != nil {
			errs[i] = w.failure("delete "+w.subject(due[i].Digest), err)
		}
	}
	if len(due) > 0 {
		w.writers.Forget()
	}
	return errs
}

// unsupported reports whether a registry deletes no manifest
// (distribution-spec, "Deleting Manifests": 400 or 405; others answer 501).
// Amazon ECR answers 405 and UNSUPPORTED for a single manifest that an index
// lists, and says so (user guide, image-artifact-delete), and Azure for one that
// is locked (Azure/acr-cli#70): that is not a lack of support.
func unsupported(status *ggcr.Error) bool {
	return (status.StatusCode == http.StatusBadRequest || transport.IsNoSuchMethod(status.StatusCode)) && !IsLocked(status) &&
		!strings.Contains(strings.ToLower(message(status)), "referenced")
}

// IsLocked reports whether an answer of Azure's says that what was to be changed is
// locked.
func IsLocked(err error) bool {
	status := transport.StatusOf(err)
	return status != nil && slices.ContainsFunc(status.Errors, func(d ggcr.Diagnostic) bool { return d.Code == "REGISTRY_DISALLOWED_OPERATION" })
}

// copyAttempts is how often a copy is started. A blob's upload can't be
// resumed, but a second copy skips what has arrived.
const copyAttempts = 2

// Copy implements [registry.Writer].
//
// Errors: [registry.ErrNotFound] if the manifest is not in the source
// repository.
func (w *writer) Copy(ctx context.Context, from config.Repository, digest string) error {
	source := w.client.named(from)
	if err := errors.Join(source.err, w.err); err != nil {
		return w.failure("copy to "+w.String(), err)
	}
	for attempt := 1; ; attempt++ {
		err := w.copy(ctx, source, digest, "")
		if err == nil || attempt == copyAttempts || transport.IsLasting(err) {
			return err
		}
		if status := transport.StatusOf(err); status != nil && !transport.Transient(status.StatusCode) {
			return err
		}
		if transport.Sleep(ctx, w.client.options.Patience.Backoff) != nil {
			return err
		}
	}
}

// copy leaves the order, children first, and the mounts to
// go-containerregistry. listedBy is the digest of the index that lists the
// manifest, if complete copies it.
func (w *writer) copy(ctx context.Context, source repository, digest, listedBy string) error {
	what := "copy " + source.subject(digest)
	if listedBy != "" {
		what += ", which " + listedBy + " lists,"
	}
	what += " to " + w.String()
	manifest, err := w.writers.source.Get(ctx, source.name.Digest(digest))
	if err != nil {
		return source.answer(what, err)
	}
	if manifest.MediaType.IsIndex() {
		switch _, err := w.client.puller.Head(ctx, w.name.Digest(digest)); {
		case err == nil:
			return w.complete(ctx, source, manifest)
		case !isAbsent(err):
			return w.failure(what, err)
		}
	}
	all := copied{mount: w.mayMount(ctx, source)}
	tree, err := all.manifest(manifest)
	if err != nil {
		return source.failure(what, err)
	}
	if err := w.copyForeign(ctx, source, all.foreign); err != nil {
		return err
	}
	raw := registry.RawManifest{Digest: digest, MediaType: string(manifest.MediaType), Body: manifest.Manifest}
	if err := w.attached(ctx, raw, func() error {
		return w.writers.pusher.Load().Push(ctx, w.name.Digest(digest), tree)
	}); err != nil {
		return w.failure(what, err)
	}
	return nil
}

// complete copies what an index lists and this repository lacks although it has
// the index: it may have been deleted. A registry can have an image without its
// foreign layers.
func (w *writer) complete(ctx context.Context, source repository, index *remote.Descriptor) error {
	i, err := index.ImageIndex()
	if err != nil {
		return source.failure(source.subject(index.Digest.String()), err)
	}
	m, err := i.IndexManifest()
	if err != nil {
		return source.failure(source.subject(index.Digest.String()), err)
	}
	for _, child := range m.Manifests {
		if err := w.completeChild(ctx, source, child, index.Digest.String()); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) completeChild(ctx context.Context, source repository, child v1.Descriptor, listedBy string) error {
	digest := child.Digest.String()
	failed := func(err error) error {
		if err == nil {
			return nil
		}
		return w.failure(w.subject(digest)+", which "+listedBy+" lists", err)
	}
	switch {
	case child.MediaType.IsIndex():
		return w.copy(ctx, source, digest, listedBy)
	case !child.MediaType.IsImage(): // a layer, as in the build cache of buildx
		return failed(w.upload(ctx, source, child.Digest))
	}
	there, err := w.client.puller.Get(ctx, w.name.Digest(digest))
	switch {
	case isAbsent(err):
		return w.copy(ctx, source, digest, listedBy)
	case err != nil:
		return failed(err)
	}
	var all copied
	if _, err := all.manifest(there); err != nil {
		return failed(err)
	}
	return w.copyForeign(ctx, source, all.foreign)
}
