package ecr_test

import (
	"errors"
	"fmt"
	"slices"
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
	var digests []string
	for _, o := range objects {
		if !registry.KnownType(o.MediaType) {
			digests = append(digests, o.Digest.String())
		}
	}
	// Two calls, each with digests of layers that are there.
	many := []string{digests[0]}
	for i := range 150 {
		many = append(many, fmt.Sprintf("sha256:%064x", i))
	}
	many = append(many, digests[1:]...)
	check := func(gone string) {
		t.Helper()
		server.ResetCalls()
		for i, a := range open(t, myImage).Reader(myImage).HasBlobs(t.Context(), many) {
			if want := slices.Contains(digests, many[i]) && many[i] != gone; a.Err != nil || a.Value != want {
				t.Errorf("%s: %+v, want %v", many[i], a, want)
			}
		}
		if n := server.Calls()["BatchCheckLayerAvailability"]; n != 2 {
			t.Errorf("%d calls, want 2", n)
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
