package ecr_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"tagline/config"
	"tagline/reconcile/demo"
	"tagline/reconcile/ecr/ecrtest"
	"tagline/reconcile/registry"
)

// A layer exists until ECR removes it, whether an image uses it or not.
func TestHasBlobs(t *testing.T) {
	server := seeded(t, ecrtest.Options{})
	objects, err := demo.Samples()[0].Objects()
	if err != nil {
		t.Fatal(err)
	}
	digests := []string{"sha256:" + strings.Repeat("0", 64)}
	for _, o := range objects {
		if !registry.KnownType(o.MediaType) {
			digests = append(digests, o.Digest.String())
		}
	}
	many := slices.Repeat(digests, 150/len(digests)) // more than one call can ask for
	check := func(gone string) {
		t.Helper()
		for i, a := range open(t, myImage).Reader(myImage).HasBlobs(t.Context(), many) {
			if want := many[i] != digests[0] && many[i] != gone; a.Err != nil || a.Value != want {
				t.Errorf("%s: %+v, want %v", many[i], a, want)
			}
		}
	}
	check("")
	server.DeleteLayer("my-image", digests[1])
	check(digests[1])
	if a := open(t).Reader(myImage).HasBlobs(t.Context(), []string{"sha256:no"})[0]; a.Err == nil {
		t.Errorf("no digest: %+v, want an error", a)
	}
	elsewhere := config.Repository{Host: host, Path: "nope"}
	if a := open(t).Reader(elsewhere).HasBlobs(t.Context(), digests)[0]; !errors.Is(a.Err, registry.ErrNoRepository) {
		t.Errorf("no repository: %+v", a)
	}
}
