package oci

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	ggcr "github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"tagline/config"
	"tagline/reconcile/oci/transport"
	"tagline/reconcile/registry"
)

// What follows is for registries with an API of their own. Its requests obey the
// same rules as all others: retries, limits, deadlines, proxies, certificates.

// readsFollow has reads alone follow redirects: net/http would follow that of a
// DELETE with a GET, whose success would pass for the deletion's. The transport has
// the limit on redirects.
func readsFollow(_ *http.Request, via []*http.Request) error {
	if method := via[0].Method; method != http.MethodGet && method != http.MethodHead {
		return http.ErrUseLastResponse
	}
	return nil
}

// HTTP returns a client without credentials.
func (c *Client) HTTP() *http.Client {
	return &http.Client{Transport: c.transport.Chain(transport.ReadsWhole), CheckRedirect: readsFollow}
}

// Logins returns the credentials that the client was made with.
func (c *Client) Logins() authn.Keychain { return c.options.Keychain }

// Authorized returns a client with a token of the registry for these actions on
// a repository: "pull", or what its API wants, such as "metadata_read".
func (c *Client) Authorized(ctx context.Context, r config.Repository, actions string) (*http.Client, error) {
	named := c.named(r)
	if named.err != nil {
		return nil, named.err
	}
	auth, err := authn.Resolve(ctx, c.options.Keychain, named.name)
	if err != nil {
		return nil, named.failure(r.String(), err)
	}
	chain, err := ggcr.NewWithContext(ctx, named.name.Registry, auth, c.transport.Chain(transport.ReadsWhole), []string{named.name.Scope(actions)})
	if err != nil {
		return nil, named.failure(r.String(), err)
	}
	return &http.Client{Transport: chain, CheckRedirect: readsFollow}, nil
}

// Direct returns "https://HOST", with the scheme that the host speaks, and a client
// that sends the login of the host to it with each request: for an API that takes
// no token of the registry. Wrap its errors with [Client.Failure]. A login that is an
// identity token alone is an error: the API would be asked without one.
func (c *Client) Direct(ctx context.Context, r config.Repository) (string, *http.Client, error) {
	named := c.named(r)
	if named.err != nil {
		return "", nil, named.err
	}
	chain := c.transport.Chain(transport.ReadsWhole)
	challenge, err := ggcr.Ping(ctx, named.name.Registry, chain)
	if err != nil {
		return "", nil, err
	}
	scheme := "https"
	if challenge.Insecure {
		scheme = "http"
	}
	found, err := authn.Resolve(ctx, c.options.Keychain, named.name)
	if err != nil {
		return "", nil, err
	}
	login, err := authn.Authorization(ctx, found)
	if err != nil {
		return "", nil, err
	}
	host := named.name.RegistryStr()
	if login.RegistryToken == "" && login.Password == "" && login.IdentityToken != "" {
		return "", nil, fmt.Errorf("the login for %s is an identity token, which its API does not take; log in with a user name and a password, with \"docker login %s\"", r.Host, r.Host)
	}
	return scheme + "://" + host, &http.Client{Transport: &direct{chain, host, login}, CheckRedirect: readsFollow}, nil
}

// direct adds a login to requests for its own host.
type direct struct {
	next  http.RoundTripper
	host  string
	login *authn.AuthConfig
}

func (d *direct) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Host == d.host {
		req = req.Clone(req.Context())
		switch l := d.login; {
		case l.RegistryToken != "":
			req.Header.Set("Authorization", "Bearer "+l.RegistryToken)
		case l.Username != "":
			req.SetBasicAuth(l.Username, l.Password)
		}
	}
	return d.next.RoundTrip(req)
}

// URL is a path on the host of a repository.
func (c *Client) URL(r config.Repository, path string) string {
	named := c.named(r)
	return named.name.Scheme() + "://" + named.name.RegistryStr() + path
}

// Failure says in one line what went wrong with a subject. It is for requests that
// have no answer, or one that concerns the host.
func (c *Client) Failure(r config.Repository, subject string, err error) error {
	return c.named(r).failure(subject, err)
}

// Reason is what Failure says, without the subject and without advice.
func (c *Client) Reason(r config.Repository, err error) string { return c.named(r).reason(err) }

// Get reads a document below "/v2/REPOSITORY", with what a pull is allowed. The caller
// closes the answer.
//
// Errors: registry.ErrNotFound if it does not exist.
func (c *Client) Get(ctx context.Context, r config.Repository, path string) (*http.Response, error) {
	client, err := c.Authorized(ctx, r, ggcr.PullScope)
	if err != nil {
		return nil, err
	}
	named := c.named(r)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.URL(r, "/v2/"+r.Path+path), nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, named.failure(r.String(), err)
	}
	if err := ggcr.CheckError(resp, http.StatusOK); err != nil {
		_ = resp.Body.Close()
		return nil, named.answer(r.String(), err)
	}
	return resp, nil
}

// Decode decodes the answer of an API, which may have four MiB: a page is much
// smaller, and what sends more would fill the memory. It leaves the answer open.
func Decode(resp *http.Response, into any) error {
	bounded := &io.LimitedReader{R: resp.Body, N: transport.MaxDocument + 1}
	err := json.NewDecoder(bounded).Decode(into)
	switch {
	case bounded.N == 0:
		return transport.TooLong(transport.MaxDocument)
	case err != nil:
		return fmt.Errorf("the answer is no JSON that is understood: %w", err)
	}
	return nil
}

// Checked returns a context for a PUT or DELETE by an API of the registry's own, whose
// path ends with of. ask is called before a late write, as for a tag. If it returns an
// error, that is the write's.
func Checked(ctx context.Context, of string, ask func(context.Context) error) context.Context {
	return transport.WithCheck(ctx, of, ask)
}

// Links are the addresses of an answer's Link headers, by their relation.
func Links(header http.Header) map[string]string { return transport.Links(header) }

// Refusal is an answer of an API that is no success.
type Refusal struct {
	Status  int
	Message string // the API's own, in one line
}

// NewRefusal makes what an API says printable.
func NewRefusal(status int, message string) *Refusal {
	return &Refusal{status, transport.Printable(message)}
}

func (r *Refusal) Error() string {
	return strings.TrimSuffix(fmt.Sprintf("%d %s: %s", r.Status, http.StatusText(r.Status), r.Message), ": ")
}

// Is makes a 404 a [registry.ErrNotFound].
func (r *Refusal) Is(target error) bool {
	return target == registry.ErrNotFound && r.Status == http.StatusNotFound
}
