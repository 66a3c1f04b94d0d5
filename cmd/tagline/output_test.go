package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"tagline/reconcile/demo"
	"tagline/reconcile/oci/ocitest"
)

// A reader of the report that goes away ends neither the run nor its other
// reports; the exit code tells.
func TestClosedStdout(t *testing.T) {
	host := ocitest.Olareg(t)
	if _, err := demo.Seed(t.Context(), host); err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Close()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "images.yaml"), []byte("images: {my-image: {aliases: {1: 10.10, 2: 10.20}}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self(t), "apply", "--registry", host, "-o", "text", "-o", "json=result.json")
	var stderr strings.Builder
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, w, &stderr
	err = cmd.Run()
	_ = w.Close()
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != exitFailed || !strings.Contains(stderr.String(), "broken pipe") {
		t.Errorf("%v, stderr:\n%s", err, stderr.String())
	}
	result, err := os.ReadFile(filepath.Join(dir, "result.json"))
	if err != nil || strings.Count(string(result), `"outcome": "done"`) != 2 {
		t.Errorf("%v\n%s", err, result)
	}
}
