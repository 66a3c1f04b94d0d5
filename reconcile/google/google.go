// Package google reads and writes Google Artifact Registry and gcr.io. Their list
// of tags has every manifest with its tags, media type and upload time in one
// answer; all else is the OCI protocol.
package google

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"tagline/config"
	"tagline/reconcile/listing"
	"tagline/reconcile/oci"
	"tagline/reconcile/registry"
)

// Client reads and writes the registries of Google.
type Client struct {
	over *oci.Client
	log  *slog.Logger
}

// New returns a client that speaks the OCI protocol by over.
func New(over *oci.Client, log *slog.Logger) *Client { return &Client{over, log} }

// Reader opens a repository for reading. It asks nothing yet.
func (c *Client) Reader(repository config.Repository, over registry.Reader) registry.Reader {
	return listing.NewReader(repository.String(), over, &api{c.over, repository}, c.log)
}

// api is what Google says about one repository.
type api struct {
	over       *oci.Client
	repository config.Repository
}

// Pages is one page (Artifact Registry documentation, "List images";
// go-containerregistry, pkg/v1/google, which reads the same answer).
//
// Errors: registry.ErrNotFound if there is no such repository.
func (a *api) Pages(ctx context.Context) iter.Seq2[listing.Page, error] {
	return func(yield func(listing.Page, error) bool) { yield(a.page(ctx)) }
}

func (a *api) page(ctx context.Context) (listing.Page, error) {
	resp, err := a.over.Get(ctx, a.repository, "/tags/list?n=10000")
	if err != nil {
		return listing.Page{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	var page listing.Page
	page.Now, _ = http.ParseTime(resp.Header.Get("Date"))
	list := list{json.NewDecoder(resp.Body)}
	tags, err := list.read(func(m registry.StoredManifest) { page.Manifests = append(page.Manifests, m) })
	switch {
	case err != nil:
		return listing.Page{}, fmt.Errorf("%s: the list of tags is not understood: %w", a.repository, err)
	case len(page.Manifests) == 0 && tags > 0:
		return listing.Page{}, fmt.Errorf("%s: the list of tags has no manifests, so this is no registry of Google's", a.repository)
	}
	slices.SortFunc(page.Manifests, func(a, b registry.StoredManifest) int { return strings.Compare(a.Digest, b.Digest) })
	return page, nil
}

// Facts has what Google always does: it deletes no manifest that an index lists
// (GOOGLE_MANIFEST_DANGLING_PARENT_IMAGE). Whether tags are immutable, no answer
// of the registry says; the first push of such a tag is refused.
func (a *api) Facts(context.Context) (registry.Facts, error) {
	return registry.Facts{KeepsChildren: true}, nil
}
