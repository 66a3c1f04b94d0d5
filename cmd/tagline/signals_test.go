package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tagline/reconcile/oci/ocitest"
)

// command is tagline as a process of its own, on a harness.
func (h *harness) command(t *testing.T, args ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.Command(self(t), append([]string{"apply", "--registry", h.proxy.Host, "--cache-dir", noCache, "--trash", "trash"}, args...)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = h.dir, &out, &out
	cmd.Env = append(cmd.Environ(), "GORACE=atexit_sleep_ms=0", "DOCKER_CONFIG="+h.dir)
	return cmd, &out
}

// An interrupted run begins no new write, finishes what is under way, says what
// was done and what was not, and ends: it waits for a push, but not for an hour.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	upstream := ocitest.Registry(t)
	for i, test := range []struct {
		name   string
		signal syscall.Signal
		later  time.Duration // a push ends, after the signal
		says   string
		done   bool // what was under way
	}{
		{"SIGINT", syscall.SIGINT, time.Second, "", true},
		{"SIGTERM", syscall.SIGTERM, time.Second, "", true},
		{"SIGTERM, and a push that hangs", syscall.SIGTERM, time.Hour, `! a\d+ +error: push .*: cut off after the interruption, and it is not known whether it was done`, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, upstream, fmt.Sprintf("interrupted-%d", i))
			var aliases strings.Builder
			const count, atOnce = 30, 3
			for n := range count {
				fmt.Fprintf(&aliases, "      a%d: {amd64: 10.10}\n", n)
			}
			h.write(t, "images.yaml", "images:\n  REPOSITORY:\n    aliases:\n"+aliases.String()+"      9: absent\n")
			h.proxy.Reset()
			signaled := make(chan struct{})
			h.proxy.Script(ocitest.Fault{Method: http.MethodPut, Do: func(w http.ResponseWriter, r *http.Request, registry http.Handler) {
				<-signaled
				ocitest.Delay(test.later)(w, r, registry)
			}})

			cmd, out := h.command(t, "--concurrency", fmt.Sprint(atOnce))
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			for puts := 0; puts < atOnce; puts = h.proxy.Count()["PUT manifest(tag)"] {
				time.Sleep(time.Millisecond)
			}
			err := cmd.Process.Signal(test.signal)
			close(signaled)
			if err != nil {
				t.Fatal(err)
			}
			late := time.AfterFunc(5*time.Minute, func() { _ = cmd.Process.Kill() })
			err = cmd.Wait()
			if !late.Stop() || cmd.ProcessState.ExitCode() != exitFailed {
				t.Fatalf("%v:\n%s", err, out)
			}

			h.proxy.Script()
			puts := h.proxy.Count()["PUT manifest(tag)"]
			if puts > 2*atOnce { // a batch may end in the moment of the signal
				t.Errorf("%d pushes were begun", puts)
			}
			pushed := 0
			for tag := range tagsOf(t, upstream, h.repository) {
				if strings.HasPrefix(tag, "a") {
					pushed++
				}
			}
			notDone := strings.Count(out.String(), "error: not done: the run was interrupted")
			if test.done && (pushed != puts || notDone != count-pushed) || !test.done && notDone != count-puts {
				t.Errorf("%d pushes, %d done, %d said to be not done:\n%s", puts, pushed, notDone, out)
			}
			if !regexp.MustCompile(test.says).MatchString(out.String()) {
				t.Errorf("want %s:\n%s", test.says, out)
			}
			if !strings.Contains(out.String(), "  ! 9 ") || tagsOf(t, upstream, h.repository)["9"] == "" {
				t.Errorf("9 is deleted, or the report does not say that it is not:\n%s", out)
			}
			if code, out := h.tagline(t.Context()); code != exitDone || !strings.Contains(out, fmt.Sprintf("%d pushed, 1 tag", count-pushed)) {
				t.Errorf("the next run: exit code %d\n%s", code, out)
			}
		})
	}
}

// A run that is killed at any of its writes, before or after the registry did
// it, leaves every tag whole, and the next run comes to the same end. Without
// [ocitest.All], it is a sample of the writes.
func TestKilled(t *testing.T) {
	t.Parallel()
	upstream := ocitest.Registry(t)
	fresh := func(name string) *harness {
		h := newHarness(t, upstream, name)
		h.write(t, "images.yaml", strings.Replace(harnessYAML, "prune: true", "prune: true, provenance: purge", 1))
		h.proxy.Reset()
		return h
	}
	writes := func(h *harness) int {
		n := 0
		for method, count := range h.proxy.Count() {
			if strings.HasPrefix(method, "PUT") || strings.HasPrefix(method, "DELETE") {
				n += count
			}
		}
		return n
	}
	h := fresh("whole")
	if code, out := h.tagline(t.Context()); code != exitDone {
		t.Fatal(out)
	}
	want, count := tagsOf(t, upstream, h.repository), writes(h)
	if count < 8 {
		t.Fatalf("%d writes, want pushes and deletions of tags and manifests", count)
	}
	kills := ocitest.Sample(t, count, 3)
	for _, at := range kills {
		for _, after := range []bool{false, true} {
			h := fresh(fmt.Sprintf("killed-%d-%v", at, after))
			cmd, out := h.command(t)
			seen := 0
			var started sync.Mutex // the proxy may be quicker than Start
			kill := func(w http.ResponseWriter, r *http.Request, registry http.Handler) {
				if r.Method != http.MethodPut && r.Method != http.MethodDelete {
					registry.ServeHTTP(w, r)
					return
				}
				seen++ // one request at a time
				if seen <= at {
					registry.ServeHTTP(w, r)
					return
				}
				if after && seen == at+1 {
					ocitest.LoseAnswer()(w, r.WithContext(context.WithoutCancel(r.Context())), registry)
				}
				started.Lock()
				defer started.Unlock()
				_ = cmd.Process.Kill()
			}
			h.proxy.Script(ocitest.Fault{Do: kill})
			cmd.Args = append(cmd.Args, "--concurrency", "1")
			started.Lock()
			err := cmd.Start()
			started.Unlock()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); cmd.ProcessState.ExitCode() != -1 {
				t.Fatalf("not killed: %v\n%s", err, out)
			}
			h.proxy.Script()
			between := tagsOf(t, upstream, h.repository)
			for tag, digest := range between {
				if digest != h.before[tag] && digest != want[tag] {
					t.Errorf("killed at write %d: %s names %s", at+1, tag, digest)
				}
			}
			for tag := range want {
				if h.before[tag] != "" && between[tag] == "" {
					t.Errorf("killed at write %d: %s has vanished", at+1, tag)
				}
			}
			if missing := holes(t, upstream, h.repository); len(missing) > 0 {
				t.Errorf("killed at write %d: tags lead to what is not there: %q", at+1, missing)
			}
			if code, out := h.tagline(t.Context()); code != exitDone {
				t.Errorf("killed at write %d, the next run: exit code %d\n%s", at+1, code, out)
			}
			if code, out := h.tagline(t.Context(), "--detailed-exitcode"); code != exitDone {
				t.Errorf("killed at write %d, the run after it: exit code %d\n%s", at+1, code, out)
			}
			if got := tagsOf(t, upstream, h.repository); !maps.Equal(got, want) {
				t.Errorf("killed at write %d: in the end tags are %v, want %v", at+1, got, want)
			}
		}
	}
	t.Logf("killed at %d of %d writes, before and after each", len(kills), count)
}

// What goes wrong on this machine, while a registry answers well.
func TestThisMachineFails(t *testing.T) {
	t.Parallel()
	upstream := ocitest.Olareg(t)

	t.Run("the folder of a report goes away", func(t *testing.T) {
		h := newHarness(t, upstream, "report")
		folder := filepath.Join(h.dir, "reports")
		run := func(cmd ...string) {
			if out, err := exec.Command(cmd[0], cmd[1:]...).CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		}
		run("mkdir", folder)
		h.proxy.Script(ocitest.Fault{Method: http.MethodPut, Times: 1, Do: ocitest.Before(func() { run("rm", "-r", folder) })})
		code, out := h.tagline(t.Context(), "-o", "text", "-o", "json="+filepath.Join(folder, "run.json"), "-o", "markdown="+filepath.Join(h.dir, "run.md"))
		if code != exitFailed || !strings.Contains(out, "tagline: error: --output json=") || !strings.Contains(out, "Applied: 2 pushed") {
			t.Errorf("exit code %d:\n%s", code, out)
		}
		run("grep", "-q", "### 1 tag moved, 1 is new, 2 were deleted", filepath.Join(h.dir, "run.md"))
		if code, out := h.tagline(t.Context(), "--detailed-exitcode"); code != exitDone {
			t.Errorf("the next run: exit code %d\n%s", code, out)
		}
	})

	// Of a folder that can't be made, of a disk that is read-only and one that is
	// full. The last two need a mount, which not every machine allows.
	for i, test := range []struct{ name, mount, warns string }{
		{"a cache in a file system that makes no folders", "", "going on without it"},
		{"a cache on a read-only disk", "ro,size=1m", "read-only file system"},
		{"a cache on a full disk", "size=4k,nr_inodes=1", "no space left on device"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newHarness(t, upstream, fmt.Sprintf("cache-%d", i))
			cache := "/proc/tagline"
			shell := []string{"sh", "-c"}
			script := ""
			if test.mount != "" {
				cache = filepath.Join(h.dir, "cache")
				shell = []string{"unshare", "--map-root-user", "--mount", "sh", "-c"}
				if exec.Command(shell[0], append(shell[1:], "mount -t tmpfs -o size=4k tagline /tmp")...).Run() != nil {
					t.Skip("no mounts here")
				}
				script = "mkdir " + cache + " && mount -t tmpfs -o " + test.mount + " tagline " + cache + " && "
			}
			cmd, out := h.command(t, "--cache-dir", cache)
			cmd.Args = append(append(shell, script+`exec "$0" "$@"`), cmd.Args...)
			path, err := exec.LookPath(shell[0])
			if err != nil {
				t.Fatal(err)
			}
			cmd.Path = path
			if err := cmd.Run(); err != nil || strings.Count(out.String(), "level=WARN") != 1 || !strings.Contains(out.String(), test.warns) || !strings.Contains(out.String(), "Applied: 2 pushed") {
				t.Errorf("%v:\n%s", err, out)
			}
		})
	}
}
