package reconcile_test

import (
	"fmt"
	"strings"
	"testing"

	"tagline/config"
	"tagline/reconcile"
	"tagline/reconcile/demo"
	"tagline/reconcile/registry/registrytest"
)

// What Diff allocates grows with the aliases, not with their square.
func TestDiffIsLinear(t *testing.T) {
	allocations := func(aliases int) float64 {
		m, image := many(t, aliases)
		state := reconcile.Observe(t.Context(), m, image)
		if plan := reconcile.Diff(image, state); len(plan.Pushes) != aliases {
			t.Fatalf("%d pushes of %d: %+v", len(plan.Pushes), aliases, plan.Errors)
		}
		return testing.AllocsPerRun(1, func() { reconcile.Diff(image, state) }) / float64(aliases)
	}
	if of100, of1000 := allocations(100), allocations(1000); of1000 > 1.1*of100 {
		t.Errorf("an alias of 100 costs %.0f allocations, one of 1000 costs %.0f", of100, of1000)
	}
}

// BenchmarkPlan is all that a run on 10,000 aliases does but for the requests;
// its profiles are those to look at: -cpuprofile, -memprofile.
func BenchmarkPlan(b *testing.B) {
	m, image := many(b, 10000)
	b.ReportAllocs()
	for b.Loop() {
		m.Asked = nil
		if plan := reconcile.Diff(image, reconcile.Observe(b.Context(), m, image)); len(plan.Pushes) != 10000 {
			b.Fatal(plan.Errors)
		}
	}
}

// many is an image of so many aliases, and a registry that has none of them
// yet.
func many(t testing.TB, aliases int) (*registrytest.Memory, config.Image) {
	t.Helper()
	var images []demo.Image
	var text strings.Builder
	text.WriteString("images: {app: {aliases: {")
	for i := range aliases {
		tag := fmt.Sprintf("%d.0", i)
		images = append(images, demo.Image{Tag: tag, Platforms: []string{"linux/amd64", "linux/arm64"}})
		fmt.Fprintf(&text, "%d: {amd64: %s, arm64: %s}, ", i, tag, tag)
	}
	text.WriteString("}}}")
	m := registrytest.NewMemory()
	m.Push(t, "app", images...)
	return m, parse(t, text.String())[0]
}
