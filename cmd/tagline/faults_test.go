package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tagline/reconcile/demo"
	"tagline/reconcile/oci/ocitest"
)

// What is in the repository after a run that met a fault.
const (
	nothing = "nothing was done" // 10 names its old image, 8 and 9 are there
	pushes  = "pushes were done" // 10 names the new index, 8 and 9 are there
	all     = "all was done"     // 10 names the new index, 8 and 9 are gone
)

// A run meets a fault: its exit code, what it says, what
// the registry holds then. Tags that should exist never vanish, none leads to
// something that is not there, and once the fault is over the next run does
// what is left, and the one after it nothing.
func TestFaults(t *testing.T) {
	t.Parallel()
	upstream := ocitest.Registry(t)
	seconds := "1"
	if ocitest.All() {
		seconds = "7"
	}
	source, alias, list := "/manifests/10.10$", "/manifests/10$", "/tags/list$"
	unknown := ocitest.Respond(404, `{"errors":[{"code":"MANIFEST_UNKNOWN","message":"unknown"}]}`, "Content-Type", "application/json")
	inTwoSeconds := func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Retry-After", time.Now().Add(2*time.Second).UTC().Format(http.TimeFormat))
		w.WriteHeader(http.StatusTooManyRequests)
	}
	// pages of the tags that there are, one on each; what is on the third?
	pages := func(third http.HandlerFunc) ocitest.Action {
		return func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
			tags := []string{"8", "9", "10", "10.10", "10.20"}
			at := slices.Index(tags, r.URL.Query().Get("last")) + 1
			if at == 2 {
				third(w, r)
				return
			}
			if at < 4 {
				w.Header().Set("Link", fmt.Sprintf(`<%s?n=1&last=%s>; rel="next"`, r.URL.Path, tags[at]))
			}
			_ = json.NewEncoder(w).Encode(map[string]any{"tags": tags[at : at+1]})
		}
	}
	link := func(next string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", next)
			_, _ = w.Write([]byte(`{"tags":[]}`))
		}
	}
	// later changes the registry between the plan and a write.
	later := func(method, path string) func(h *harness) ocitest.Action {
		return func(h *harness) ocitest.Action {
			return ocitest.Before(func() {
				req, err := http.NewRequest(method, "http://"+h.upstream+"/v2/"+h.repository+"/manifests/"+h.named(path), nil)
				if err != nil {
					t.Error(err)
					return
				}
				if resp, err := http.DefaultClient.Do(req); err != nil || resp.StatusCode >= 300 {
					t.Errorf("%s %s: %v, %v", method, path, resp, err)
				} else {
					_ = resp.Body.Close()
				}
			})
		}
	}

	rows := []*struct {
		name   string
		method string
		path   string // of a manifest or a list, as ocitest.Fault has it
		skip   int
		times  int
		do     ocitest.Action
		meddle func(*harness) ocitest.Action // instead of do
		cached bool                          // what the run before has read is cached
		exit   int
		says   string // a regular expression
		left   string
		broken bool // what happened leaves a source without its image
		strict bool // the registry must refuse an index that lists what it doesn't hold

		h    *harness
		code int
		out  string
	}{
		{name: "none", path: "nowhere", do: ocitest.Reset(), left: all},

		{name: "429 for some seconds", method: "GET", path: source, times: 1, do: ocitest.Status(429, "Retry-After", seconds), left: all},
		{name: "429 until a date", method: "GET", path: source, times: 1, do: inTwoSeconds, left: all},
		{name: "429 with garbage", method: "GET", path: source, times: 1, do: ocitest.Status(429, "Retry-After", "soon"), left: all},
		{name: "429 for an hour", method: "GET", path: source, do: ocitest.Status(429, "Retry-After", "3600"), exit: 1, says: `asks to wait 1h0m0s \(Retry-After\)`, left: nothing},
		{name: "429 for an hour on a push", method: "PUT", path: alias, do: ocitest.Status(429, "Retry-After", "3600"), exit: 1, says: `asks to wait 1h0m0s`, left: nothing},
		{name: "503 in a burst", times: 4, do: ocitest.Status(503), left: all},
		{name: "503 for ever", method: "GET", path: source, do: ocitest.Status(503), exit: 1, says: `503 Service Unavailable`, left: nothing},
		{name: "503 for ever on a push", method: "PUT", path: alias, do: ocitest.Status(503), exit: 1, says: `! 10 +error: push .*503 Service Unavailable`, left: nothing},

		{name: "reset", method: "GET", path: source, times: 2, do: ocitest.Reset(), left: all},
		{name: "reset for ever", method: "GET", path: source, do: ocitest.Reset(), exit: 1, says: `connection reset|EOF`, left: nothing},
		{name: "reset in a push", method: "PUT", path: alias, times: 2, do: ocitest.Reset(), left: all},
		{name: "reset in a push for ever", method: "PUT", path: alias, do: ocitest.Reset(), exit: 1, says: `! 10 +error: push .*(connection reset|EOF|broken pipe|closed network connection)`, left: nothing},
		{name: "push done, answer lost", method: "PUT", path: alias, times: 1, do: ocitest.LoseAnswer(), left: all},
		{name: "push done, answers lost for ever", method: "PUT", path: alias, do: ocitest.LoseAnswer(), exit: 1, says: `! 10 +error: push .*(connection reset|EOF|broken pipe|closed network connection)`, left: pushes},
		{name: "push answered with a foreign digest", method: "PUT", path: alias, do: ocitest.SetHeader("Docker-Content-Digest", zeros), exit: 1, says: `registry stored ` + zeros + `, not the sha256:`, left: pushes},
		{name: "push answered with HTML", method: "PUT", path: alias, do: ocitest.HTML(), exit: 1, says: `push answered with a page of HTML`, left: nothing},
		{name: "push refused", method: "PUT", path: alias, do: ocitest.Status(403), exit: 1, says: `403 Forbidden; the credentials for .* do not allow this`, left: nothing},

		{name: "401", method: "GET", path: source, do: ocitest.Status(401), exit: 1, says: `401 Unauthorized; log in`, left: nothing},
		{name: "403", method: "GET", path: source, do: ocitest.Status(403), exit: 1, says: `403 Forbidden`, left: nothing},
		{name: "403 for the alias", path: alias, do: ocitest.Status(403), exit: 1, says: `403 Forbidden`, left: nothing},
		{name: "HTML", method: "GET", path: source, do: ocitest.HTML(), exit: 1, says: `answered with text/html`, left: nothing},
		{name: "404 as HTML", method: "GET", path: source, do: ocitest.Respond(404, "<html>", "Content-Type", "text/html"), exit: 1, says: `404 with a page of HTML`, left: nothing},
		{name: "another type", method: "GET", path: source, do: ocitest.SetHeader("Content-Type", "application/json"), exit: 1, says: `answered with application/json, not a manifest`, left: nothing},
		{name: "truncated once", method: "GET", path: source, times: 1, do: ocitest.Truncate(20), left: all},
		{name: "truncated for ever", method: "GET", path: source, do: ocitest.TruncateChunked(20), exit: 1, says: `unexpected EOF`, left: nothing},
		{name: "dripping", method: "GET", path: source, do: ocitest.Drip(time.Millisecond), left: all},
		{name: "oversized", method: "GET", path: source, do: ocitest.Oversize(5 << 20), exit: 1, says: `5242880 bytes, more than the 4194304`, left: nothing},
		{name: "wrong digest on GET", method: "GET", path: source, do: ocitest.SetHeader("Docker-Content-Digest", zeros), exit: 1, says: `body has the digest sha256:[0-9a-f]+, not ` + zeros, left: nothing},
		{name: "wrong body", method: "GET", path: source, do: ocitest.ReplaceBody(bytes.ToUpper), exit: 1, says: `body has the digest`, left: nothing},
		{name: "forged body by digest", method: "GET", path: "/manifests/sha256:", do: ocitest.ForgeBody(bytes.TrimSpace), left: all},                            // the same bytes: a forgery must differ
		{name: "wrong digest on HEAD of a source", method: "HEAD", path: source, cached: true, do: ocitest.SetHeader("Docker-Content-Digest", zeros), left: all}, // no such manifest: the tag itself decides
		{name: "wrong digest on HEAD of an alias", method: "HEAD", path: alias, do: ocitest.SetHeader("Docker-Content-Digest", zeros), exit: 1, says: `it was written, but the tag now names ` + zeros, left: pushes},
		{name: "HEAD denies everything", method: "HEAD", do: ocitest.Status(404), left: all},
		{name: "HEAD is not implemented", method: "HEAD", do: ocitest.Status(501), left: all},
		{name: "HEAD without a digest", method: "HEAD", do: ocitest.StripHeader("Docker-Content-Digest"), left: all},
		{name: "answer of another request", method: "GET", path: source, do: func(w http.ResponseWriter, r *http.Request, upstream http.Handler) {
			r = r.Clone(r.Context())
			r.URL.Path = strings.ReplaceAll(r.URL.Path, "10.10", "10.20")
			upstream.ServeHTTP(w, r)
		}, exit: 3, says: `error\[missing-platform\]: source "10.10" has no linux/amd64`, left: "10 stays"},

		{name: "a source is gone", path: source, do: unknown, exit: 1, says: `the list of tags has "10.10"|error\[missing-source\]`, left: nothing},
		{name: "a tag moves before its push", method: "HEAD", path: alias, skip: 1, times: 1, meddle: later(http.MethodDelete, "10"), exit: 1, says: `! 10 +error: stale: the tag named sha256:[0-9a-f]+ when it was planned, and now names nothing`, left: "10 is gone"},
		{name: "a source is deleted before the push", method: "PUT", path: alias, times: 1, meddle: later(http.MethodDelete, "10.10"), left: all, broken: true},
		{name: "an image is deleted before the push", method: "PUT", path: alias, times: 1, meddle: later(http.MethodDelete, "child"), exit: 1, says: `! 10 +error: push .*MANIFEST_BLOB_UNKNOWN`, left: nothing, broken: true, strict: true},
		{name: "the read-back is late", method: "HEAD", path: alias, skip: 2, times: 2, do: unknown, left: all},
		{name: "the read-back never comes", method: "HEAD", path: alias, skip: 2, do: unknown, exit: 1, says: `it was written, but the tag now names nothing`, left: pushes},
		{name: "the read-back can't be read", path: alias, skip: 3, do: ocitest.Status(403), exit: 1, says: `it was written, but could not be read back`, left: pushes},

		{name: "page 3 of 5 fails", path: list, do: pages(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }), exit: 1, says: `nothing is purged or deleted: list of tags .*500`, left: pushes},
		{name: "page 3 of 5 is the last", path: list, do: pages(link("")), exit: 1, says: `the list of tags lacks "10"`, left: pushes},
		{name: "pages in a circle", path: list, do: pages(link(`<?n=1&last=8>; rel="next"`)), exit: 1, says: `its pages lead in a circle`, left: pushes},
		{name: "the next page is on another host", path: list, do: pages(link(`<http://127.0.0.1:1/v2/x/tags/list>; rel="next"`)), exit: 1, says: `does not match registry host`, left: pushes},
		{name: "no tags", path: list, do: ocitest.Respond(200, `{"tags":[]}`, "Content-Type", "application/json"), exit: 1, says: `the list of tags lacks`, left: pushes},
		{name: "no repository to list", path: list, do: unknown, exit: 1, says: `says that there is no such repository, and answers for what is in it`, left: pushes},

		{name: "delete answered 405", method: "DELETE", do: ocitest.Status(405), exit: 3, says: `! 9 +error: .*not supported by this registry \(405`, left: pushes},
		{name: "delete answered 404", method: "DELETE", do: unknown, exit: 3, says: `though the tag is there`, left: pushes},
		{name: "delete refused", method: "DELETE", do: ocitest.Status(403), exit: 1, says: `! 9 +error: .*403 Forbidden`, left: pushes},
		{name: "delete done, answer lost", method: "DELETE", times: 1, do: ocitest.LoseAnswer(), left: all},
		{name: "delete reset once", method: "DELETE", times: 1, do: ocitest.Reset(), left: all},
		{name: "delete answered 202 and not done", method: "DELETE", do: ocitest.Status(202), exit: 1, says: `it was written, but the tag now names sha256:`, left: pushes},
	}

	for i, row := range rows {
		row.h = newHarness(t, upstream, fmt.Sprintf("row-%d", i))
		if row.meddle != nil {
			row.do = row.meddle(row.h)
		}
		if row.cached {
			row.h.cacheDir = filepath.Join(row.h.dir, "cache")
			row.h.tagline(t.Context(), "--dry-run")
		}
		row.h.proxy.Reset()
		row.h.proxy.Script(ocitest.Fault{Method: row.method, Path: row.path, Skip: row.skip, Times: row.times, Do: row.do})
	}
	var wg sync.WaitGroup // most of them do nothing but wait
	for _, row := range rows {
		wg.Go(func() { row.code, row.out = row.h.tagline(t.Context()) })
	}
	wg.Wait()

	injected := 0
	var whole map[string]string
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			if row.strict && !ocitest.HasDistribution(t) {
				t.Skip("bin/registry is missing, and olareg takes any index: `make tools` installs it")
			}
			h := row.h
			if n := h.proxy.Faults(); n == 0 && row.name != "none" {
				t.Error("nothing met the fault")
			} else {
				injected += n
			}
			h.proxy.Script()
			if row.code != row.exit || !regexp.MustCompile(row.says).MatchString(row.out) {
				t.Errorf("exit code %d, want %d and %s:\n%s", row.code, row.exit, row.says, row.out)
			}
			after := tagsOf(t, upstream, h.repository)
			if row.name == "none" {
				whole = after
			}
			want := maps.Clone(h.before)
			switch row.left {
			case nothing:
				delete(after, "other") // it does not depend on 10
			case pushes, all:
				want["10"], want["other"] = whole["10"], whole["other"]
			case "10 is gone":
				delete(want, "10")
				delete(after, "other")
			case "10 stays": // a violation, and nothing failed
				want["other"] = whole["other"]
			}
			if row.left == all || row.left == "10 stays" {
				delete(want, "8")
				delete(want, "9")
			}
			if row.broken {
				delete(want, "10.10")
				delete(after, "10.10")
			}
			if !maps.Equal(after, want) {
				t.Errorf("tags are %v\nwant     %v\n%s", after, want, row.out)
			}
			if row.broken {
				return
			}
			if missing := holes(t, upstream, h.repository); len(missing) > 0 {
				t.Errorf("tags lead to what is not there: %q", missing)
			}
			if code, out := h.tagline(t.Context()); code != exitDone {
				t.Errorf("the next run: exit code %d\n%s", code, out)
			}
			if code, out := h.tagline(t.Context(), "--detailed-exitcode"); code != exitDone {
				t.Errorf("the one after it: exit code %d\n%s", code, out)
			}
			if after := tagsOf(t, upstream, h.repository); !maps.Equal(after, whole) {
				t.Errorf("in the end tags are %v\nwant %v", after, whole)
			}
		})
	}
	t.Logf("%d faults in %d runs", injected, len(rows))
}

// named is a tag, or for "child" the digest of the image that 10.10 holds.
func (h *harness) named(reference string) string {
	if reference != "child" {
		return reference
	}
	objects, err := demo.Samples()[0].Objects()
	if err != nil {
		return err.Error()
	}
	var index struct{ Manifests []struct{ Digest string } }
	_ = json.Unmarshal(objects[len(objects)-1].Body, &index)
	return index.Manifests[0].Digest
}
