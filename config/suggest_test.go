package config

import (
	"strings"
	"testing"
)

func TestDistance(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"", "abc", 3},
		{"plaforms", "platforms", 1},
		{"amd46", "amd64", 1},
		{"kepe", "keep", 1},
		{"ca", "abc", 3}, // 2 if a swapped pair could be edited again
		{"aliäs", "alias", 1},
	} {
		if got := distance(test.a, test.b); got != test.want {
			t.Errorf("distance(%q, %q) = %d, want %d", test.a, test.b, got, test.want)
		}
		if got := distance(test.b, test.a); got != test.want {
			t.Errorf("distance(%q, %q) = %d, want %d", test.b, test.a, got, test.want)
		}
	}
}

func TestClosest(t *testing.T) {
	known := []string{"platforms", "provenance", "prune", "grace", "keep", "386"}
	for word, want := range map[string]string{
		"Platforms":                "platforms",
		"plattform":                "platforms",
		"provinenz":                "provenance",
		"prun":                     "prune",
		"kept":                     "keep",
		"385":                      "386",
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
