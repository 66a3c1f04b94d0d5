package ocitest

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Option returns a section for the configuration of a [Distribution]. It writes
// the files that the section names into dir.
type Option func(t testing.TB, dir string) (section string)

// User and Password are the login that [BasicAuth] accepts.
const (
	User     = "tagline"
	Password = "secret"
)

// BasicAuth makes a [Distribution] ask for [User] and [Password].
func BasicAuth(t testing.TB, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "htpasswd")
	// The bcrypt hash of Password at the lowest cost, since every request
	// checks it.
	write(t, path, User+":$2a$04$ZU9TKROUCtbfYt/tfWhSPO/ftWOKPxOF8jLfQ817AaovsVr/6Wjmm\n")
	return fmt.Sprintf("auth: {htpasswd: {realm: ocitest, path: %q}}\n", path)
}

// Distribution starts an empty CNCF distribution, the reference registry, with
// deletions enabled, and returns its host. It deletes by tag and by digest, and
// has no referrers API. Without bin/registry the test is skipped, or fails if
// TAGLINE_TEST_TOOLS is set, as `make test` sets it.
func Distribution(t testing.TB, options ...Option) string {
	t.Helper()
	if !HasDistribution(t) {
		t.Skip(missing)
	}
	dir := memory(t)
	config := "version: 0.1\n" +
		"log: {level: info, accesslog: {disabled: true}}\n" + // the log names the port
		"http: {addr: \"127.0.0.1:0\"}\n" +
		fmt.Sprintf("storage: {filesystem: {rootdirectory: %q}, delete: {enabled: true}}\n", filepath.Join(dir, "storage"))
	for _, option := range options {
		config += option(t, dir)
	}
	write(t, filepath.Join(dir, "config.yml"), config)

	cmd := exec.Command(program(t), "serve", filepath.Join(dir, "config.yml"))
	cmd.Env = append(os.Environ(), quiet...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	host, drained := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(drained)
		follow(stderr, host)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // fails only if it has already ended
		<-drained
		_ = cmd.Wait() // "signal: killed"
	})
	address := <-host
	if !strings.HasPrefix(address, "127.0.0.1:") {
		t.Fatalf("registry did not start:\n%s", address)
	}
	resp, err := http.Get("http://" + address + "/v2/")
	if err != nil {
		t.Fatalf("registry does not answer: %v", err)
	}
	_ = resp.Body.Close()
	return address
}

// quiet are variables that make distribution work less for the same answers. It writes
// every span of its traces into its log, whatever OTEL_TRACES_EXPORTER says, when it has
// a batch of them or a delay is over. No test reaches these two limits. Spans and garbage
// took a quarter of its processor time.
var quiet = []string{
	"GOGC=400",
	"OTEL_TRACES_EXPORTER=none",
	"OTEL_BSP_SCHEDULE_DELAY=3600000", // ms
	"OTEL_BSP_MAX_QUEUE_SIZE=65536",
	"OTEL_BSP_MAX_EXPORT_BATCH_SIZE=65536",
}

// Registry starts an empty registry for a test that needs one of any kind: CNCF
// distribution if its binary exists, else olareg.
func Registry(t testing.TB) string {
	t.Helper()
	if HasDistribution(t) {
		return Distribution(t)
	}
	return Olareg(t)
}

// Each runs a test on an empty registry of each kind.
func Each(t *testing.T, test func(t *testing.T, host string)) {
	t.Run("olareg", func(t *testing.T) { test(t, Olareg(t)) })
	t.Run("distribution", func(t *testing.T) { test(t, Distribution(t)) })
}

const missing = "bin/registry is missing: `make tools` installs it"

// HasDistribution reports whether bin/registry exists. If it does not and
// TAGLINE_TEST_TOOLS is set, the test fails.
func HasDistribution(t testing.TB) bool {
	t.Helper()
	_, err := os.Stat(program(t))
	if err != nil && os.Getenv("TAGLINE_TEST_TOOLS") != "" {
		t.Fatal(missing)
	}
	return err == nil
}

func program(t testing.TB) string {
	t.Helper()
	return filepath.Join(moduleRoot(t), "bin", "registry")
}

// memory returns a folder that is deleted after the test. On Linux it is in
// memory, since distribution waits for the disk after each write.
func memory(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "ocitest") //nolint:usetesting // t.TempDir is on the disk
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// follow reads a log to its end. It sends the address that the registry listens
// on, or the whole log if the registry ends without one.
func follow(log io.Reader, host chan<- string) {
	listening := regexp.MustCompile(`listening on (127\.0\.0\.1:\d+)`)
	var lines strings.Builder
	for scan := bufio.NewScanner(log); scan.Scan(); {
		if match := listening.FindStringSubmatch(scan.Text()); match != nil {
			host <- match[1]
			_, _ = io.Copy(io.Discard, log)
			return
		}
		lines.WriteString(scan.Text() + "\n")
	}
	host <- lines.String()
}

// moduleRoot returns the folder of go.mod. Tests run in the folder of their
// package.
func moduleRoot(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no go.mod in the working directory or above it")
		}
		dir = parent
	}
}

func write(t testing.TB, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
