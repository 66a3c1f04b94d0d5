package main

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"runtime/debug"
	"testing"
	"time"

	"tagline/reconcile/oci/ocitest"
)

var update = flag.Bool("update", false, "write what commands print into the scripts and pages that compare it")

// TestMain makes the test binary tagline and crane, too, whenever a test runs
// one of them as a command, and the [runner] of a script. tagline waits for a moment
// before it asks a registry again, instead of seconds, unless all tests run.
func TestMain(m *testing.M) {
	if !ocitest.All() {
		patience.Backoff = 10 * time.Millisecond
	}
	switch filepath.Base(os.Args[0]) {
	case "tagline":
		main()
	case "crane":
		ocitest.Crane()
	case "runner":
		runTasks()
	default:
		os.Exit(testAll(m))
	}
}

// testAll runs more tests at a time than there are processors, since most of them
// wait, and collects garbage less often: there is much and little is kept. It hides
// the credentials of whoever runs them, and puts the commands in front of $PATH.
func testAll(m *testing.M) int {
	debug.SetGCPercent(400)
	bin, err := os.MkdirTemp("", "tagline")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(bin) }()
	binary, err := os.Executable()
	for _, name := range []string{"tagline", "crane", "runner"} {
		err = errors.Join(err, os.Symlink(binary, filepath.Join(bin, name)))
	}
	err = errors.Join(err, flag.Set("test.parallel", "8"),
		os.Setenv("DOCKER_CONFIG", "/nonexistent"),
		os.Setenv("PATH", bin+string(filepath.ListSeparator)+os.Getenv("PATH")))
	if err != nil {
		panic(err)
	}
	return m.Run()
}

// self is this test binary under the name by which it is tagline.
func self(tb testing.TB) string {
	binary, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	link := filepath.Join(tb.TempDir(), "tagline")
	if err := os.Symlink(binary, link); err != nil {
		tb.Fatal(err)
	}
	return link
}
