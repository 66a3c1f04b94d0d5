package azure

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"tagline/config"
	"tagline/reconcile/oci"
	"tagline/reconcile/registry"
)

// What a token allows, by the scopes of the challenges that the registry answers
// (azure-sdk-for-go, azcontainerregistry, testdata/recordings).
const (
	metadataRead = "metadata_read"
	deletes      = "delete"
)

// permissions are what scope maps of tokens call the same (Azure documentation,
// "Create a token with repository-scoped permissions", "Actions").
var permissions = map[string]string{metadataRead: "metadata/read", deletes: "content/delete"}

// api asks about one repository.
type api struct {
	over       *oci.Client
	log        *slog.Logger
	repository config.Repository

	mu      sync.Mutex
	clients map[string]*http.Client // by action
	warned  bool
	known   *known
}

// known is what was said of the repository last.
type known struct {
	attributes attributes
	tags       map[string]tag
}

// client returns a client with a token for an action.
func (a *api) client(ctx context.Context, action string) (*http.Client, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if client := a.clients[action]; client != nil {
		return client, nil
	}
	client, err := a.over.Authorized(ctx, a.repository, action)
	if err != nil {
		return nil, err
	}
	if a.clients == nil {
		a.clients = map[string]*http.Client{}
	}
	a.clients[action] = client
	return client, nil
}

// ask sends a request to a path below "/acr/v1/REPOSITORY". subject names what an
// error is about.
//
// Errors: registry.ErrNotFound if the tag or the repository does not exist, with
// registry.ErrNoRepository for the latter.
func (a *api) ask(ctx context.Context, method, path, action, subject string, into any) (http.Header, error) {
	if err := ctx.Err(); err != nil {
		return nil, a.over.Failure(a.repository, subject, err)
	}
	client, err := a.client(ctx, action)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, a.over.URL(a.repository, "/acr/v1/"+a.repository.Path+path), nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, a.over.Failure(a.repository, subject, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if err := transport.CheckError(resp, http.StatusOK, http.StatusAccepted); err != nil {
		return nil, a.refusal(subject, action, err)
	}
	if into == nil {
		return resp.Header, nil
	}
	if err := oci.Decode(resp, into); err != nil {
		return nil, fmt.Errorf("%s: %w", subject, err)
	}
	return resp.Header, nil
}

// refusal explains an answer. Codes and statuses are those of the recordings in
// azure-sdk-for-go, and of Azure/acr-cli#70 for what is locked.
func (a *api) refusal(subject, action string, err error) error {
	var answer *transport.Error
	if !errors.As(err, &answer) || answer.StatusCode >= http.StatusInternalServerError || answer.StatusCode == http.StatusTooManyRequests {
		return a.over.Failure(a.repository, subject, err)
	}
	text, causes := subject+": "+a.over.Reason(a.repository, err), []error{err}
	switch {
	case answer.StatusCode == http.StatusNotFound:
		causes = append(causes, registry.ErrNotFound)
		if slices.ContainsFunc(answer.Errors, func(d transport.Diagnostic) bool { return d.Code == transport.NameUnknownErrorCode }) {
			causes = append(causes, registry.ErrNoRepository)
		}
	case isForbidden(err):
		text += fmt.Sprintf("; the credentials for %s lack the permission %s (%s) on %s", a.repository.Host, permissions[action], action, a.repository.Path)
	case oci.IsLocked(err):
		text += locked
	}
	return registry.Explain(text, "", causes...)
}

const locked = "; it is locked (deleteEnabled or writeEnabled is false): \"az acr repository update\" unlocks it"

func isForbidden(err error) bool {
	var answer *transport.Error
	return errors.As(err, &answer) && (answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden)
}
