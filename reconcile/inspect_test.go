package reconcile_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"tagline/config"
	"tagline/reconcile"
	"tagline/reconcile/demo"
	"tagline/reconcile/registry/registrytest"
)

// inspect shows what there is, whatever else is missing or cannot be read, one
// level down as well.
func TestInspectShowsWhatItCouldRead(t *testing.T) {
	const missing = "sha256:1111111111111111111111111111111111111111111111111111111111111111"
	entry := func(mediaType, digest, platform string) string {
		return fmt.Sprintf(`{"mediaType":"application/vnd.oci.image.%s.v1+json","size":7,"digest":%q%s}`, mediaType, digest, platform)
	}
	index := func(entries ...string) string {
		return `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[` + strings.Join(entries, ",") + `]}`
	}
	const arm = `,"platform":{"os":"linux","architecture":"arm64"}`
	for _, tt := range []struct {
		name     string
		breaking func(m *registrytest.Memory, amd, inner string)
		parts    string // platform, "?" for one that is missing
		err      string
	}{
		{name: "missing below", parts: "linux/amd64 linux/arm64?"},
		{
			name: "an image that cannot be read", parts: "linux/arm64?", err: "503",
			breaking: func(m *registrytest.Memory, amd, _ string) { m.Broken[amd] = errors.New("503") },
		},
		{
			name: "an index that cannot be read", err: "503",
			breaking: func(m *registrytest.Memory, _, inner string) { m.Broken[inner] = errors.New("503") },
		},
		{
			name: "an index that is gone", parts: "?",
			breaking: func(m *registrytest.Memory, _, inner string) { delete(m.Manifests, inner) },
		},
		{
			name: "referrers that cannot be read", parts: "linux/amd64 linux/arm64?", err: "referrers of ",
			breaking: func(m *registrytest.Memory, _, _ string) { m.Broken["referrers"] = errors.New("501") },
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := registrytest.NewMemory()
			amd := m.Push(t, "app", demo.Image{Tag: "1", Platforms: amd})["1"]
			inner := m.Put("inner", index(entry("manifest", amd, ""), entry("manifest", missing, arm)))
			outer := m.Put("outer", index(entry("index", inner, "")))
			if tt.breaking != nil {
				tt.breaking(m, amd, inner)
			}
			in, err := reconcile.Inspect(t.Context(), m, config.Repository{Host: "r.test", Path: "app"}, "outer")
			if in.Digest != outer || (err == nil) != (tt.err == "") || err != nil && (!strings.Contains(err.Error(), tt.err) || strings.Contains(err.Error(), "\n")) {
				t.Errorf("digest %s, error %v, want %q", in.Digest, err, tt.err)
			}
			var parts []string
			for _, p := range in.Parts {
				part := p.Platform.String()
				if p.Missing {
					part += "?"
				}
				parts = append(parts, part)
			}
			if got := strings.Join(parts, " "); got != tt.parts {
				t.Errorf("parts %q, want %q", got, tt.parts)
			}
		})
	}
}
