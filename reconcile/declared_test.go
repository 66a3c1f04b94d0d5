package reconcile_test

import (
	"testing"

	"tagline/config"
	"tagline/reconcile"
	"tagline/reconcile/registry"
	"tagline/reconcile/registry/registrytest"
)

// learning is a registry whose readers remember the platforms of configs.
type learning struct {
	*registrytest.Memory
	platforms map[string]config.Platform
}

type learningReader struct {
	rememberingReader
	of *learning
}

func (l *learning) Reader(of config.Repository) registry.Reader {
	return learningReader{rememberingReader{Reader: l.Memory.Reader(of)}, l}
}

func (r learningReader) Remember(platforms map[string]config.Platform) {
	for digest, p := range platforms {
		r.of.platforms[digest] = p
	}
}

// What an alias's index says by the author's word is not remembered as what the
// config says.
func TestAuthorsWordIsNotRemembered(t *testing.T) {
	b := build()
	b.tag("1.0", b.image("intel", "linux/amd64"))
	b.tag("1.0-pi", b.image("pi", "linux/arm"))
	before := aliases(t, "1: {amd64: 1.0, arm/v6: 1.0-pi}")
	applyAndSettle(t, b.Memory, before)

	reader := &learning{b.Memory, map[string]config.Platform{}}
	if p := reconcile.Diff(before, reconcile.Observe(t.Context(), reader, before)); len(p.InSync) != 1 {
		t.Fatalf("plan is %+v", p)
	}
	if len(reader.platforms) != 1 {
		t.Errorf("remembered %v, want one", reader.platforms)
	}
	for _, p := range reader.platforms {
		if p.String() != "linux/amd64" {
			t.Errorf("remembered %s, want linux/amd64 alone", p)
		}
	}

	// Another variant contradicts the config no more than the first one did.
	after := aliases(t, "1: {amd64: 1.0, arm/v5: 1.0-pi}")
	p := plan(t, b.Memory, after)
	if len(p.Violations) > 0 || len(p.Pushes) != 1 || p.Pushes[0].Platforms[1].Platform != "linux/arm/v5" {
		t.Fatalf("plan is %+v", p)
	}
	applyAndSettle(t, b.Memory, after)
}
