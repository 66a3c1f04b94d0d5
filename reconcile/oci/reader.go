package oci

import (
	"context"
	"io"
	"net/http"

	"github.com/google/go-containerregistry/pkg/name"
	"golang.org/x/sync/errgroup"

	"tagline/config"
	"tagline/reconcile/oci/transport"
	"tagline/reconcile/registry"
)

// reader reads one repository. An error that concerns the whole host wraps a
// [registry.HostError].
type reader struct {
	registry.NoMemory
	client *Client
	repository
	rereads bool // reads again what the run has observed; the first reading was confirmed
}

var _ registry.Readers = (*Client)(nil)

// Reader opens a repository for reading. It sends no request and cannot fail; a
// name that no host can have is an error of every method.
func (c *Client) Reader(repository config.Repository) registry.Reader {
	return &reader{client: c, repository: c.named(repository)}
}

// Resolve costs one HEAD per tag, which Docker Hub does not count as a pull.
//
// Errors: [registry.ErrNotFound] if the tag, digest or repository does not
// exist, with [registry.ErrNoRepository] if the registry says so.
func (r *reader) Resolve(ctx context.Context, tags []string) []registry.Answer[registry.Descriptor] {
	return ask(r, tags, func(tag name.Reference) (registry.Descriptor, error) { return r.head(ctx, tag) })
}

// head sends a GET if the registry answers only the HEAD with 401; the
// transport handles other answers that decide nothing. It confirms a 404 by a
// GET until the host has answered some HEAD with anything else: if a registry
// answers every HEAD with 404, tags would look absent and be overwritten.
func (r *reader) head(ctx context.Context, reference name.Reference) (registry.Descriptor, error) {
	head, err := r.client.puller.Head(ctx, reference)
	if err == nil {
		return registry.Descriptor{Digest: head.Digest.String(), MediaType: string(head.MediaType), Size: head.Size}, nil
	}
	status := transport.StatusOf(err)
	if status == nil || status.Request.Method != http.MethodHead {
		return registry.Descriptor{}, err
	}
	if isAbsent(err) {
		honest, known := r.client.transport.HeadsAreHonest(r.name.RegistryStr())
		if honest || !known && r.rereads {
			return registry.Descriptor{}, err
		}
	} else if status.StatusCode != http.StatusUnauthorized {
		return registry.Descriptor{}, err
	}
	manifest, err := r.manifest(ctx, reference)
	if err == nil && status.StatusCode == http.StatusNotFound {
		r.client.transport.DoubtHeads(r.name.RegistryStr())
	}
	return registry.Descriptor{Digest: manifest.Digest, MediaType: manifest.MediaType, Size: int64(len(manifest.Body))}, err
}

// Listed is false: no listing of the protocol says what tags name.
func (r *reader) Listed() bool { return false }

// Manifests costs one GET per reference. The transport verifies the bodies.
//
// Errors: [registry.ErrNotFound], as for Resolve.
func (r *reader) Manifests(ctx context.Context, references []string) []registry.Answer[registry.RawManifest] {
	return ask(r, references, func(reference name.Reference) (registry.RawManifest, error) {
		return r.manifest(ctx, reference)
	})
}

func (r *reader) manifest(ctx context.Context, reference name.Reference) (registry.RawManifest, error) {
	got, err := r.client.puller.Get(ctx, reference)
	if err != nil {
		return registry.RawManifest{}, err
	}
	return registry.RawManifest{Digest: got.Digest.String(), MediaType: string(got.MediaType), Body: got.Manifest}, nil
}

// Configs costs one GET per digest. The transport verifies the bodies.
//
// Errors: [registry.ErrNotFound], as for Resolve.
func (r *reader) Configs(ctx context.Context, digests []string) []registry.Answer[[]byte] {
	return ask(r, digests, func(digest name.Reference) ([]byte, error) {
		return r.config(ctx, digest.Identifier())
	})
}

func (r *reader) config(ctx context.Context, digest string) ([]byte, error) {
	layer, err := r.client.puller.Layer(ctx, r.name.Digest(digest))
	if err != nil {
		return nil, err
	}
	blob, err := layer.Compressed() // as it is in the registry
	if err != nil {
		return nil, err
	}
	defer func() { _ = blob.Close() }()
	return io.ReadAll(blob)
}

// Facts returns the zero Facts and no error: the protocol can't state any.
func (r *reader) Facts(context.Context) (registry.Facts, error) { return registry.Facts{}, nil }

// Inventory always returns [registry.ErrUnsupported]: the protocol lists only
// tags.
func (r *reader) Inventory(context.Context) (registry.Inventory, error) {
	return registry.Inventory{}, registry.ErrUnsupported
}

// ask asks about each reference.
func ask[V any](r *reader, references []string, one func(name.Reference) (V, error)) []registry.Answer[V] {
	answers := make([]registry.Answer[V], len(references))
	errs := r.client.each(r.repository, len(references), func(i int) (err error) {
		answers[i].Value, err = one(r.reference(references[i]))
		return err
	})
	for i, err := range errs {
		if err != nil {
			answers[i].Err = r.answer(r.subject(references[i]), err)
		}
	}
	return answers
}

// each calls do n times for a repository, several at a time, and returns an
// error or nil for each. Until the registry has let one request for the
// repository through, the calls run one by one, and stop if it refuses the
// login: it would refuse the rest too, and a registry that counts failed logins
// would lock the account.
func (c *Client) each(r repository, n int, do func(i int) error) []error {
	errs := make([]error, n)
	var group errgroup.Group
	group.SetLimit(c.options.AtOnce(r.Host))
	refused := 0
	for i := range n {
		_, admitted := c.admitted.Load(r.Repository)
		switch {
		case r.err != nil:
			errs[i] = r.err
		case refused >= enoughRefusals:
			errs[i] = errs[i-1]
		case !admitted:
			errs[i] = do(i)
			if weight := refusal(errs[i]); weight > 0 {
				refused += weight
			} else {
				c.admitted.Store(r.Repository, true)
			}
		default:
			group.Go(func() error {
				errs[i] = do(i)
				return nil
			})
		}
	}
	_ = group.Wait() // every error is in its place
	return errs
}

const enoughRefusals = 2

// refusal returns how much an error says against a login. A refused token is
// enough alone. A refused manifest counts half, because it may have its own
// reason. Other errors count nothing.
func refusal(err error) int {
	status := transport.StatusOf(err)
	switch {
	case status == nil:
		return 0
	case transport.RouteOf(status.Request).Resource == "" &&
		(status.StatusCode == http.StatusUnauthorized || status.StatusCode == http.StatusForbidden):
		return enoughRefusals
	case status.StatusCode == http.StatusUnauthorized:
		return 1
	}
	return 0
}
