// Package github reads and writes GitHub's container registry, ghcr.io, and those
// of GitHub Enterprise. The Packages API lists every manifest as a version of the
// package, and deletes them; all else is the OCI protocol.
//
// A listing has pages by number, so a push moves all that follows, and a deletion
// pulls it back: then a version could be on no page that was read. Either changes the
// last page, so that is read before the others and after them. A push and a deletion
// could balance each other there, but the push changes the first page, which is read
// twice as well.
package github

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"tagline/config"
	"tagline/reconcile/listing"
	"tagline/reconcile/oci"
	"tagline/reconcile/registry"
)

// Client reads and writes the registry of one host.
type Client struct {
	host   string
	api    string // "https://api.github.com"
	over   *oci.Client
	log    *slog.Logger
	owners sync.Map // owner -> path of its packages, such as "/orgs/example"
}

// New returns a client for a registry's host that speaks the OCI protocol by
// over. GITHUB_API_URL names the API of a GitHub Enterprise.
func New(host string, over *oci.Client, log *slog.Logger) *Client {
	api := strings.TrimRight(os.Getenv("GITHUB_API_URL"), "/")
	if api == "" {
		api = publicAPI
	}
	return &Client{host: host, api: api, over: over, log: log}
}

const (
	publicAPI  = "https://api.github.com"
	publicHost = "ghcr.io"
)

// Reader opens a repository for reading. It asks nothing yet.
func (c *Client) Reader(repository config.Repository, over registry.Reader) registry.Reader {
	of := &versions{c, repository, over}
	return &reader{listing.NewReader(repository.String(), over, of, c.log), of}
}

// reader reads one repository.
type reader struct {
	*listing.Reader
	versions *versions
}

// Listed implements [registry.Reader]: without a token there is no listing.
func (r *reader) Listed() bool {
	_, err := r.versions.client.token(context.Background())
	return err == nil
}

// Writer opens a repository for writing. It asks nothing yet.
func (c *Client) Writer(repository config.Repository, over registry.Writer) registry.Writer {
	return &writer{over, &versions{c, repository, over}}
}

// versions are the versions of one package: its manifests.
type versions struct {
	client     *Client
	repository config.Repository
	over       tags
}

type tags interface {
	Tags(ctx context.Context) ([]string, error)
}

const toList = "list the versions"

// version is a version of a package (GitHub REST API, "Packages", "List package
// versions for a package owned by an organization").
type version struct {
	ID       int64
	Name     string    // the digest
	Created  time.Time `json:"created_at"`
	Metadata struct {
		Container *struct{ Tags []string }
	}
}

// page is a page of versions.
type page struct {
	versions []version
	next     string // address of the next page
	last     string // address of the last page, if there is a next one
	left     int    // pages after this one, -1 if that is not known
	now      time.Time
}

// Pages implements [listing.API].
func (v *versions) Pages(ctx context.Context) iter.Seq2[listing.Page, error] {
	return func(yield func(listing.Page, error) bool) {
		for p, err := range v.pages(ctx) {
			if err != nil {
				yield(listing.Page{}, err)
				return
			}
			listed := listing.Page{Left: p.left, Now: p.now}
			for _, one := range p.versions {
				// A version does not say what its manifest is.
				listed.Manifests = append(listed.Manifests, registry.StoredManifest{
					Descriptor: registry.Descriptor{Digest: one.Name}, Tags: one.Metadata.Container.Tags, Pushed: one.Created,
				})
			}
			if !yield(listed, nil) {
				return
			}
		}
	}
}

// pages reads page after page. The last one is read twice, before the second page
// and at the end: if it changed, so may have others.
func (v *versions) pages(ctx context.Context) iter.Seq2[page, error] {
	return func(yield func(page, error) bool) {
		at, _, err := v.first(ctx)
		if !yield(at, err) || err != nil || at.next == "" {
			return
		}
		end, err := v.end(ctx, at)
		for err == nil && at.next != "" {
			at, err = v.page(ctx, at.next)
			if err == nil && at.next == "" && !same(at, end) {
				err = fmt.Errorf("%s: %w", v.repository, listing.ErrTorn)
			}
			if err == nil && !yield(at, nil) {
				return
			}
		}
		if err != nil {
			yield(page{}, err)
		}
	}
}

// end reads the last page.
func (v *versions) end(ctx context.Context, first page) (page, error) {
	if first.last == "" {
		return page{}, fmt.Errorf("%s: the listing does not say where it ends, so it can't be known to be whole", v.repository)
	}
	return v.page(ctx, first.last)
}

func same(a, b page) bool {
	return a.next == b.next && slices.EqualFunc(a.versions, b.versions, func(a, b version) bool { return a.ID == b.ID })
}

// first reads the first page. The owner of a package is an organization, or a
// user, who has a path of their own if the token is theirs.
//
// Errors: registry.ErrNotFound if there is no such package; registry.ErrUnsupported
// if there is no token.
func (v *versions) first(ctx context.Context) (page, string, error) {
	owner, _, ok := strings.Cut(v.repository.Path, "/")
	if !ok {
		return page{}, "", fmt.Errorf("%s: a repository of GitHub's has an owner, as in %s/OWNER/NAME", v.repository, v.repository.Host)
	}
	if known, ok := v.client.owners.Load(owner); ok {
		path := v.path(known.(string))
		at, err := v.page(ctx, path)
		return at, path, v.hidden(ctx, err)
	}
	base := "/orgs/" + url.PathEscape(owner)
	at, err := v.page(ctx, v.path(base))
	if errors.Is(err, registry.ErrNotFound) {
		if base, err = v.client.user(ctx, owner); err == nil {
			at, err = v.page(ctx, v.path(base))
		}
	}
	if err == nil {
		v.client.owners.Store(owner, base)
	}
	return at, v.path(base), v.hidden(ctx, err)
}

// path is the address of the first page of the versions. Slashes in the name of a
// package are escaped.
func (v *versions) path(base string) string {
	_, name, _ := strings.Cut(v.repository.Path, "/")
	return v.client.api + base + "/packages/container/" + url.PathEscape(name) + "/versions?per_page=100"
}

// user returns the path of a user's packages.
func (c *Client) user(ctx context.Context, owner string) (string, error) {
	var self struct{ Login string }
	_, err := c.get(ctx, c.api+"/user", &self)
	switch refused := (*oci.Refusal)(nil); {
	case err == nil && strings.EqualFold(self.Login, owner):
		return "/user", nil
	case err == nil, errors.As(err, &refused) && (refused.Status == http.StatusForbidden || refused.Status == http.StatusNotFound): // the token of a job is no user's
		return "/users/" + url.PathEscape(owner), nil
	}
	return "", err
}

// hidden tells a package that does not exist from one that the token may not
// see: GitHub's API answers 404 to both.
func (v *versions) hidden(ctx context.Context, err error) error {
	if !errors.Is(err, registry.ErrNotFound) {
		return err
	}
	switch tags, unlisted := v.over.Tags(ctx); {
	case unlisted == nil && len(tags) > 0:
		return fmt.Errorf("%s: GitHub's API says that there is no such package, and the registry has its tags; the token may lack the permission read:packages, or access to the package", v.repository)
	case unlisted != nil && !errors.Is(unlisted, registry.ErrNotFound):
		return unlisted
	}
	return err
}

// page reads one page.
func (v *versions) page(ctx context.Context, address string) (page, error) {
	var p page
	header, err := v.client.get(ctx, address, &p.versions)
	if err != nil {
		return page{}, v.failure(toList, err)
	}
	for i, one := range p.versions {
		if digest.Digest(one.Name).Validate() != nil || one.ID == 0 || one.Metadata.Container == nil {
			return page{}, fmt.Errorf("%s: version %d of the listing (%q) is not that of a container package", v.repository, i+1, one.Name)
		}
	}
	p.now, _ = http.ParseTime(header.Get("Date"))
	if err = v.client.links(&p, address, header); err != nil {
		return page{}, fmt.Errorf("%s: %w", v.repository, err)
	}
	return p, nil
}

// links notes where the next page and the last one are (GitHub REST API, "Using
// pagination in the REST API"). The token goes along, so they must be of the API.
func (c *Client) links(p *page, address string, header http.Header) error {
	all := oci.Links(header)
	for _, relation := range []string{"next", "last"} {
		if to, ok := all[relation]; ok && (!strings.HasPrefix(to, c.api+"/") || to == address) {
			return fmt.Errorf("the %s page of the listing is at %q, not in %s", relation, to, c.api)
		}
	}
	p.next, p.last = all["next"], all["last"]
	p.left = 0
	if p.next != "" {
		to, known := number(p.last)
		from, ok := number(p.next)
		if p.left = -1; ok && known && to >= from {
			p.left = to - from + 1
		}
	}
	return nil
}

func number(address string) (int, bool) {
	u, err := url.Parse(address)
	if err != nil {
		return 0, false
	}
	n, err := strconv.Atoi(u.Query().Get("page"))
	return n, err == nil
}

// Facts has what GitHub always does. It removes no tag from a version (Packages
// API: there is only the deletion of a version), so a tag goes with its manifest,
// and does not go while the manifest has others. Children of an index go like
// anything else.
func (v *versions) Facts(ctx context.Context) (registry.Facts, error) {
	return registry.Facts{LastTag: true, NoUntag: true}, ctx.Err()
}
