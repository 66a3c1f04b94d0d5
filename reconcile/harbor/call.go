package harbor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"tagline/reconcile/oci"
	"tagline/reconcile/registry"
)

// What is asked of Harbor, in words.
const (
	toList   = "list the artifacts"
	toRead   = "read an artifact"
	toUntag  = "delete a tag"
	toDelete = "delete an artifact"
)

// permissions are those that a robot account needs (Harbor documentation, "Create
// Project Robot Accounts"; src/server/v2.0/handler/artifact.go,
// RequireProjectAccess).
var permissions = map[string]string{
	toList:   "List Artifact",
	toRead:   "Read Artifact",
	toUntag:  "Delete Tag",
	toDelete: "Delete Artifact",
}

// isRefused reports whether the API does not tell: to this login, or at all.
func isRefused(err error) bool {
	refused := (*oci.Refusal)(nil)
	return errors.As(err, &refused) && (refused.Status == http.StatusUnauthorized || refused.Status == http.StatusForbidden || refused.Status == http.StatusNotFound)
}

// get reads a document below the repository.
func (a *artifacts) get(ctx context.Context, what, path string, into any) (http.Header, error) {
	resp, err := a.send(ctx, http.MethodGet, path)
	if err != nil {
		return nil, a.failure(ctx, what, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if err := oci.Decode(resp, into); err != nil {
		return nil, fmt.Errorf("%s: %s: %w; is there a Harbor at this host?", a.repository, what, err)
	}
	return resp.Header, nil
}

// send sends a request. An answer that is no success is a [oci.Refusal].
func (a *artifacts) send(ctx context.Context, method, path string) (*http.Response, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	project, name, ok := strings.Cut(a.repository.Path, "/")
	if !ok {
		return nil, fmt.Errorf("a repository of Harbor's has a project, as in %s/PROJECT/%s", a.repository.Host, a.repository.Path)
	}
	base, client, err := a.client.over.Direct(ctx, a.repository)
	if err != nil {
		return nil, err
	}
	// The name is escaped twice (api/v2.0/swagger.yaml, parameter repositoryName).
	name = url.PathEscape(url.PathEscape(name))
	req, err := http.NewRequestWithContext(ctx, method, base+"/api/v2.0/projects/"+url.PathEscape(project)+"/repositories/"+name+"/"+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	if err := transport.CheckError(resp, http.StatusOK); err != nil {
		_ = resp.Body.Close()
		return nil, oci.NewRefusal(resp.StatusCode, message(err))
	}
	return resp, nil
}

// message is Harbor's own (src/lib/errors/errors.go: errors, each with a code and a
// message).
func message(err error) string {
	status := (*transport.Error)(nil)
	if !errors.As(err, &status) {
		return err.Error()
	}
	var said []string
	for _, e := range status.Errors {
		said = append(said, strings.Trim(fmt.Sprintf("%s: %s", e.Code, e.Message), ": "))
	}
	return strings.Join(said, "; ")
}

// failure says what could not be done with a repository, and what that takes.
func (a *artifacts) failure(ctx context.Context, what string, err error) error {
	advice := ""
	switch refused := (*oci.Refusal)(nil); {
	case !errors.As(err, &refused):
		return a.client.over.Failure(a.repository, a.repository.String()+": "+what, err)
	case refused.Status == http.StatusUnauthorized:
		advice = fmt.Sprintf("; log in with \"docker login %s\"", a.repository.Host)
	case refused.Status == http.StatusForbidden && what == toList:
		advice = fmt.Sprintf("; the login needs the permission %q for the project, if there is such a project; with \"kind: oci\" for %s in registries of images.yaml, tags are asked for one by one", permissions[what], a.repository.Host)
	case refused.Status == http.StatusForbidden:
		advice = fmt.Sprintf("; the login needs the permission %q for the project", permissions[what])
	case refused.Status == http.StatusNotFound && what == toList:
		switch tags, unlisted := a.over.Tags(ctx); {
		case unlisted != nil && !errors.Is(unlisted, registry.ErrNotFound):
			return unlisted // so it is not known whether there is such a repository
		case len(tags) > 0:
			return fmt.Errorf("%s: the registry has tags of it, and no API of Harbor's (%s); take \"kind: harbor\" out of registries of images.yaml", a.repository, refused.Error())
		}
	}
	return fmt.Errorf("%s: %s: %w%s", a.repository, what, err, advice)
}
