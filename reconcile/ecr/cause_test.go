package ecr_test

import (
	"fmt"
	"testing"
	"time"

	"tagline/config"
	"tagline/reconcile/demo"
	"tagline/reconcile/ecr/ecrtest"
	"tagline/reconcile/registry"
)

// The repository that ECR names in its message is no part of the cause.
func TestCause(t *testing.T) {
	server := emulate(t, ecrtest.Options{})
	c := open(t)
	for _, path := range []string{"app", "team/other"} {
		if _, err := server.Seed(path, time.Now(), demo.Image{Tag: "1", Platforms: []string{"linux/amd64"}}); err != nil {
			t.Fatal(err)
		}
		server.Script(ecrtest.Fault{Operation: "BatchGetImage", Do: ecrtest.Refuse("AccessDeniedException", "not authorized to perform ecr:BatchGetImage on repository/"+path)})
		err := c.Reader(config.Repository{Host: host, Path: path}).Manifests(t.Context(), []string{"1"})[0].Err
		const want = host + ": BatchGetImage: AccessDeniedException; allow ecr:BatchGetImage to whoever runs tagline, and if the registry is another account's, in the repository's policy"
		if got := registry.Cause(fmt.Errorf("source: %w", err)); got != want {
			t.Errorf("%v is caused by %q, want %q", err, got, want)
		}
	}
}
