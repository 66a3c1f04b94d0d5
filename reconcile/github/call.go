package github

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"

	"tagline/reconcile/oci"
	"tagline/reconcile/registry"
)

// get reads a document.
func (c *Client) get(ctx context.Context, address string, into any) (http.Header, error) {
	resp, err := c.send(ctx, http.MethodGet, address)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if err := oci.Decode(resp, into); err != nil {
		return nil, fmt.Errorf("%s: %w", resp.Request.URL.Host, err)
	}
	return resp.Header, nil
}

// send sends a request with the token. An answer that is no success is a
// [oci.Refusal].
func (c *Client) send(ctx context.Context, method, address string) (*http.Response, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	token, err := c.token(ctx)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, address, nil)
	if err != nil {
		return nil, fmt.Errorf("GITHUB_API_URL: %w", err)
	}
	req.Header.Set("Accept", "application/vnd.github+json")
	req.Header.Set("X-GitHub-Api-Version", "2022-11-28")
	req.Header.Set("Authorization", "Bearer "+token)
	client := c.over.HTTP()
	resp, err := client.Do(req)
	if err != nil {
		if outer := (*url.Error)(nil); errors.As(err, &outer) {
			err = outer.Err
		}
		return nil, fmt.Errorf("GitHub's API, %s: %w", req.URL.Host, err)
	}
	if resp.StatusCode/100 == 2 {
		return resp, nil
	}
	defer func() { _ = resp.Body.Close() }()
	var said struct{ Message string }
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10)) // a refusal all the same
	_ = json.Unmarshal(body, &said)
	return nil, oci.NewRefusal(resp.StatusCode, said.Message)
}

// token returns GITHUB_TOKEN, GH_TOKEN, or the password of the registry's login.
// It is sent to the API, which images.yaml does not choose.
//
// Errors: registry.ErrUnsupported if there is none.
func (c *Client) token(ctx context.Context) (string, error) {
	if public := c.api == publicAPI; public != strings.EqualFold(c.host, publicHost) {
		return "", fmt.Errorf("%s does not belong to %s; GITHUB_API_URL has to name its API", c.host, c.api)
	}
	if token := cmp.Or(os.Getenv("GITHUB_TOKEN"), os.Getenv("GH_TOKEN")); token != "" {
		return token, nil
	}
	host, err := name.NewRegistry(c.host)
	if err != nil {
		return "", err
	}
	login, err := authn.Resolve(ctx, c.over.Logins(), host)
	if err != nil {
		return "", err
	}
	found, err := authn.Authorization(ctx, login)
	if err != nil {
		return "", err
	}
	if token := cmp.Or(found.Password, found.RegistryToken, found.IdentityToken); token != "" {
		return token, nil
	}
	return "", fmt.Errorf("%w without a token of GitHub's: set GITHUB_TOKEN, or log in with \"docker login %s\"", registry.ErrUnsupported, c.host)
}

// failure says what could not be done with a package, and what permission that
// takes (GitHub documentation, "About permissions for GitHub Packages").
func (v *versions) failure(what string, err error) error {
	refused := (*oci.Refusal)(nil)
	if !errors.As(err, &refused) {
		return fmt.Errorf("%s: %s: %w", v.repository, what, err)
	}
	advice := ""
	switch said := strings.ToLower(refused.Message); {
	case refused.Status == http.StatusNotFound:
	case strings.Contains(said, "rate limit"):
		advice = "too many requests; wait a minute or more, and run again"
	case refused.Status == http.StatusUnauthorized:
		advice = "GitHub does not accept the token"
	case refused.Status == http.StatusForbidden && what == toList:
		advice = "the token needs the permission read:packages; with \"kind: oci\" for " + v.repository.Host + " in registries of images.yaml, tags are asked for one by one"
	case refused.Status == http.StatusForbidden:
		advice = "the token needs the permission delete:packages (in GitHub Actions packages: write) and the role admin for the package"
	case refused.Status == http.StatusBadRequest && strings.Contains(said, "last"):
		advice = "GitHub keeps the last version of a package that has tags; delete the package instead"
	case refused.Status == http.StatusBadRequest && strings.Contains(said, "downloads"):
		advice = "GitHub keeps a public version that was downloaded more than 5,000 times; ask its support"
	}
	if advice != "" {
		advice = "; " + advice
	}
	return fmt.Errorf("%s: %s: %w%s", v.repository, what, err, advice)
}
