package config

import (
	"strings"
	"testing"
	"unicode"
)

// What is taken for a reference has one spelling, which is read as the same
// again, and nothing in it that a URL, a path or a terminal would obey.
func FuzzReference(f *testing.F) {
	for _, seed := range []string{
		"my-image:10.10", "ghcr.io/org/app@" + digest, "localhost:5000/a/b:1", "[::1]:5000/app:1", "app:1@" + digest,
		"docker.io/nginx:latest", "index.docker.io:443/library/nginx:1", "https://user:password@ghcr.io/app:1",
		"../../etc/passwd:1", "a//b:1", "app:\x1b[31m", "app:..", "127.0.0.1/app:1", "999.1.1.1/app:1", "ghcr.io/app@sha256:../x",
		"xn--bcher-kva.example/app:1", "ghcr.io%2fapp:1", "app\u202e:1", "a.b/c?d=e:1", "host:99999/app:1",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseReference(text, "registry.example:5000")
		if err != nil {
			if message := err.Error(); strings.ContainsFunc(message, unicode.IsControl) {
				t.Fatalf("control characters in the message %q", message)
			}
			return
		}
		if (s.Tag == "") == (s.Digest == "") {
			t.Fatalf("%q is %+v, with a tag or a digest and not both", text, s)
		}
		for _, part := range []string{s.Repository.Host, s.Repository.Path, s.Tag, s.Digest} {
			if strings.Contains(part, "..") && part != s.Tag || strings.ContainsAny(part, "@%?#\\ ") || strings.ContainsFunc(part, func(r rune) bool { return r > unicode.MaxASCII || unicode.IsControl(r) }) {
				t.Fatalf("%q was read as %+v", text, s)
			}
		}
		whole := s.Repository.String() + ":" + s.Tag
		if s.Digest != "" {
			whole = s.Repository.String() + "@" + s.Digest
		}
		again, err := ParseReference(whole, "")
		if err != nil || again.Repository != s.Repository || again.Tag != s.Tag || again.Digest != s.Digest {
			t.Fatalf("%q is %s, which is read as %+v, %v", text, whole, again, err)
		}
	})
}
