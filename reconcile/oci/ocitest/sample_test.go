package ocitest_test

import (
	"slices"
	"testing"

	"tagline/reconcile/oci/ocitest"
)

func TestSample(t *testing.T) {
	set := func(all, seed string) {
		t.Setenv("TAGLINE_TEST_ALL", all)
		t.Setenv("TAGLINE_TEST_SEED", seed)
	}
	set("", "7")
	first := ocitest.Sample(t, 100, 10)
	if len(first) != 10 {
		t.Errorf("got %v, want 10 cases", first)
	}
	for i, n := range first {
		if n/10 != i {
			t.Errorf("got %v, want one case of each ten", first)
		}
	}
	if again := ocitest.Sample(t, 100, 10); !slices.Equal(again, first) {
		t.Errorf("got %v and then %v with one seed", first, again)
	}
	set("", "8")
	if other := ocitest.Sample(t, 100, 10); slices.Equal(other, first) {
		t.Errorf("got %v with another seed too", other)
	}
	t.Run("another test", func(t *testing.T) {
		set("", "7")
		if other := ocitest.Sample(t, 100, 10); slices.Equal(other, first) {
			t.Errorf("got %v in another test too", other)
		}
	})
	everything := []int{0, 1, 2, 3, 4}
	if got := ocitest.Sample(t, 5, 10); !slices.Equal(got, everything) {
		t.Errorf("got %v of 5 cases, want all", got)
	}
	set("1", "7")
	if got := ocitest.Sample(t, 5, 2); !slices.Equal(got, everything) {
		t.Errorf("got %v, want all", got)
	}
	if got := ocitest.Sample(t, 0, 2); len(got) != 0 {
		t.Errorf("got %v of no cases", got)
	}
}
