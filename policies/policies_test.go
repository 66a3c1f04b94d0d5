package policies

import (
	"reflect"
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
	e := Entry{Kind: Image, Platform: p, Digest: "sha256:" + platform + source, Source: source, Origin: source,
		MediaType: "application/vnd.oci.image.manifest.v1+json"}
	if version, err := config.ParseVersion(source); err == nil {
		e.Version = &version
	}
	return e
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

// What images.yaml locks can only be overridden by what is at least as strict.
func TestStrictness(t *testing.T) {
	word := func(value string) config.Setting { return config.Setting{Value: value} }
	hours := func(n int) config.Setting {
		return config.Setting{Value: "set", Duration: time.Duration(n) * time.Hour}
	}
	list := func(names ...string) config.Setting { return config.Setting{Platforms: platforms(names...)} }
	tested := map[string]bool{}
	for _, test := range []struct {
		policy      policy
		lax, strict config.Setting // or two values without an order
		ordered     bool
	}{
		{Provenance, word("keep"), word("drop"), false},
		{Provenance, word("drop"), word("purge"), false},
		{Companions, word("keep"), word("drop"), false},
		{Format, word("oci"), word("docker"), false},
		{Platforms, list(), list("amd64"), true},
		{Platforms, list("amd64"), list("amd64", "arm64"), true},
		{Platforms, list("amd64"), list("arm64"), false},
		{Platforms, list("amd64"), list("amd64/v3"), false},
		{Platforms, list("windows/amd64"), list("windows(10.0.17763)/amd64"), true},
		{MixedVersions, word("allow"), word("deny"), true},
		{Downgrade, word("allow"), word("deny"), true},
		{Prune, word("false"), word("true"), false},
		{Untagged, word("keep"), word("delete"), false},
		{Grace, hours(1), hours(24), true},
		{Grace, hours(0), hours(1), true},
		{Signed, word("purge"), word("keep"), true},
		{Signed, word("keep"), word("guard"), true},
		{Signed, word("purge"), word("guard"), true},
		{Referrers, word("copy"), word("leave"), false},
	} {
		key := test.policy.Key()
		tested[key.Name] = true
		for _, same := range []config.Setting{test.lax, test.strict} {
			if !key.Holds(same, same) {
				t.Errorf("%s: %s does not hold itself", key.Name, same)
			}
		}
		if key.Holds(test.strict, test.lax) {
			t.Errorf("%s: %s overrides %s", key.Name, test.lax, test.strict)
		}
		if got := key.Holds(test.lax, test.strict); got != test.ordered {
			t.Errorf("%s: %s overrides %s: %v", key.Name, test.strict, test.lax, got)
		}
		if test.ordered && key.Stricter == "" {
			t.Errorf("%s has an order, and no words for it", key.Name)
		}
	}
	for _, key := range Keys() {
		if !tested[key.Name] {
			t.Errorf("nothing says which values of %s are stricter", key.Name)
		}
	}
}

func TestPolicies(t *testing.T) {
	docker := image("amd64", "1.0")
	docker.MediaType = DockerManifest
	attestation := Entry{Kind: Attestation, RefersTo: image("amd64", "1.0").Digest, Source: "1.0"}
	companion := Entry{Kind: Companion, RefersTo: image("amd64", "1.0").Digest, Source: "1.0"}
	artifact := Entry{Kind: Other, Source: "1.0"}
	chosen := func(was, now string) Entry {
		e := image("amd64", now)
		e.Newest, e.Was = true, &Past{Digest: image("amd64", was).Digest, Version: image("amd64", was).Version}
		return e
	}
	moving := func(was, now string) Entry {
		e := chosen(was, now)
		e.Was.Float = true
		return e
	}
	whole := func(was, now string) Entry {
		e := chosen(was, now)
		e.Kind = Other
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
		{"keep companions", Companions, config.Setting{Value: "keep"}, Alias{Entries: []Entry{docker, companion}}, 2, false, nil},
		{"drop companions", Companions, config.Setting{Value: "drop"}, Alias{Entries: []Entry{docker, attestation, companion, artifact, companion}}, 3, true, nil},
		{"drop companions, nothing to", Companions, config.Setting{Value: "drop"}, Alias{Entries: []Entry{docker, attestation, artifact}}, 3, false, nil},
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
		{"an older build", Downgrade, config.Setting{Value: "deny"}, Alias{Entries: []Entry{chosen("1.10-2", "1.10-1")}}, 1, false, []string{"downgrade"}},
		{"from who knows where", Downgrade, config.Setting{Value: "deny"}, Alias{Entries: []Entry{chosen("", "1.9")}}, 1, false, []string{"unknown-version"}},
		{"from a float, within what it covers", Downgrade, config.Setting{Value: "deny"}, Alias{Entries: []Entry{moving("1.21", "1.21.3")}}, 1, false, []string{"unknown-version"}},
		{"two platforms, from who knows where", Downgrade, config.Setting{Value: "deny"},
			Alias{Entries: []Entry{chosen("", "1.9"), chosen("", "1.9"), moving("1.21", "1.21.3"), moving("1.21", "1.21.3")}}, 4, false, []string{"unknown-version", "unknown-version"}},
		{"from a float, past what it covers", Downgrade, config.Setting{Value: "deny"}, Alias{Entries: []Entry{moving("1.21", "1.22.0")}}, 1, false, nil},
		{"an artifact, down", Downgrade, config.Setting{Value: "deny"}, Alias{Entries: []Entry{whole("1.10", "1.9")}}, 1, false, []string{"downgrade"}},
		{"an artifact, up", Downgrade, config.Setting{Value: "deny"}, Alias{Entries: []Entry{whole("1.9", "1.10")}}, 1, false, nil},
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

// A newest source can set downgrade for itself.
func TestOwnSetting(t *testing.T) {
	for value, ok := range map[string]bool{"deny": true, "allow": true, "no": false} {
		cfg, err := config.Parse("images.yaml", []byte(`images: {r.test/app: {aliases: {1: {newest: "1.x", downgrade: `+value+"}}}}"), config.Options{Policies: Keys()})
		if (err == nil) != ok {
			t.Errorf("downgrade: %s: %v", value, err)
		}
		if ok && Downgrade.Over(Rules{}, cfg.Images[0].Aliases[0].Sources[0].Newest.Downgrade) != (value == "allow") {
			t.Errorf("downgrade: %s is %+v", value, cfg.Images[0].Aliases[0].Sources[0].Newest.Downgrade)
		}
	}
	set := func(value string) config.Setting { return config.Setting{Value: value, Pos: config.Pos{Line: 1}} }
	for _, image := range []string{"allow", "deny"} {
		rules := Of(config.Settings{"downgrade": set(image)})
		if got := Downgrade.Over(rules, config.Setting{}); got != (image == "allow") {
			t.Errorf("the image says %s, and the source says nothing: %v", image, got)
		}
		for _, own := range []string{"allow", "deny"} {
			if got := Downgrade.Over(rules, set(own)); got != (own == "allow") {
				t.Errorf("the image says %s, the source %s: %v", image, own, got)
			}
		}
	}
}

// What images.yaml says, or leaves out, is the value of a policy.
func TestDecoded(t *testing.T) {
	parse := func(text string) Rules {
		t.Helper()
		cfg, err := config.Parse("images.yaml", []byte("registry: r.test\nimages: {app: {aliases: {1: 1.1}, policies: {"+text+"}}}"), config.Options{Policies: Keys()})
		if err != nil {
			t.Fatal(err)
		}
		return Of(cfg.Images[0].Policies)
	}
	type values struct {
		provenance                                          Attestations
		format                                              string
		mixed, downgrade, prune, untagged, copied, graceSet bool
		signed                                              Signatures
		grace                                               time.Duration
		platforms                                           []config.Platform
	}
	of := func(r Rules) values {
		return values{
			Provenance.Of(r), Format.Of(r), MixedVersions.Of(r), Downgrade.Of(r), Prune.Of(r), Untagged.Of(r), Referrers.Of(r),
			Grace.Pos(r) != config.Pos{}, Signed.Of(r), Grace.Of(r), Platforms.Of(r),
		}
	}
	defaults := values{format: "application/vnd.oci.image.index.v1+json", mixed: true, copied: true, signed: KeepSigned, grace: 24 * time.Hour}
	for name, test := range map[string]struct {
		rules Rules
		want  values
	}{
		"nothing set": {parse(""), defaults},
		"no settings": {Of(nil), defaults},
		"zero":        {Rules{}, defaults},
		"all set": {
			parse("provenance: purge, format: docker, mixed-versions: deny, downgrade: allow, prune: true, untagged: delete, signed: purge, referrers: leave, grace: 90m, platforms: [arm64]"),
			values{Purge, DockerManifestList, false, true, true, true, false, true, PurgeSigned, 90 * time.Minute, platforms("arm64")},
		},
		"no grace at all": {parse("provenance: drop, grace: 0s"), values{provenance: Drop, format: defaults.format, mixed: true, copied: true, signed: KeepSigned, graceSet: true}},
		"guarded":         {parse("signed: guard"), values{format: defaults.format, mixed: true, copied: true, signed: GuardSigned, grace: defaults.grace}},
	} {
		if got := of(test.rules); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: got %+v, want %+v", name, got, test.want)
		}
	}
	for _, v := range []Attestations{Keep, Drop, Purge} {
		if got := Provenance.Of(parse("provenance: " + v.String())); got != v {
			t.Errorf("%d is %q in images.yaml, and that is %d", v, v, got)
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
		if _, err := config.ParseDuration(k.Default); k.Kind == config.Duration && err != nil {
			t.Errorf("%s defaults to %q, which is no duration", k.Name, k.Default)
		}
		if k.Kind == config.Choice && !slices.Contains(k.Values, k.Default) {
			t.Errorf("%s defaults to %q, which is none of %q", k.Name, k.Default, k.Values)
		}
		if k.Deletes != "" && (!slices.Contains(k.Values, k.Deletes) || k.Deletes == k.Default) {
			t.Errorf("%s deletes with %q, which is its default or none of %q", k.Name, k.Deletes, k.Values)
		}
	}
}
