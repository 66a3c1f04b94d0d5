package config

import (
	"strings"
	"testing"
)

func TestClosest(t *testing.T) {
	known := []string{"platforms", "provenance", "prune", "grace", "keep", "386", "Service", "service", "SERVICE"}
	for word, want := range map[string]string{
		"Platforms":                "platforms",
		"plattform":                "platforms",
		"provinenz":                "provenance",
		"prun":                     "prune",
		"kept":                     "keep",
		"385":                      "386",
		"368":                      "386", // a swap is one edit
		"servcie":                  "service",
		"Servcie":                  "Service",
		"SERVCIE":                  "SERVICE",
		"graçe":                    "grace",
		"":                         "",
		"k":                        "",
		"retention":                "",
		strings.Repeat("k", 1<<20): "",
	} {
		if got := Closest(word, known); got != want {
			t.Errorf("Closest(%q) = %q, want %q", word, got, want)
		}
	}
}
