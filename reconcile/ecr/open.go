package ecr

import (
	"context"

	"tagline/config"
	"tagline/reconcile/oci"
	"tagline/reconcile/registry"
)

var _ registry.Readers = (*Client)(nil)

// Reader opens a repository for reading. It sends no request and cannot fail.
func (c *Client) Reader(repository config.Repository) registry.Reader {
	if a := c.account(repository.Host); a != nil {
		r := newReader(c, a, repository)
		return &r
	}
	return c.oci.Reader(repository)
}

// Writers opens repositories for writing.
type Writers struct {
	client *Client
	oci    *oci.Writers
}

var _ registry.Writers = (*Writers)(nil)

// NewWriters returns writers that share the client's connections, credentials
// and limits. Nothing else in this package writes.
func NewWriters(c *Client) *Writers {
	return &Writers{client: c, oci: oci.NewWriters(c.oci)}
}

// Writer opens a repository for writing. It sends no request and cannot fail.
func (w *Writers) Writer(repository config.Repository) registry.Writer {
	if a := w.client.account(repository.Host); a != nil {
		return &writer{reader: newReader(w.client, a, repository), oci: w.oci}
	}
	return &elsewhere{Writer: w.oci.Writer(repository), client: w.client, over: w.oci}
}

// elsewhere is a repository outside of ECR. Copies into it may come from ECR.
type elsewhere struct {
	registry.Writer
	client *Client
	over   *oci.Writers
}

// Forget is [oci.Writers.Forget].
func (w *elsewhere) Forget() { w.over.Forget() }

// Copy implements [registry.Writer]. Its errors are those of the OCI protocol,
// and those of a failed request for ECR's authorization token.
func (w *elsewhere) Copy(ctx context.Context, from config.Repository, digest string) error {
	source, err := w.client.overHTTP(ctx, from)
	if err != nil {
		return err
	}
	return w.Writer.Copy(ctx, source, digest)
}
