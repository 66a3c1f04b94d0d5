package google_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"tagline/config"
	"tagline/reconcile/google/googletest"
)

// The list of a large repository has more bytes than any other document may have.
func TestLongList(t *testing.T) {
	const many = 40_000
	var list, names strings.Builder
	for i := range many {
		comma := strings.Repeat(",", min(i, 1))
		fmt.Fprintf(&list, `%s"sha256:%064x":{"imageSizeBytes":"123456","layerId":"","mediaType":"application/vnd.oci.image.manifest.v1+json","tag":["1.%d"],"timeCreatedMs":"1767323045000","timeUploadedMs":"1767323045000"}`, comma, i, i)
		fmt.Fprintf(&names, `%s"1.%d"`, comma, i)
	}
	r := googletest.Start(t)
	r.Around(func(w http.ResponseWriter, req *http.Request, next http.HandlerFunc) {
		if !strings.HasSuffix(req.URL.Path, "/tags/list") {
			next(w, req)
			return
		}
		_, _ = fmt.Fprintf(w, `{"child":[],"manifest":{%s},"name":"app","tags":[%s]}`, list.String(), names.String())
	})
	c, _ := open(t, r)
	all, err := c.Reader(config.Repository{Host: r.Host, Path: "app"}).Inventory(t.Context())
	if err != nil || len(all.Manifests) != many || all.Manifests[7].Tags[0] != "1.7" || all.Manifests[7].Pushed.IsZero() {
		t.Errorf("%d manifests, %v", len(all.Manifests), err)
	}
}

// Answers that no registry of Google's gives.
func TestOddLists(t *testing.T) {
	for body, want := range map[string]string{
		`{"manifest":{"sha256:1":{}},"tags":[]}`: "sha256:1",
		`{"manifest":[],"tags":[]}`:              "is no object",
		`{"manifest":{`:                          "not understood",
		`{"manifest":null,"tags":["1.0"]}`:       "no registry of Google's",
		`{"manifest":{},"tags":"1.0"}`:           "is no array",
		`{"tags":[{"a":1},5]}`:                   "not understood",
		`{"tags":[[1],5,6]}`:                     "not understood",
		`{"tags":["1.0",["1.1"]],"manifest":{}}`: "not understood",
		`[]`:                                     "is no object",
		`<html>`:                                 "not understood",
	} {
		r := googletest.Start(t)
		r.Around(func(w http.ResponseWriter, req *http.Request, next http.HandlerFunc) {
			if !strings.HasSuffix(req.URL.Path, "/tags/list") {
				next(w, req)
				return
			}
			_, _ = fmt.Fprint(w, body)
		})
		c, _ := open(t, r)
		if all, err := c.Reader(config.Repository{Host: r.Host, Path: "app"}).Inventory(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v, %v", body, all, err)
		}
	}
}
