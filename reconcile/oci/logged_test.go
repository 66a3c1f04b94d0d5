package oci

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"tagline/config"
	"tagline/reconcile/oci/transport"
)

// The log of a refusal has its body, and no secret of the request or the answer;
// the error that is reported has all of the registry's message and its detail.
func TestLogOfRefusal(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2/" {
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `{"errors":[{"code":"DENIED","message":"no","detail":{"needs":"push"}}],"token":"sesame","at":"https://x.test/?sig=sesame","long":"`+strings.Repeat("a ", 4000)+`"}`)
	}))
	defer server.Close()
	var log bytes.Buffer
	host := strings.TrimPrefix(server.URL, "http://")
	client := New(Options{Logger: slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	defer client.Close()
	err := client.Reader(config.Repository{Host: host, Path: "team/app"}).Manifests(t.Context(), []string{"10"})[0].Err
	if err == nil || !strings.Contains(err.Error(), `DENIED: no ({"needs":"push"})`) {
		t.Errorf("error %v has no detail", err)
	}
	found := false
	for line := range strings.Lines(log.String()) {
		var entry struct {
			Repository, Reference, Body string
			Duration                    any `json:"duration_seconds"`
		}
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatal(err)
		}
		if entry.Body == "" {
			continue
		}
		found = true
		if _, number := entry.Duration.(float64); !number || entry.Repository != host+"/team/app" || entry.Reference != "10" || !strings.Contains(entry.Body, "DENIED") || len(entry.Body) > 2<<10+len("…") {
			t.Errorf("logged %s", line)
		}
	}
	if !found || strings.Contains(log.String(), "sesame") {
		t.Errorf("a body was logged: %t; the log is\n%s", found, &log)
	}
}

// A line of the log has the time that the request waits: what the registry asks for,
// not the back-off.
func TestLoggedWait(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/manifests/") {
			w.Header().Set("Retry-After", "36000")
			w.WriteHeader(http.StatusTooManyRequests)
		}
	}))
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	log := &ending{end: cancel} // the request has begun to wait
	client := New(Options{Logger: slog.New(slog.NewJSONHandler(log, nil)), Patience: transport.Patience{Backoff: time.Millisecond, MaxRetryAfter: 24 * time.Hour}})
	defer client.Close()
	_ = client.Reader(config.Repository{Host: strings.TrimPrefix(server.URL, "http://"), Path: "app"}).Manifests(ctx, []string{"10"})
	var entry struct {
		Repository, Reference string
		Wait                  float64 `json:"wait_seconds"`
	}
	if err := json.Unmarshal(log.Bytes(), &entry); err != nil || entry.Reference != "10" || entry.Wait < 30000 || entry.Wait > 36000 {
		t.Errorf("logged %s, %v", log, err)
	}
}

// ending calls end once something is written.
type ending struct {
	bytes.Buffer
	end func()
}

func (e *ending) Write(p []byte) (int, error) {
	defer e.end()
	return e.Buffer.Write(p)
}
