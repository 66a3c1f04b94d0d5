package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"tagline/reconcile/demo"
)

// A run leaves nothing running, whether it does something, has nothing to do or
// fails.
func TestNothingIsLeftRunning(t *testing.T) {
	registry, err := demo.Start()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := demo.Seed(t.Context(), registry.Host()); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "images.yaml")
	if err := os.WriteFile(file, []byte(demo.ImagesYAML()), 0o600); err != nil {
		t.Fatal(err)
	}
	before := goleak.IgnoreCurrent()
	for _, test := range []struct {
		host string
		want int
	}{{registry.Host(), exitDone}, {registry.Host(), exitDone}, {"no-such-host.invalid", exitFailed}} {
		var out bytes.Buffer
		args := []string{"apply", "-f", file, "--registry", test.host, "--cache-dir", filepath.Join(dir, "cache")}
		if code := run(t.Context(), args, &out, &out); code != test.want {
			t.Fatalf("exit code %d from %s\n%s", code, test.host, out.Bytes())
		}
	}
	goleak.VerifyNone(t, before) // the registry's ends of the connections too
	if err := registry.Close(); err != nil {
		t.Fatal(err)
	}
}
