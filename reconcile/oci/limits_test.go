package oci

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tagline/config"
	"tagline/reconcile/oci/ocitest"
	"tagline/reconcile/oci/transport"
	"tagline/reconcile/registry"
)

// everySecond refuses every second matching request.
func everySecond(status int) ocitest.Action {
	var n atomic.Int64
	return func(w http.ResponseWriter, r *http.Request, upstream http.Handler) {
		if n.Add(1)%2 == 1 {
			w.WriteHeader(status)
			return
		}
		upstream.ServeHTTP(w, r)
	}
}

// A copy succeeds whichever of its requests are refused at first, and the
// copied image is whole.
func TestCopyUnderLimits(t *testing.T) {
	for name, faults := range map[string][]ocitest.Fault{
		"every second request": {{Do: everySecond(429)}},
		"every second upload":  {{Method: "POST", Do: everySecond(429)}, {Method: "PATCH", Do: everySecond(429)}, {Method: "PUT", Path: "/uploads/", Do: everySecond(429)}},
		"uploads when busy":    {{Method: "POST", Do: everySecond(503)}, {Method: "PATCH", Times: 2, Do: ocitest.Status(503)}, {Method: "PUT", Path: "/uploads/", Skip: 2, Times: 1, Do: ocitest.Status(503)}},
	} {
		t.Run(name, func(t *testing.T) {
			everyRegistry(t, func(t *testing.T, proxy *ocitest.RegistryProxy) {
				source := ocitest.Olareg(t)
				digest := ocitest.PushFixtures(t, ocitest.AppOCI, source, "app")["10.30"]
				proxy.Script(faults...)
				c := newClient(t, Options{Patience: transport.Patience{Attempts: 10, Backoff: time.Millisecond}}) // all refusals may hit one request
				app := config.Repository{Host: proxy.Host, Path: "app"}
				if err := NewWriters(c).Writer(app).Copy(t.Context(), config.Repository{Host: source, Path: "app"}, digest); err != nil {
					t.Fatal(err)
				}
				if proxy.Faults() == 0 {
					t.Error("nothing was refused")
				}
				proxy.Script()
				missing, err := missingBelow(t, c, app, digest)
				if len(missing) > 0 || err != nil {
					t.Errorf("missing %v, %v", missing, err)
				}
			})
		})
	}
}

// Copies work on a registry that does not answer HEAD for blobs, or says that
// every blob is absent.
func TestCopyWithoutHead(t *testing.T) {
	for name, status := range map[string]int{"405": 405, "501": 501, "404": 404} {
		t.Run(name, func(t *testing.T) {
			source, proxy := ocitest.Olareg(t), ocitest.Proxy(t, ocitest.Olareg(t))
			digest := ocitest.PushFixtures(t, ocitest.AppOCI, source, "app")["10.30"]
			proxy.Script(ocitest.Fault{Method: "HEAD", Do: ocitest.Status(status)})
			c := newClient(t, Options{})
			app := config.Repository{Host: proxy.Host, Path: "app"}
			for range 2 {
				if err := NewWriters(c).Writer(app).Copy(t.Context(), config.Repository{Host: source, Path: "app"}, digest); err != nil {
					t.Fatal(err)
				}
			}
			if missing, err := missingBelow(t, c, app, digest); len(missing) > 0 || err != nil {
				t.Errorf("missing %v, %v", missing, err)
			}
		})
	}
}

// missingBelow reads everything that a manifest refers to, and checks the
// digests.
func missingBelow(t *testing.T, c *Client, app config.Repository, digest string) (missing []string, _ error) {
	t.Helper()
	raw, err := fetch(t, c, app, digest)
	if err != nil {
		return []string{digest}, err
	}
	m, err := registry.ParseManifest(raw)
	if err != nil {
		return nil, err
	}
	for _, child := range m.Children {
		below, err := missingBelow(t, c, app, child.Digest.String())
		if missing = append(missing, below...); err != nil {
			return missing, err
		}
	}
	blobs := []string{}
	for _, layer := range m.Layers {
		blobs = append(blobs, layer.Digest.String())
	}
	if m.IsImage() {
		blobs = append(blobs, m.Config.Digest.String())
	}
	for i, a := range c.Reader(app).Configs(t.Context(), blobs) {
		if a.Err != nil {
			missing = append(missing, blobs[i])
			err = errors.Join(err, a.Err)
		}
	}
	return missing, err
}

// Two hundred aliases of a registry in trouble make one line in the log, with
// one reason.
func TestStormIsOneLine(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		lines  int
		reason string
	}{
		{"429", answer(429, ""), 1, "429 Too Many Requests"},
		{"429 for an hour", answer(429, "", "Retry-After", "3600"), 0, "the registry asks to wait 1h0m0s (Retry-After), longer than the 1m0s that tagline waits"},
		{"503", answer(503, ""), 1, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var log bytes.Buffer
			server := serve(t, map[string]http.HandlerFunc{"/v2/app/manifests/": tt.answer})
			c := newClient(t, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
			tags := make([]string, 200)
			for i := range tags {
				tags[i] = "10." + strings.Repeat("1", i+1)[:1]
			}
			for _, a := range c.Reader(server.app()).Resolve(t.Context(), tags) {
				host := (*registry.HostError)(nil)
				switch {
				case a.Err == nil || errors.Is(a.Err, registry.ErrNotFound):
					t.Errorf("error %v", a.Err)
				case tt.reason == "":
				case !errors.As(a.Err, &host) || host.Error() != server.host+": "+tt.reason || a.Err.Error() != server.host+"/app:10.1: "+tt.reason:
					t.Errorf("error %v", a.Err)
				}
			}
			if lines := strings.Count(log.String(), "\n"); lines != tt.lines || strings.Contains(log.String(), "wait=0s") {
				t.Errorf("%d lines, want %d:\n%s", lines, tt.lines, log.String())
			}
		})
	}
}
