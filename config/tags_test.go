package config

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestCompareTags(t *testing.T) {
	ordered := []string{
		"", "-", ".", "0", "00", "01", "1", "1-alpine", "1.", "1.0", "1.1", "1.9", "1.10", "1a",
		"2", "9", "10", "10.2", "10.10", "10.10-alpine", "20260102",
		"18446744073709551616", "18446744073709551617", "A", "_", "a", "a9", "a10", "latest", "v1.9", "v1.10",
	}
	for i, a := range ordered {
		for j, b := range ordered {
			want := 0
			switch {
			case i < j:
				want = -1
			case i > j:
				want = 1
			}
			if got := CompareTags(a, b); got != want {
				t.Errorf("CompareTags(%q, %q) = %d, want %d", a, b, got, want)
			}
		}
	}
}

func TestCompareTagsIsATotalOrder(t *testing.T) {
	tag := rapid.StringMatching(`[019a._-]{0,6}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := tag.Draw(t, "a"), tag.Draw(t, "b"), tag.Draw(t, "c")
		if (CompareTags(a, b) == 0) != (a == b) {
			t.Fatalf("%q and %q compare equal", a, b)
		}
		if CompareTags(a, b) != -CompareTags(b, a) {
			t.Fatalf("%q and %q are not antisymmetric", a, b)
		}
		sorted := []string{a, b, c}
		slices.SortFunc(sorted, CompareTags)
		if CompareTags(sorted[0], sorted[2]) > 0 || CompareTags(sorted[0], sorted[1]) > 0 || CompareTags(sorted[1], sorted[2]) > 0 {
			t.Fatalf("%q is not sorted", sorted)
		}
	})
}
