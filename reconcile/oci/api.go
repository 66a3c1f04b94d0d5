package oci

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"tagline/config"
)

// What follows is for registries with an API of their own. Its requests obey the
// same rules as all others: retries, limits, deadlines, proxies, certificates.

// HTTP returns a client without credentials.
func (c *Client) HTTP() *http.Client { return &http.Client{Transport: c.chain(readsWhole)} }

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
	chain, err := transport.NewWithContext(ctx, named.name.Registry, auth, c.chain(readsWhole), []string{named.name.Scope(actions)})
	if err != nil {
		return nil, named.failure(r.String(), err)
	}
	return &http.Client{Transport: chain}, nil
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

// GetJSON reads a document below "/v2/REPOSITORY", with what a pull is allowed.
//
// Errors: registry.ErrNotFound if it does not exist.
func (c *Client) GetJSON(ctx context.Context, r config.Repository, path string, into any) (http.Header, error) {
	client, err := c.Authorized(ctx, r, transport.PullScope)
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
	defer func() { _ = resp.Body.Close() }()
	if err := transport.CheckError(resp, http.StatusOK); err != nil {
		return nil, named.answer(r.String(), err)
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		return nil, fmt.Errorf("%s: the answer is no JSON that is understood: %w", r, err)
	}
	return resp.Header, nil
}
