package azure_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"tagline/config"
	"tagline/reconcile/azure/azuretest"
	"tagline/reconcile/demo"
	"tagline/reconcile/ecr"
	"tagline/reconcile/kinds"
	"tagline/reconcile/kinds/kindstest"
	"tagline/reconcile/oci"
	"tagline/reconcile/oci/transport"
	"tagline/reconcile/registry"
)

type login authn.AuthConfig

func (l login) Resolve(authn.Resource) (authn.Authenticator, error) {
	return authn.FromConfig(authn.AuthConfig(l)), nil
}

func openAs(t *testing.T, r *azuretest.Registry, options oci.Options) (*kinds.Client, *kinds.Writers) {
	t.Helper()
	c := kinds.New(ecr.Options{OCI: options}, map[string]config.Registry{r.Host: {Kind: config.Azure}})
	t.Cleanup(c.Close)
	return c, kinds.NewWriters(c)
}

const noUser = "00000000-0000-0000-0000-000000000000" // what az acr login writes as the user

// Every credential that docker's config.json may have for a registry of Azure's.
func TestLogins(t *testing.T) {
	for name, test := range map[string]struct {
		auth authn.AuthConfig
		ok   bool
	}{
		"an admin, a service principal or a token": {authn.AuthConfig{Username: "robot", Password: "secret"}, true},
		"az acr login":                          {authn.AuthConfig{Username: noUser, IdentityToken: "refresh"}, true},
		"a helper that gives an identity token": {authn.AuthConfig{IdentityToken: "refresh"}, true},
		"a wrong password":                      {authn.AuthConfig{Username: "robot", Password: "wrong"}, false},
		"an identity token that has ended":      {authn.AuthConfig{IdentityToken: "old"}, false},
		"nothing":                               {authn.AuthConfig{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := azuretest.Start(t)
			r.User, r.Password, r.Refresh = "robot", "secret", "refresh"
			images := []demo.Image{{Tag: "1.0", Platforms: intel}, {Tag: "1.1", Platforms: intel}}
			digests, err := demo.Push(t.Context(), r.Host, "team/app", images, remote.WithAuth(&authn.Basic{Username: "robot", Password: "secret"}))
			if err != nil {
				t.Fatal(err)
			}
			c, w := openAs(t, r, oci.Options{Patience: transport.Patience{Attempts: 1}, Keychain: login(test.auth)})
			reader, writer := c.Reader(at(r, "team/app")), w.Writer(at(r, "team/app"))
			_, listErr := reader.Inventory(t.Context())
			_, factsErr := reader.Facts(t.Context())
			errs := []error{listErr}
			errs = append(errs, writer.DeleteTags(t.Context(), []registry.TagDigest{{Tag: "1.0", Digest: digests["1.0"]}})...)
			errs = append(errs, writer.DeleteManifests(t.Context(), kindstest.Removals(digests, "1.1"))...)
			for i, err := range errs {
				if (err == nil) != test.ok {
					t.Errorf("answer %d: %v", i, err)
				}
				if err != nil && !strings.Contains(err.Error(), "docker login") {
					t.Errorf("answer %d does not say what to do: %v", i, err)
				}
			}
			if test.ok && factsErr != nil {
				t.Errorf("facts: %v", factsErr)
			}
		})
	}
}

// Each permission that is missing is named, and only what needs it fails.
func TestPermissions(t *testing.T) {
	for action, test := range map[string]struct {
		named                     string
		lists, facts, tag, delete bool
	}{
		"metadata_read": {"metadata/read", false, true, true, false},
		"delete":        {"content/delete", true, true, false, false},
	} {
		t.Run(action, func(t *testing.T) {
			r := azuretest.Start(t)
			digests := push(t, r, "app", "1.0", "1.1", "1.2", "1.3", "1.4")
			r.Deny(action)
			var log bytes.Buffer
			c, w := openAs(t, r, oci.Options{Patience: transport.Patience{Attempts: 1}, Logger: slog.New(slog.NewTextHandler(&log, nil))})
			reader, writer := c.Reader(at(r, "app")), w.Writer(at(r, "app"))
			check := func(what string, ok bool, err error) {
				t.Helper()
				if (err == nil) != ok || err != nil && !strings.Contains(err.Error(), test.named) {
					t.Errorf("%s: %v", what, err)
				}
				if host := (*registry.HostError)(nil); errors.As(err, &host) {
					t.Errorf("%s: the host is blamed: %v", what, err)
				}
			}
			_, err := reader.Inventory(t.Context())
			check("inventory", test.lists, err)
			_, err = reader.Facts(t.Context())
			check("facts", test.facts, err)
			if warned := strings.Contains(log.String(), "what is locked can't be read"); warned == test.lists {
				t.Errorf("the log is\n%s", log.String())
			}
			for i, answer := range reader.Resolve(t.Context(), []string{"1.0", "1.1", "1.2", "1.3", "1.4"}) {
				if answer.Err != nil {
					t.Errorf("tag %d: %v", i, answer.Err)
				}
			}
			r.Requests()
			errs := writer.DeleteTags(t.Context(), []registry.TagDigest{{Tag: "1.0", Digest: digests["1.0"]}, {Tag: "1.1", Digest: digests["1.1"]}, {Tag: "1.2", Digest: digests["1.2"]}})
			for _, err := range errs {
				check("a tag", test.tag, err)
			}
			if n := strings.Count(strings.Join(r.Requests(), "\n"), "DELETE"); !test.tag && n > 2 { // with a token, and with another
				t.Errorf("%d deletions were tried without the permission", n)
			}
			check("a manifest", test.delete, writer.DeleteManifests(t.Context(), kindstest.Removals(digests, "1.3"))[0])
		})
	}
}

// A repository that was never pushed is no error of a listing's own.
func TestNeverPushed(t *testing.T) {
	r := azuretest.Start(t)
	c, _ := open(t, r)
	reader := c.Reader(at(r, "team/none"))
	if _, err := reader.Inventory(t.Context()); !errors.Is(err, registry.ErrNotFound) || !errors.Is(err, registry.ErrNoRepository) || !strings.Contains(err.Error(), "is not found") {
		t.Errorf("inventory: %v", err)
	}
	if facts, err := reader.Facts(t.Context()); err != nil || facts.Missing || facts.Locked {
		t.Errorf("facts: %+v, %v", facts, err)
	}
}

// A tag that another job moves while its deletion waits stays.
func TestTagMovesWhileItsDeletionWaits(t *testing.T) {
	r := azuretest.Start(t)
	digests := push(t, r, "app", "1.0", "1.1")
	deletions := 0
	r.Around(func(w http.ResponseWriter, req *http.Request, next http.HandlerFunc) {
		if req.Method != http.MethodDelete {
			next(w, req)
			return
		}
		deletions++
		if _, err := demo.Push(t.Context(), r.Host, "app", []demo.Image{{Tag: "1.0", Platforms: intel, Version: "1.1"}}); err != nil {
			t.Error(err)
		}
		http.Error(w, `{"errors":[{"code":"TOOMANYREQUESTS","message":"too many requests, please retry later"}]}`, http.StatusTooManyRequests)
	})
	_, w := openAs(t, r, oci.Options{Patience: transport.Patience{Attempts: 3, Backoff: time.Millisecond}})
	err := w.Writer(at(r, "app")).DeleteTags(t.Context(), []registry.TagDigest{{Tag: "1.0", Digest: digests["1.0"]}})[0]
	if moved := (*registry.MovedError)(nil); !errors.As(err, &moved) || deletions != 1 {
		t.Errorf("got %v after %d deletions", err, deletions)
	}
}

// A rate limit in the middle of deletions and of a listing is waited for.
func TestRateLimit(t *testing.T) {
	r := azuretest.Start(t)
	tags := strings.Fields("1.0 1.1 1.2 1.3 1.4 1.5")
	digests := push(t, r, "app", tags...)
	var reads, deletions, refused atomic.Int64
	r.Around(func(w http.ResponseWriter, req *http.Request, next http.HandlerFunc) {
		deletes := req.Method == http.MethodDelete
		if !deletes && strings.HasSuffix(req.URL.Path, "_manifests") && reads.Add(1) == 1 || deletes && deletions.Add(1) == 2 {
			refused.Add(1)
			w.Header().Set("Retry-After", "0") // package transport tests the wait
			http.Error(w, `{"errors":[{"code":"TOOMANYREQUESTS","message":"too many requests, please retry later"}]}`, http.StatusTooManyRequests)
			return
		}
		next(w, req)
	})
	c, w := openAs(t, r, oci.Options{Patience: transport.Patience{Attempts: 9, Backoff: time.Millisecond}})
	if _, err := c.Reader(at(r, "app")).Inventory(t.Context()); err != nil {
		t.Errorf("inventory: %v", err)
	}
	writer := w.Writer(at(r, "app"))
	var due []registry.TagDigest
	for _, tag := range tags[:3] {
		due = append(due, registry.TagDigest{Tag: tag, Digest: digests[tag]})
	}
	for i, err := range append(writer.DeleteTags(t.Context(), due), writer.DeleteManifests(t.Context(), kindstest.Removals(digests, "1.3", "1.4"))...) {
		if err != nil {
			t.Errorf("deletion %d: %v", i, err)
		}
	}
	if n := refused.Load(); n != 2 {
		t.Errorf("%d requests were refused", n)
	}
	if left := r.Manifests("app"); len(left) != 4 {
		t.Errorf("%d manifests are left, want 4", len(left))
	}
}

// Without patience it is the host that is blamed, and nothing else is tried.
func TestRateLimitThatLasts(t *testing.T) {
	r := azuretest.Start(t)
	digests := push(t, r, "app", "1.0")
	r.Around(func(w http.ResponseWriter, req *http.Request, next http.HandlerFunc) {
		if strings.HasPrefix(req.URL.Path, "/acr/") {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		next(w, req)
	})
	_, w := open(t, r)
	err := w.Writer(at(r, "app")).DeleteTags(t.Context(), []registry.TagDigest{{Tag: "1.0", Digest: digests["1.0"]}})[0]
	if host := (*registry.HostError)(nil); !errors.As(err, &host) || !strings.Contains(err.Error(), "1h0m0s") {
		t.Errorf("deletion: %v", err)
	}
}

// A token that ends during a run is replaced.
func TestTokenEnds(t *testing.T) {
	r := azuretest.Start(t)
	tags := strings.Fields("1.0 1.1 1.2 1.3")
	digests := push(t, r, "app", tags...)
	_, w := open(t, r)
	writer := w.Writer(at(r, "app"))
	for i, tag := range tags {
		ended := false
		r.Around(func(w http.ResponseWriter, req *http.Request, next http.HandlerFunc) {
			if !ended && strings.HasPrefix(req.URL.Path, "/acr/") {
				ended = true
				req.Header.Del("Authorization")
			}
			next(w, req)
		})
		if err := writer.DeleteTags(t.Context(), []registry.TagDigest{{Tag: tag, Digest: digests[tag]}})[0]; err != nil || !ended {
			t.Errorf("deletion %d: %v", i, err)
		}
	}
}
