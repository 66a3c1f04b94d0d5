package oci

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"tagline/config"
	"tagline/reconcile/demo"
	"tagline/reconcile/oci/ocitest"
	"tagline/reconcile/oci/transport"
	"tagline/reconcile/registry"
)

// page answers with tags and a link to the next page, if there is one.
func page(next string, tags ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if next != "" {
			w.Header().Set("Link", "<"+next+">; rel=\"next\"")
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"name": "app", "tags": tags})
	}
}

func TestTagsThatCannotBeListed(t *testing.T) {
	endless := 0
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		want    string
		absent  bool
	}{
		"no repository":  {answer(404, `{"errors":[{"code":"NAME_UNKNOWN","message":"unknown"}]}`), "not found: NAME_UNKNOWN: unknown", true},
		"a page of HTML": {answer(404, "<html>", "Content-Type", "text/html"), "page of HTML", false},
		"forbidden":      {answer(403, ""), "403 Forbidden", false},
		"not JSON":       {answer(200, "<html>"), "answered with no list (invalid character '<' looking for beginning of value): is there a proxy", false},
		"a circle":       {page("/v2/app/tags/list?n=1000", "1.0"), "its pages lead in a circle", false},
		"another host":   {page("http://127.0.0.1:1/v2/app/tags/list", "1.0"), "does not match registry host", false},
		"new tags for ever": {func(w http.ResponseWriter, r *http.Request) {
			endless++
			page(r.URL.String(), fmt.Sprint(endless))(w, r)
		}, "more than 1000 pages", false},
		"cut off": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "1000")
			page("", "1.0")(w, r)
		}, "unexpected EOF", false},
		"a gigabyte": {answer(200, `["`+strings.Repeat("x", transport.MaxList)+`"]`), "more than the", false},
	} {
		t.Run(name, func(t *testing.T) {
			server := serve(t, map[string]http.HandlerFunc{"/v2/app/tags/list": test.handler})
			tags, err := newClient(t, Options{}).Reader(server.app()).Tags(t.Context())
			if err == nil || !strings.Contains(err.Error(), test.want) || len(tags) > 0 {
				t.Errorf("tags %q, error %v, want %q", tags, err, test.want)
			}
			if errors.Is(err, registry.ErrNotFound) != test.absent {
				t.Errorf("%v is absent: %v", err, !test.absent)
			}
		})
	}
}

func TestTagsOverPages(t *testing.T) {
	pages := map[string]http.HandlerFunc{
		"":  page("/v2/app/tags/list?last=a", "b", "a"), // not sorted
		"a": page("?last=c", "a", "c"),
		"c": page(""),
	}
	server := serve(t, map[string]http.HandlerFunc{"/v2/app/tags/list": func(w http.ResponseWriter, r *http.Request) {
		pages[r.URL.Query().Get("last")](w, r)
	}})
	tags, err := newClient(t, Options{}).Reader(server.app()).Tags(t.Context())
	if err != nil || !slices.Equal(tags, []string{"b", "a", "c"}) {
		t.Errorf("tags %q, %v", tags, err)
	}
}

func TestTagsOfRealRegistries(t *testing.T) {
	ocitest.Each(t, func(t *testing.T, host string) {
		if _, err := demo.Seed(t.Context(), host); err != nil {
			t.Fatal(err)
		}
		c := newClient(t, Options{})
		tags, err := c.Reader(config.Repository{Host: host, Path: demo.SampleRepository}).Tags(t.Context())
		slices.Sort(tags)
		if err != nil || !slices.Equal(tags, []string{"10.10", "10.20"}) {
			t.Errorf("tags %q, %v", tags, err)
		}
	})
}
