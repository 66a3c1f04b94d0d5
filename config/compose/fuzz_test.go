package compose_test

import (
	"flag"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"

	"tagline/config/compose"
)

// TestMain collects garbage less often: tests of large files allocate much and keep little.
// It tests properties with 30 random cases, or with TAGLINE_TEST_ALL with rapid's 100.
func TestMain(m *testing.M) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	if os.Getenv("TAGLINE_TEST_ALL") == "" {
		_ = flag.Set("rapid.checks", "30")
	}
	logrus.SetLevel(logrus.PanicLevel) // compose-go's own words on unset variables
	os.Exit(m.Run())
}

// FuzzLoad: whatever a compose file and a .env file say, there is an answer,
// every finding is one line with a place, and nothing above is read.
func FuzzLoad(f *testing.F) {
	f.Add([]byte("services: {a: {image: \"app:${TAG:-10}\", platform: linux/arm64}}\n"), []byte("TAG=1\n"))
	f.Add([]byte("x: &a [1]\nservices:\n  a: {extends: b}\n  b: {<<: {image: x}, build: .}\n---\nservices: {a: !reset null}\n"), []byte("A='b\nc'\nB=\"$A\"\n"))
	f.Add([]byte("include: [{path: [../a.yml, /etc/passwd], env_file: x, project_directory: ..}]\n"), []byte("export A\nB: ${A:?no}\n"))
	f.Add([]byte("services: &s\n  <<: [*s, {a: {image: 1.10}}]\n"), []byte("A=${A:-${A:-${A}}}"))
	f.Add([]byte("include: [compose.yml, \"${X}\"]\nservices: {a: {extends: {file: ./compose.yml, service: a}}}"), []byte("X=./compose.yml"))
	f.Add([]byte("include: [\"../${HOME}\"]\nservices: {a: {image: \"localhost:5000/app:${B}${HOME:?${HOME}}\", platform: \"$C\"}}"), []byte("B=$HOME\nC=x${B}\nHOME"))
	f.Add([]byte("services: {a: {extends: \"$HOME\", image: \"localhost:5000/app:${NOPE:?${HOME}}\"}}"), []byte("A=${NOPE:?$HOME}"))
	dir := f.TempDir()
	cfg := parseConfig(f)
	f.Fuzz(func(t *testing.T, file, env []byte) {
		for name, data := range map[string][]byte{"compose.yml": file, ".env": env} {
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		services, err := compose.Load(filepath.Join(dir, "compose.yml"), map[string]string{"HOME": "/nowhere"})
		lines := []string{}
		if err != nil {
			lines = strings.Split(err.Error(), "\n")
		}
		for _, f := range compose.Check(cfg, services).Findings {
			lines = append(lines, f.Error())
		}
		for _, line := range lines {
			if !strings.HasPrefix(line, dir) || strings.ContainsAny(line, "\x00\x1b\r\n") || strings.Contains(line, "nowhere") {
				t.Errorf("%q", line)
			}
		}
	})
}
