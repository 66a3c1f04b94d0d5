package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"tagline/reconcile/demo"
	"tagline/reconcile/oci/ocitest"
)

// harness is one repository of a real registry behind a proxy, in which alias
// 10 names an old image, 9 is to be absent, and 8 is no longer in images.yaml.
type harness struct {
	upstream, repository string
	proxy                *ocitest.RegistryProxy
	dir                  string
	cacheDir             string
	before               map[string]string // digest by tag
}

const harnessYAML = `
policies: {prune: true}
images:
  REPOSITORY:
    aliases:
      9: absent
      10: {amd64: 10.10, arm64: 10.20}
      other: 10.20
`

func newHarness(t *testing.T, upstream, repository string) *harness {
	t.Helper()
	h := &harness{upstream: upstream, repository: repository, proxy: ocitest.Proxy(t, upstream), dir: t.TempDir(), cacheDir: noCache}
	if _, err := demo.Push(t.Context(), upstream, repository, demo.Samples()); err != nil {
		t.Fatal(err)
	}
	h.write(t, "images.yaml", harnessYAML)
	h.write(t, "first.yaml", "images: {REPOSITORY: {aliases: {8: {amd64: 10.10}, 9: 10.10, 10: 10.20}}}")
	if code, out := h.tagline(t.Context(), "-f", "first.yaml"); code != exitDone {
		t.Fatal(out)
	}
	h.before = tagsOf(t, upstream, repository)
	return h
}

func (h *harness) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(h.dir, name), []byte(strings.ReplaceAll(text, "REPOSITORY", h.repository)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// tagline applies, and returns everything it wrote.
func (h *harness) tagline(ctx context.Context, args ...string) (int, string) {
	args = append([]string{"apply", "--registry", h.proxy.Host, "--cache-dir", h.cacheDir, "--trash", filepath.Join(h.dir, "trash"), "--max-deletions", "5"}, args...)
	if !slices.Contains(args, "-f") {
		args = append(args, "-f", "images.yaml")
	}
	for i, arg := range args {
		if i > 0 && args[i-1] == "-f" {
			args[i] = filepath.Join(h.dir, arg)
		}
	}
	var out lockedBuffer
	code := run(ctx, args, &out, &out)
	return code, out.String()
}

// lockedBuffer is stdout and stderr at once.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// tagsOf reads a registry without any of tagline's code.
func tagsOf(t testing.TB, host, repository string) map[string]string {
	t.Helper()
	var list struct{ Tags []string }
	_, body := ask(t, http.MethodGet, host, repository, "tags/list")
	_ = json.Unmarshal(body, &list) // of a repository without tags: none
	tags := map[string]string{}
	for _, tag := range list.Tags {
		resp, _ := ask(t, http.MethodHead, host, repository, "manifests/"+tag)
		if resp.StatusCode == http.StatusOK {
			tags[tag] = resp.Header.Get("Docker-Content-Digest")
		}
	}
	return tags
}

// holes are what the tags of a repository lead to and what is not there.
func holes(t testing.TB, host, repository string) []string {
	t.Helper()
	var missing []string
	var look func(reference, from string)
	look = func(reference, from string) {
		resp, body := ask(t, http.MethodGet, host, repository, "manifests/"+reference)
		if resp.StatusCode != http.StatusOK {
			missing = append(missing, fmt.Sprintf("%s of %s: %d", reference, from, resp.StatusCode))
			return
		}
		var m struct{ Manifests []struct{ Digest string } }
		if err := json.Unmarshal(body, &m); err != nil {
			t.Error(err)
		}
		for _, child := range m.Manifests {
			look(child.Digest, reference)
		}
	}
	for tag, digest := range tagsOf(t, host, repository) {
		look(digest, tag)
	}
	return missing
}

func ask(t testing.TB, method, host, repository, what string) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequest(method, "http://"+host+"/v2/"+repository+"/"+what, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.manifest.v1+json"} {
		req.Header.Add("Accept", kind)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, body
}

const zeros = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
