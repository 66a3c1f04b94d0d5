package config

import "testing"

func TestParseReference(t *testing.T) {
	for _, test := range []struct{ text, repository, reference string }{
		{"my-image:10", "localhost:5000/my-image", "10"},
		{"my-image@" + digest, "localhost:5000/my-image", digest},
		{"ghcr.io/team/app:1.1-alpine", "ghcr.io/team/app", "1.1-alpine"},
		{"docker.io/nginx:1", "docker.io/library/nginx", "1"},
		{"[::1]:5000/app:1", "[::1]:5000/app", "1"},
		{"registry:5000/app@" + digest, "registry:5000/app", digest},
	} {
		got, err := ParseReference(test.text, "localhost:5000")
		if err != nil || got.Repository.String() != test.repository || got.Reference() != test.reference || got.Text != test.text {
			t.Errorf("ParseReference(%q) = %+v, %v", test.text, got, err)
		}
	}
}

func TestParseReferenceRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"my-image":          `repository "my-image" has no tag or digest, and none is implied; write "my-image:TAG"`,
		"localhost:5000/a":  `repository "localhost:5000/a" has no tag or digest, and none is implied; write "localhost:5000/a:TAG"`,
		"":                  `repository "" has no tag or digest, and none is implied; write ":TAG"`,
		":10":               `reference ":10" has no repository; expected "repository:tag" or "repository@sha256:…"`,
		"my-image:":         `tag "" is not valid; expected 1 to 128 letters, digits, "_", "." and "-", the first neither "." nor "-"`,
		"my-image:-1":       `tag "-1" is not valid; expected 1 to 128 letters, digits, "_", "." and "-", the first neither "." nor "-"`,
		"my-image@10":       `digest "10" is not valid; expected "sha256:" and 64 hex digits in lower case`,
		"my-image@blake3:0": `digest "blake3:0" is of blake3; only sha256 digests can be used`,
		"my-image:10":       `repository "my-image" has no registry; write it as host/repository, add "registry: host" to the file, or give --registry (or TAGLINE_REGISTRY)`,
	} {
		if _, err := ParseReference(text, ""); err == nil || err.Error() != want {
			t.Errorf("ParseReference(%q):\ngot  %v\nwant %s", text, err, want)
		}
	}
}
