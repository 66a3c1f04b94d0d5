package oci

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"tagline/config"
)

func TestNames(t *testing.T) {
	c := newClient(t, Options{Insecure: []string{"registry.lan"}})
	for repository, want := range map[config.Repository]string{
		{Host: "docker.io", Path: "library/nginx"}: "https://index.docker.io/library/nginx",
		{Host: "ghcr.io", Path: "org/app"}:         "https://ghcr.io/org/app",
		{Host: "localhost:5000", Path: "app"}:      "http://localhost:5000/app",
		{Host: "registry.lan", Path: "app"}:        "http://registry.lan/app",
		{Host: "registry", Path: "app"}:            "https://registry/app",
	} {
		r := c.named(repository)
		if got := r.name.Scheme() + "://" + r.name.Name(); r.err != nil || got != want {
			t.Errorf("%s: %s, %v, want %s", repository, got, r.err, want)
		}
		if got := r.subject("10"); got != repository.String()+":10" {
			t.Errorf("%s is called %s", repository, got)
		}
	}
}

// Neither the log nor an error shows the secrets of a URL.
func TestSecretsStaySecret(t *testing.T) {
	server := serve(t, map[string]http.HandlerFunc{
		"GET /v2/app/manifests/10": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://user:secret@"+r.Host+"/x?signature=secret", http.StatusTemporaryRedirect)
		},
		"/x": answer(500, ""),
	})
	var log bytes.Buffer
	c := newClient(t, Options{
		UserAgent: "tagline/1.2.3",
		Logger:    slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	_, err := fetch(t, c, server.app(), "10")
	if want := server.host + "/app:10: 500 Internal Server Error"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	if strings.Contains(log.String(), "secret") {
		t.Errorf("log has secrets:\n%s", &log)
	}
	for _, part := range []string{"level=DEBUG", "level=WARN", "method=GET", "/v2/app/manifests/10", "status=307", "attempt=1"} {
		if !strings.Contains(log.String(), part) {
			t.Errorf("log has no %s:\n%s", part, &log)
		}
	}
	if got := server.seen[len(server.seen)-1].UserAgent(); !strings.HasPrefix(got, "tagline/1.2.3 ") {
		t.Errorf("user agent %q", got)
	}
}
