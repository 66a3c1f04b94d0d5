package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tagline/config"
)

// config warns if what it prints is larger than a file may be.
func TestConfigTooLarge(t *testing.T) {
	for _, test := range []struct {
		images int
		warns  bool
	}{{10, false}, {10_000, true}} {
		var file strings.Builder
		file.WriteString("registry: localhost:5000\nprofiles: {service: {aliases: {1: 1.1}}}\nuse: service\nimages:\n")
		for i := range test.images {
			fmt.Fprintf(&file, "  app-%d:\n", i)
		}
		name := filepath.Join(t.TempDir(), "images.yaml")
		if err := os.WriteFile(name, []byte(file.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		var out, log bytes.Buffer
		if code := run(t.Context(), []string{"config", "-f", name}, &out, &log); code != exitDone {
			t.Fatalf("exit code %d\n%s", code, log.Bytes())
		}
		if larger := out.Len() > config.MaxBytes; larger != test.warns || strings.Contains(log.String(), "more than 5242880 bytes (5 MiB)") != test.warns {
			t.Errorf("%d images: %d bytes, and it says %q", test.images, out.Len(), log.Bytes())
		}
	}
}
