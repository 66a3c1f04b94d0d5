package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tagline/reconcile/demo"
	"tagline/reconcile/oci/ocitest"
)

// farm is a registry behind a proxy, with images to measure on.
type farm struct {
	t     testing.TB
	proxy *ocitest.RegistryProxy
	host  string // of the registry itself
}

func newFarm(t testing.TB) *farm {
	host := ocitest.Distribution(t)
	return &farm{t, ocitest.Proxy(t, host), host}
}

// seed gives a repository so many aliases' sources, N.10 for amd64 and N.20 for
// arm64: two images are pushed, the others are their manifests with another
// annotation, so that all have their own digest.
func (f *farm) seed(repository string, aliases int) {
	var sources []demo.Image
	for tag, platform := range map[string]string{"0.10": "linux/amd64", "0.20": "linux/arm64/v8"} {
		sources = append(sources, demo.Image{Tag: tag, Platforms: []string{platform}})
	}
	if _, err := demo.Push(f.t.Context(), f.host, repository, sources); err != nil {
		f.t.Fatal(err)
	}
	url := "http://" + f.host + "/v2/" + repository + "/manifests/"
	for _, minor := range []string{"10", "20"} {
		body := send(f.t, http.DefaultClient, http.MethodGet, url+"0."+minor, nil)
		each(aliases, 8, func(i int) {
			annotated := bytes.Replace(body, []byte("{"), fmt.Appendf(nil, `{"annotations":{"n":"%d"},`, i), 1)
			put(f.t, fmt.Sprintf("%s%d.%s", url, i, minor), annotated)
		})
	}
}

// push does the same with images that each have a config of their own.
func (f *farm) push(repository string, aliases int) {
	each(aliases, 8, func(i int) {
		sources := []demo.Image{
			{Tag: fmt.Sprintf("%d.10", i), Platforms: []string{"linux/amd64"}},
			{Tag: fmt.Sprintf("%d.20", i), Platforms: []string{"linux/arm64/v8"}},
		}
		if _, err := demo.Push(f.t.Context(), f.host, repository, sources); err != nil {
			f.t.Error(err)
		}
	})
}

func put(t testing.TB, url string, manifest []byte) {
	req, err := http.NewRequest(http.MethodPut, url, bytes.NewReader(manifest))
	if err != nil {
		t.Error(err)
		return
	}
	req.Header.Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Error(err)
		return
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		t.Errorf("%s: %s", url, resp.Status)
	}
}

// imagesYAML is a file for what seed has made.
func (f *farm) imagesYAML(repositories []string, aliases int) string {
	var b strings.Builder
	b.WriteString("images:\n")
	for _, r := range repositories {
		fmt.Fprintf(&b, "  %s:\n    aliases:\n", r)
		for i := range aliases {
			fmt.Fprintf(&b, "      %d: {amd64: %d.10, arm64: %d.20}\n", i, i, i)
		}
	}
	file := filepath.Join(f.t.TempDir(), "images.yaml")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		f.t.Fatal(err)
	}
	return file
}

// cost is what a process took.
type cost struct {
	wall, cpu time.Duration
	memory    float64 // MB, at its highest
	trace     []ocitest.Request
}

func (f *farm) run(name string, args ...string) cost {
	f.t.Helper()
	f.proxy.Reset()
	cmd := exec.Command(name, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	start := time.Now()
	if err := cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	memory := watch(cmd.Process.Pid)
	err := cmd.Wait()
	wall := time.Since(start)
	if err != nil {
		f.t.Fatalf("%s %v: %v\n%s", name, args, err, out.Bytes())
	}
	return cost{wall, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), memory(), f.proxy.Trace()}
}

// watch returns a way to learn the peak resident memory of a process, in MB,
// once it has ended; 0 where there is no /proc. What wait(2) tells is no less
// than what the parent had when it forked.
func watch(pid int) func() float64 {
	var peak float64
	ended, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
			if _, rest, ok := strings.Cut(string(status), "VmHWM:"); ok {
				var kB float64
				_, _ = fmt.Sscan(rest, &kB)
				peak = max(peak, kB/1024)
			}
			select {
			case <-ended:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	return func() float64 {
		close(ended)
		<-done
		return peak
	}
}

func (f *farm) apply(file string, args ...string) cost {
	f.t.Helper()
	return f.run(program(f.t, "tagline"), append([]string{"apply", "-q", "-f", file, "--registry", f.proxy.Host}, args...)...)
}

// program is one that the Makefile has put into bin/.
func program(t testing.TB, name string) string {
	path, err := filepath.Abs(filepath.Join("..", "..", "bin", name))
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		t.Fatalf("%v; run `make bench`", err)
	}
	return path
}

// floor sends one HEAD for each alias and each of its sources, 16 at a time,
// with nothing to parse and nothing to decide: the least that can tell whether
// they moved.
func (f *farm) floor(repositories []string, aliases int) time.Duration {
	var trace []ocitest.Request
	for _, r := range repositories {
		for i := range aliases {
			for _, tag := range []string{"%d", "%d.10", "%d.20"} {
				trace = append(trace, ocitest.Request{Method: http.MethodHead, Path: "/v2/" + r + "/manifests/" + fmt.Sprintf(tag, i)})
			}
		}
	}
	return replay(f.t, f.proxy.Host, trace)
}

// forget deletes the alias tags.
func (f *farm) forget(repository string, aliases int) {
	each(aliases, 8, func(i int) {
		send(f.t, http.DefaultClient, http.MethodDelete, fmt.Sprintf("http://%s/v2/%s/manifests/%d", f.host, repository, i), nil)
	})
}

// treeName is the repository of a file of a tree.
func treeName(i int) string { return fmt.Sprintf("team-%d/app-%d", i%100, i) }

// tree is a folder of files for what seed has made, with a repository each.
func (f *farm) tree(files, aliases int) string {
	folder := f.t.TempDir()
	var list strings.Builder
	for i := range aliases {
		fmt.Fprintf(&list, "      %d: {amd64: %d.10, arm64: %d.20}\n", i, i, i)
	}
	for i := range files {
		name := filepath.Join(folder, treeName(i)+".yaml")
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700),
			os.WriteFile(name, []byte("images:\n  "+treeName(i)+":\n    aliases:\n"+list.String()), 0o600)); err != nil {
			f.t.Fatal(err)
		}
	}
	return folder
}
