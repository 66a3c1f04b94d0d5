package ocitest

import (
	"hash/fnv"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// All reports whether tests run all of their cases, as `make test-all` does.
// Otherwise tests with hundreds of cases run a [Sample].
func All() bool { return os.Getenv("TAGLINE_TEST_ALL") != "" }

// Sample returns which of the cases 0 to n-1 a test runs, in order: all if
// [All] reports true, else at most some, spread evenly and chosen by [Rand].
func Sample(t testing.TB, n, some int) []int {
	t.Helper()
	if All() || some > n {
		some = n
	}
	random := Rand(t)
	cases := make([]int, some)
	for i := range cases {
		from, to := i*n/some, (i+1)*n/some
		cases[i] = from + random.IntN(to-from)
	}
	return cases
}

// Rand returns a test's random numbers. They depend on its name and on
// TAGLINE_TEST_SEED, which a failed test prints. The seed is 1 if none is set,
// so that a commit has the same result everywhere and go test may cache it.
// `make test-all` runs the cases that a sample leaves out.
func Rand(t testing.TB) *rand.Rand {
	t.Helper()
	seed := uint64(1)
	if text := os.Getenv("TAGLINE_TEST_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("TAGLINE_TEST_SEED: %v", err)
		}
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("to repeat the choice of cases: TAGLINE_TEST_SEED=%d", seed)
		}
	})
	name := fnv.New64a()
	_, _ = name.Write([]byte(t.Name()))
	return rand.New(rand.NewPCG(seed, name.Sum64()))
}
