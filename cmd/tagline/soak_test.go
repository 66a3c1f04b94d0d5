package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tagline/reconcile/demo"
	"tagline/reconcile/oci/ocitest"
)

// soakYAML has an alias that follows versions, one of fixed sources, one that
// follows another, and in the second image all that deletes.
const soakYAML = `
policies: {platforms: [amd64, arm64]}
images:
  soak:
    aliases:
      10: {newest: "10.x"}
      9: {amd64: "9.1", arm64: "9.2"}
      latest: 10
      base: {amd64: "base:1", arm64: "base:1"}
  purged:
    policies: {provenance: purge, prune: true}
    aliases:
      10: {amd64: 10.1, arm64: 10.2}
      latest: 10
`

// soakSources are what a pusher keeps moving.
var soakSources = map[string][]demo.Image{
	"soak": {
		{Tag: "10.1", Platforms: []string{"linux/amd64", "linux/arm64"}, Provenance: true}, {Tag: "10.2", Platforms: []string{"linux/arm64"}, Provenance: true},
		{Tag: "9.1", Platforms: []string{"linux/amd64"}}, {Tag: "9.2", Platforms: []string{"linux/arm64"}, Provenance: true},
	},
	"purged": {{Tag: "10.1", Platforms: []string{"linux/amd64"}, Provenance: true}, {Tag: "10.2", Platforms: []string{"linux/arm64"}, Provenance: true}},
	"base":   {{Tag: "1", Platforms: []string{"linux/amd64", "linux/arm64"}, Provenance: true}},
}

// wantPlatforms tells where an alias takes each platform from.
var wantPlatforms = map[string]map[string]string{
	"soak:10":       {"amd64": "soak:10.1", "arm64": "soak:10.2"},
	"soak:latest":   {"amd64": "soak:10.1", "arm64": "soak:10.2"},
	"soak:9":        {"amd64": "soak:9.1", "arm64": "soak:9.2"},
	"soak:base":     {"amd64": "base:1", "arm64": "base:1"},
	"purged:10":     {"amd64": "purged:10.1", "arm64": "purged:10.2"},
	"purged:latest": {"amd64": "purged:10.1", "arm64": "purged:10.2"},
}

// soakFaults are the two requests in a hundred that go wrong.
var soakFaults = []struct {
	name string
	do   ocitest.Action
}{
	{"429", ocitest.Status(429, "Retry-After", "1")}, {"500", ocitest.Status(500)}, {"503", ocitest.Status(503)},
	{"401", ocitest.Status(401)}, {"403", ocitest.Status(403)}, {"HTML", ocitest.HTML()},
	{"404 as HTML", ocitest.Respond(404, "<html>", "Content-Type", "text/html")},
	{"404 that is a lie", ocitest.Respond(404, `{"errors":[{"code":"MANIFEST_UNKNOWN"}]}`, "Content-Type", "application/json")},
	{"reset", ocitest.Reset()}, {"answer lost", ocitest.LoseAnswer()}, {"delay", ocitest.Delay(300 * time.Millisecond)},
	{"truncated", ocitest.Truncate(20)}, {"truncated in chunks", ocitest.TruncateChunked(20)}, {"oversized", ocitest.Oversize(5 << 20)},
	{"wrong digest", ocitest.SetHeader("Docker-Content-Digest", zeros)}, {"no digest", ocitest.StripHeader("Docker-Content-Digest")},
	{"another type", ocitest.SetHeader("Content-Type", "application/json")}, {"dripping", ocitest.Drip(100 * time.Microsecond)},
	{"other bytes", ocitest.ReplaceBody(func(body []byte) []byte { return []byte(strings.ToUpper(string(body))) })},
}

// Two runs at a time reconcile one registry for as long as TAGLINE_SOAK says
// (two seconds, or ten with [ocitest.All]), while the sources move and two
// requests in a hundred go wrong. At no check is a tag missing that should exist,
// or a pull of one impossible; in the end all is as images.yaml says, and nothing
// has leaked.
func TestSoak(t *testing.T) {
	length := 2 * time.Second
	if ocitest.All() {
		length = 10 * time.Second
	}
	if text := os.Getenv("TAGLINE_SOAK"); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	upstream := ocitest.Registry(t)
	proxy := ocitest.Proxy(t, upstream)
	dir := t.TempDir()
	file := filepath.Join(dir, "images.yaml")
	if err := os.WriteFile(file, []byte(soakYAML), 0o600); err != nil {
		t.Fatal(err)
	}
	apply := func(ctx context.Context, args ...string) (int, string) {
		var out lockedBuffer
		code := run(ctx, append([]string{"apply", "-f", file, "--registry", proxy.Host, "--cache-dir", filepath.Join(dir, "cache")}, args...), &out, &out)
		return code, out.String()
	}
	pushed := 0
	push := func(repository string, image demo.Image) {
		pushed++
		image.Build = pushed
		if _, err := demo.Push(context.Background(), upstream, repository, []demo.Image{image}); err != nil {
			t.Error(err)
		}
	}
	for repository, images := range soakSources {
		for _, image := range images {
			push(repository, image)
		}
	}
	if code, out := apply(t.Context()); code != exitDone {
		t.Fatal(out)
	}

	var (
		mu       sync.Mutex
		injected = map[string]int{}
		codes    = map[int]int{}
		requests atomic.Int64
		wg       sync.WaitGroup
	)
	numbers := ocitest.Rand(t)
	random := func(n int) int {
		mu.Lock()
		defer mu.Unlock()
		return numbers.IntN(n)
	}
	proxy.Script(ocitest.Fault{Do: func(w http.ResponseWriter, r *http.Request, registry http.Handler) {
		requests.Add(1)
		if random(50) > 0 {
			registry.ServeHTTP(w, r)
			return
		}
		fault := soakFaults[random(len(soakFaults))]
		mu.Lock()
		injected[fault.name]++
		mu.Unlock()
		fault.do(w, r, registry)
	}})
	before := inUse()
	ctx, stop := context.WithTimeout(t.Context(), length)
	defer stop()
	pause := func(d time.Duration) {
		select {
		case <-time.After(d):
		case <-ctx.Done():
		}
	}
	for range 2 {
		wg.Go(func() {
			for ctx.Err() == nil {
				code, out := apply(context.WithoutCancel(ctx))
				mu.Lock()
				codes[code]++
				mu.Unlock()
				if strings.Contains(out, "panic") {
					t.Error(out)
				}
				pause(500 * time.Millisecond)
			}
		})
	}
	wg.Go(func() {
		for ctx.Err() == nil {
			repository := slices.Sorted(maps.Keys(soakSources))[random(len(soakSources))]
			push(repository, soakSources[repository][random(len(soakSources[repository]))])
			pause(250 * time.Millisecond)
		}
	})

	checks := 0
	for start := time.Now(); ctx.Err() == nil; checks++ {
		for alias := range wantPlatforms {
			if has, err := platformsOf(t, upstream, alias); err != nil || has["amd64"] == "" || has["arm64"] == "" {
				t.Errorf("%v after %v: %s has %v, %v", time.Now().Format(time.TimeOnly), time.Since(start), alias, has, err)
			}
		}
		proxy.Reset()
		pause(100 * time.Millisecond)
	}
	wg.Wait()
	proxy.Script()

	for range 3 { // pushes, what they replaced, and nothing
		if code, out := apply(t.Context()); code != exitDone {
			t.Errorf("in the end: exit code %d\n%s", code, out)
		}
	}
	if code, out := apply(t.Context(), "--deep", "--cache-dir", noCache, "--detailed-exitcode"); code != exitDone {
		t.Errorf("in the end: exit code %d\n%s", code, out)
	}
	for alias, want := range wantPlatforms {
		has, err := platformsOf(t, upstream, alias)
		for platform, source := range want {
			from, sourceErr := platformsOf(t, upstream, source)
			if err != nil || sourceErr != nil || has[platform] != from[platform] {
				t.Errorf("%s has %s for %s, and its source %s has %s (%v, %v)", alias, has[platform], platform, source, from[platform], err, sourceErr)
			}
		}
	}
	for _, repository := range []string{"soak", "purged"} {
		if missing := holes(t, upstream, repository); len(missing) > 0 {
			t.Errorf("tags of %s lead to what is not there: %q", repository, missing)
		}
	}
	faults := 0
	for _, n := range injected {
		faults += n
	}
	t.Logf("%v: %d requests, %d faults %v, runs by exit code %v, %d pushes of sources, %d checks", length, requests.Load(), faults, injected, codes, pushed, checks)
	after := inUse()
	for range 100 { // connections end a moment later than their runs
		if !after.exceeds(before) {
			break
		}
		time.Sleep(100 * time.Millisecond)
		after = inUse()
	}
	t.Logf("in use: %v before, %v after", before, after)
	if after.exceeds(before) {
		t.Errorf("something leaks: %v was %v", after, before)
	}
}

// exceeds reports whether something is left over; the connections that clients of
// the test itself keep are not.
func (u usage) exceeds(o usage) bool {
	return u.goroutines > o.goroutines+50 || u.files > o.files+50 || u.heap > 2*o.heap+(32<<20)
}

// usage is what a process holds.
type usage struct {
	goroutines, files int
	heap              uint64 // bytes
}

func (u usage) String() string {
	return fmt.Sprintf("%d goroutines %d files %d kB", u.goroutines, u.files, u.heap>>10)
}

func inUse() usage {
	files, _ := os.ReadDir("/proc/self/fd") // none where there is no such thing
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return usage{runtime.NumGoroutine(), len(files), m.HeapAlloc}
}

// platformsOf pulls a tag, as clients do on each architecture: the digest of the
// image that each gets. A tag that moves meanwhile is pulled again.
func platformsOf(t testing.TB, host, reference string) (map[string]string, error) {
	t.Helper()
	repository, tag, _ := strings.Cut(reference, ":")
	var problem error
	for range 10 {
		top, body := ask(t, http.MethodGet, host, repository, "manifests/"+tag)
		if top.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("%s: %d", tag, top.StatusCode)
		}
		var m struct {
			Config    struct{ Digest string }
			Manifests []struct {
				Digest   string
				Platform struct{ Architecture string }
			}
		}
		if err := json.Unmarshal(body, &m); err != nil {
			return nil, err
		}
		digest := top.Header.Get("Docker-Content-Digest")
		has := map[string]string{}
		if m.Config.Digest != "" { // a plain image
			var config struct{ Architecture string }
			resp, blob := ask(t, http.MethodGet, host, repository, "blobs/"+m.Config.Digest)
			if resp.StatusCode == http.StatusOK && json.Unmarshal(blob, &config) == nil {
				has[config.Architecture] = digest
			}
			return has, nil
		}
		problem = nil
		for _, child := range m.Manifests {
			if resp, _ := ask(t, http.MethodGet, host, repository, "manifests/"+child.Digest); resp.StatusCode != http.StatusOK {
				problem = fmt.Errorf("%s of %s: %d", child.Digest, reference, resp.StatusCode)
				continue
			}
			if a := child.Platform.Architecture; a != "unknown" {
				has[a] = child.Digest
			}
		}
		if problem == nil {
			return has, nil
		}
		if now, _ := ask(t, http.MethodHead, host, repository, "manifests/"+tag); now.Header.Get("Docker-Content-Digest") == digest {
			return has, problem // it is the tag's own fault
		}
	}
	return nil, problem
}
