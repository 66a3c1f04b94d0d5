// Package azure reads and writes Azure Container Registry. Its API lists every
// manifest and every tag, says what is locked, and deletes a tag without its
// manifest; all else is the OCI protocol.
//
// A listing is put together from two: that of tags, with their digests, and that
// of manifests. The manifests say some of their tags alone (Azure/acr#529), so
// these count only as a check. A listing is not believed if
//
//   - a tag names a manifest that is not listed, or one manifest says a tag that the
//     tags say of another: one of the two lists is older;
//   - the repository has more tags or manifests than were listed: an attribute,
//     listEnabled, hides some of them;
//   - the first manifests are no longer the same in the end. The order is by the last
//     update, the newest first, so a push is seen there;
//   - the OCI protocol lists other tags.
package azure

import (
	"log/slog"
	"sync"

	"tagline/config"
	"tagline/reconcile/listing"
	"tagline/reconcile/oci"
	"tagline/reconcile/registry"
)

// Client reads and writes the registries of Azure. It remembers what they have
// said of locks, so it is for one run.
type Client struct {
	over         *oci.Client
	log          *slog.Logger
	repositories sync.Map // config.Repository -> *api
}

// New returns a client that speaks the OCI protocol by over.
func New(over *oci.Client, log *slog.Logger) *Client { return &Client{over: over, log: log} }

// Reader opens a repository for reading. It asks nothing yet.
func (c *Client) Reader(repository config.Repository, over registry.Reader) registry.Reader {
	return listing.NewReader(repository.String(), over, &lists{c.api(repository), over}, c.log)
}

// Writer opens a repository for writing. It asks nothing yet.
func (c *Client) Writer(repository config.Repository, over registry.Writer) registry.Writer {
	return &writer{over, c.api(repository)}
}

func (c *Client) api(repository config.Repository) *api {
	known, _ := c.repositories.LoadOrStore(repository, &api{over: c.over, log: c.log, repository: repository})
	return known.(*api)
}
