package reconcile_test

import (
	"strings"
	"testing"

	"tagline/config"
	"tagline/policies"
)

// parse reads an images.yaml whose registry is r.test, and returns its images.
func parse(t testing.TB, text string) []config.Image {
	t.Helper()
	cfg, err := config.Parse("images.yaml", []byte(text), config.Options{Registry: "r.test", Policies: policies.Keys()})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return cfg.Images
}

// aliases is an images.yaml of one image, with the lines of its aliases and of
// its policies.
func aliases(t testing.TB, lines string, settings ...string) config.Image {
	t.Helper()
	text := "images:\n  app:\n    policies: {" + strings.Join(settings, ", ") + "}\n    aliases:\n"
	for line := range strings.Lines(strings.TrimSpace(lines)) {
		text += "      " + strings.TrimRight(line, "\n") + "\n"
	}
	return parse(t, text)[0]
}
