package policies

import (
	"slices"
	"testing"
	"time"

	"tagline/config"
)

func image(platform, source string) Entry {
	p, err := config.ParsePlatform(platform)
	if err != nil {
		panic(err)
	}
	return Entry{Kind: Image, Platform: p, Digest: "sha256:" + platform + source, Source: source, Origin: source,
		MediaType: "application/vnd.oci.image.manifest.v1+json"}
}

func ids(found []Finding) []string {
	var all []string
	for _, f := range found {
		all = append(all, string(f.ID))
	}
	return all
}

func platforms(names ...string) []config.Platform {
	var all []config.Platform
	for _, n := range names {
		all = append(all, image(n, "").Platform)
	}
	return all
}

func TestPolicies(t *testing.T) {
	docker := image("amd64", "1.0")
	docker.MediaType = DockerManifest
	attestation := Entry{Kind: Attestation, Attests: image("amd64", "1.0").Digest, Source: "1.0"}
	artifact := Entry{Kind: Other, Source: "1.0"}
	chosen := func(was, now string) Entry {
		e := image("amd64", now)
		e.Newest, e.Was = true, Past{image("amd64", was).Digest, was}
		return e
	}
	for _, test := range []struct {
		name     string
		policy   policy
		setting  config.Setting
		alias    Alias
		entries  int
		filtered bool
		findings []string
	}{
		{"keep", Provenance, config.Setting{Value: "keep"}, Alias{Entries: []Entry{docker, attestation}}, 2, false, nil},
		{"drop", Provenance, config.Setting{Value: "drop"}, Alias{Entries: []Entry{docker, attestation, artifact}}, 2, true, nil},
		{"drop, nothing to", Provenance, config.Setting{Value: "drop"}, Alias{Entries: []Entry{docker}}, 1, false, nil},
		{"docker of docker", Format, config.Setting{Value: "docker"}, Alias{Entries: []Entry{docker}}, 1, false, nil},
		{"docker of oci", Format, config.Setting{Value: "docker"}, Alias{Entries: []Entry{docker, image("arm64", "1.0"), attestation}}, 3, false,
			[]string{"docker-oci-child", "docker-oci-child"}},
		{"docker, bytes re-used", Format, config.Setting{Value: "docker"}, Alias{OneSource: true, Entries: []Entry{image("arm64", "1.0")}}, 1, false, nil},
		{"oci of docker", Format, config.Setting{Value: "oci"}, Alias{Entries: []Entry{docker}}, 1, false, nil},
		{"platforms there", Platforms, config.Setting{Platforms: platforms("amd64", "arm64/v8")},
			Alias{Entries: []Entry{docker, image("arm64", "1.0")}}, 2, false, nil},
		{"platforms missing", Platforms, config.Setting{Platforms: platforms("amd64", "arm64", "arm/v6")},
			Alias{Entries: []Entry{image("arm", "1.0"), attestation}}, 2, false, []string{"missing-platform", "missing-platform", "missing-platform"}},
		{"mixed, allowed", MixedVersions, config.Setting{Value: "allow"}, Alias{Entries: []Entry{image("amd64", "1.0"), image("arm64", "1.1")}}, 2, false, nil},
		{"mixed, denied", MixedVersions, config.Setting{Value: "deny"}, Alias{Entries: []Entry{image("amd64", "1.0"), image("arm64", "1.1")}}, 2, false, []string{"mixed-versions"}},
		{"one version in two spellings", MixedVersions, config.Setting{Value: "deny"},
			Alias{Entries: []Entry{image("amd64", "1.0-amd64"), image("arm64", "v1.0.0-arm64")}}, 2, false, nil},
		{"no versions, one tag", MixedVersions, config.Setting{Value: "deny"}, Alias{Entries: []Entry{image("amd64", "edge"), image("arm64", "edge")}}, 2, false, nil},
		{"no versions, two tags", MixedVersions, config.Setting{Value: "deny"}, Alias{Entries: []Entry{image("amd64", "edge"), image("arm64", "main")}}, 2, false, []string{"mixed-versions"}},
		{"no images", MixedVersions, config.Setting{Value: "deny"}, Alias{Entries: []Entry{artifact}}, 1, false, nil},
		{"up", Downgrade, config.Setting{Value: "deny"}, Alias{Entries: []Entry{chosen("1.9", "1.10")}}, 1, false, nil},
		{"same", Downgrade, config.Setting{Value: "deny"}, Alias{Entries: []Entry{chosen("v1.9.0", "1.9")}}, 1, false, nil},
		{"down", Downgrade, config.Setting{Value: "deny"}, Alias{Entries: []Entry{chosen("1.10", "1.9")}}, 1, false, []string{"downgrade"}},
		{"down, allowed", Downgrade, config.Setting{Value: "allow"}, Alias{Entries: []Entry{chosen("1.10", "1.9")}}, 1, false, nil},
		{"from who knows where", Downgrade, config.Setting{Value: "deny"}, Alias{Entries: []Entry{chosen("", "1.9")}}, 1, false, []string{"unknown-version"}},
		{"from nothing", Downgrade, config.Setting{Value: "deny"}, Alias{Entries: []Entry{{Kind: Image, Newest: true, Source: "1.9"}}}, 1, false, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := slices.Clone(test.alias.Entries)
			a, found := test.policy.apply(Of(config.Settings{test.policy.Key().Name: test.setting}), test.alias)
			if len(a.Entries) != test.entries || a.Filtered != test.filtered || !slices.Equal(ids(found), test.findings) {
				t.Errorf("%+v, findings %v", a, found)
			}
			if !slices.Equal(test.alias.Entries, before) {
				t.Error("the entries it was given are changed")
			}
		})
	}
}

// A value that images.yaml does not set is the default, and a word is decoded to
// what it means.
func TestOf(t *testing.T) {
	unset := Of(nil)
	if Provenance.Of(unset) != Keep || Prune.Of(unset) || Untagged.Of(unset) || Signed.Of(unset) || Grace.Of(unset) != 24*time.Hour ||
		!MixedVersions.Of(unset) || Downgrade.Of(unset) || Platforms.Of(unset) != nil || Grace.Pos(unset) != (config.Pos{}) {
		t.Errorf("defaults are %+v", unset)
	}
	at := config.Pos{File: "images.yaml", Line: 3, Column: 5}
	set := Of(config.Settings{
		"provenance": {Value: "purge"}, "prune": {Value: "true"}, "untagged": {Value: "delete"}, "signed": {Value: "purge"},
		"grace": {Value: "0s", Pos: at}, "mixed-versions": {Value: "deny"}, "downgrade": {Value: "allow"},
	})
	if Provenance.Of(set) != Purge || !Prune.Of(set) || !Untagged.Of(set) || !Signed.Of(set) || Grace.Of(set) != 0 ||
		MixedVersions.Of(set) || !Downgrade.Of(set) || Grace.Pos(set) != at {
		t.Errorf("set, they are %+v", set)
	}
	for i, word := range []string{"keep", "drop", "purge"} {
		if got := Attestations(i).String(); got != word {
			t.Errorf("%q is written %q", word, got)
		}
	}
}

func TestComposed(t *testing.T) {
	one, two := []Entry{image("amd64", "1")}, []Entry{image("amd64", "1"), image("arm64", "1")}
	for _, test := range []struct {
		alias Alias
		want  bool
	}{
		{Alias{Entries: one}, true}, {Alias{Entries: two}, true},
		{Alias{OneSource: true, Entries: two}, false}, {Alias{OneSource: true, Entries: one}, false},
		{Alias{OneSource: true, Filtered: true, Entries: two}, true}, {Alias{OneSource: true, Filtered: true, Entries: one}, false},
	} {
		if test.alias.Composed() != test.want {
			t.Errorf("%+v is composed: %v", test.alias, !test.want)
		}
	}
}

// Every policy says what it is, and defaults to a value that it carries out.
func TestKeys(t *testing.T) {
	for _, k := range Keys() {
		if k.Name == "" || k.Doc == "" {
			t.Errorf("%+v lacks a name or a doc", k)
		}
		if d, err := time.ParseDuration(k.Default); k.Kind == config.Duration && (err != nil || d < 0) {
			t.Errorf("%s defaults to %q, which is no duration", k.Name, k.Default)
		}
		if k.Kind == config.Choice && !slices.Contains(k.Values, k.Default) {
			t.Errorf("%s defaults to %q, which is none of %q", k.Name, k.Default, k.Values)
		}
	}
}
