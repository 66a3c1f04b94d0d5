package main

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"tagline/reconcile/oci/ocitest"
)

// faults are the actions that scripts know by name; a number is a status.
func faults(name string) (ocitest.Action, error) {
	if status, err := strconv.Atoi(name); err == nil {
		return ocitest.Status(status, "Retry-After", "0"), nil
	}
	switch name {
	case "html":
		return ocitest.HTML(), nil
	case "truncate":
		return ocitest.Truncate(20), nil
	case "wrong-digest":
		return ocitest.SetHeader("Docker-Content-Digest", "sha256:"+strings.Repeat("0", 64)), nil
	case "reset":
		return ocitest.Reset(), nil
	case "lose-answer":
		return ocitest.LoseAnswer(), nil
	case "an-hour":
		return ocitest.Status(http.StatusTooManyRequests, "Retry-After", "3600"), nil
	case "schema1":
		return ocitest.ForgeBody(func([]byte) []byte { return []byte(`{"schemaVersion":1,"fsLayers":[]}`) }), nil
	case "config-and-manifests":
		return ocitest.ForgeBody(func(body []byte) []byte {
			return []byte(strings.Replace(string(body), "{", `{"config":{},`, 1))
		}), nil
	case "lists": // a whole registry, as CNCF distribution does
		return ocitest.Respond(http.StatusOK, `{"repositories":["app","emptied","team/odd","web"]}`, "Content-Type", "application/json"), nil
	case "name-unknown": // as most registries answer; olareg lists no tags
		return ocitest.Respond(http.StatusNotFound, `{"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known to registry"}]}`, "Content-Type", "application/json"), nil
	case "tag-as-digest":
		return ocitest.TagAsDigest(), nil
	case "slow":
		return ocitest.Delay(200 * time.Millisecond), nil
	}
	return nil, fmt.Errorf("unknown fault %q", name)
}

func (s *scripted) fault(args []string) error {
	do, err := faults(args[2])
	if err != nil {
		return err
	}
	f := ocitest.Fault{Method: args[0], Path: args[1], Do: do}
	if len(args) > 3 {
		if f.Times, err = strconv.Atoi(args[3]); err != nil {
			return err
		}
	}
	s.script = append(s.script, f)
	s.proxy.Script(s.script...)
	return nil
}

func (s *scripted) nofault([]string) error {
	s.script = nil
	s.proxy.Script()
	return nil
}

func (s *scripted) requests(methods []string) error {
	defer s.proxy.Reset()
	for _, r := range s.proxy.Trace() {
		if !slices.Contains(methods, r.Method) {
			return fmt.Errorf("%s %s was sent", r.Method, r.Path)
		}
	}
	return nil
}

// needed counts the requests that a proxy has seen, without two kinds of GETs that
// are answered with 404. Those that confirm a HEAD of 404: how many a run sends
// depends on which HEAD is answered first. And those of fallback tags, which only a
// registry without a referrers API is asked for.
func needed(proxy *ocitest.RegistryProxy) map[string]int {
	counts, absent := map[string]int{}, map[string]bool{}
	for _, r := range proxy.Trace() {
		if r.Method == http.MethodHead && r.Status == http.StatusNotFound {
			absent[r.Path] = true
		}
		if r.Method == http.MethodGet && r.Status == http.StatusNotFound && (absent[r.Path] || strings.Contains(r.Path, "/manifests/sha256-")) {
			continue
		}
		counts[r.Method+" "+r.Kind]++
	}
	return counts
}

// exactly compares what is [needed].
func (s *scripted) exactly(want []string) error {
	defer s.proxy.Reset()
	counts := needed(s.proxy)
	var got []string
	for what, n := range counts {
		got = append(got, fmt.Sprintf("%d %s", n, what))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		return fmt.Errorf("there were %q, not %q", got, want)
	}
	return nil
}
