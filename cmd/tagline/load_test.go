//go:build unix

package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// An interruption ends a check that still reads its files: here a pipe that has no
// writer.
func TestInterruptedWhileLoading(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "images.yaml")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"check", "config"} {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		var out, log bytes.Buffer
		code := run(ctx, []string{command, "-f", pipe}, &out, &log)
		if code != exitFailed || out.Len() > 0 || !strings.Contains(log.String(), "the run was interrupted") {
			t.Errorf("%s: exit code %d\n%s%s", command, code, out.Bytes(), log.Bytes())
		}
		writer, err := os.OpenFile(pipe, os.O_WRONLY, 0) // lets the reader go on, and end
		if err != nil {
			t.Fatal(err)
		}
		if err := writer.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
