package main

import (
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"tagline/reconcile/demo"
	"tagline/reconcile/oci/ocitest"
)

var update = flag.Bool("update", false, "write what commands print into the scripts and pages that compare it")

// TestMain makes the test binary tagline and crane, too, whenever a test runs
// one of them as a command, and the [runner] of a script. tagline waits for a moment
// before it asks a registry again, instead of seconds, unless all tests run.
func TestMain(m *testing.M) {
	if !ocitest.All() {
		patience.Backoff = 10 * time.Millisecond
	}
	switch filepath.Base(os.Args[0]) {
	case "tagline":
		main()
	case "crane":
		ocitest.Crane()
	case "runner":
		runTasks()
	default:
		os.Exit(testAll(m))
	}
}

// testAll runs more tests at a time than there are processors, since most of them
// wait, and collects garbage less often: there is much and little is kept. It hides
// the credentials of whoever runs them, and puts the commands in front of $PATH.
func testAll(m *testing.M) int {
	debug.SetGCPercent(400)
	bin, err := os.MkdirTemp("", "tagline")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(bin) }()
	binary, err := os.Executable()
	for _, name := range []string{"tagline", "crane", "runner"} {
		err = errors.Join(err, os.Symlink(binary, filepath.Join(bin, name)))
	}
	err = errors.Join(err, flag.Set("test.parallel", "8"),
		os.Setenv("DOCKER_CONFIG", "/nonexistent"),
		os.Setenv("PATH", bin+string(filepath.ListSeparator)+os.Getenv("PATH")))
	if err != nil {
		panic(err)
	}
	return m.Run()
}

// TestScripts runs each script of testdata/script on each registry, and those of
// testdata/zot on one that drops manifests with their last tag. $REGISTRY
// is a transparent proxy in front of it, and TAGLINE_REGISTRY names it too.
// $PORT is its port. $FLEET is a tree of files of forty services.
// Beside testscript's own commands there are:
//
//	tagline, crane               quicker than with exec, see runner
//	exits N[,N] tagline...       with this exit code, or one of these
//	capture NAME PATTERN         sets a variable to the group of a pattern for stdout
//	push REPOSITORY:TAG PLATFORM[,PLATFORM] [provenance] [artifact] [docker] [build=N]
//	shape FILE                   what it says, see shape
//	fixtures REPOSITORY          what BuildKit pushed, see ocitest.AppOCI
//	digests REPOSITORY TAG...    prints what each tag names, and what is in that
//	gone REPOSITORY FILE         prints how many of the digests in it can't be pulled
//	fault METHOD PATH ACTION [N] the first N matching requests go wrong, see faults
//	nofault
//	registry NAME                starts another registry, and $NAME is its host
//	fill FILE...                 puts variables in the place of their names, such as $REGISTRY
//	schema FILE...               each is JSON as plan.schema.json has it
//	requests [METHOD...]         no other methods were used since the last call
//	exactly ['N METHOD KIND'...] these requests were sent since the last call, see ocitest.Request
func TestScripts(t *testing.T) {
	t.Parallel()
	fleet, err := filepath.Abs("../../config/testdata/fleet")
	if err != nil {
		t.Fatal(err)
	}
	for name, registry := range map[string]struct {
		start func(testing.TB) string
		dir   string
	}{
		"olareg":       {ocitest.Olareg, "testdata/script"},
		"distribution": {func(t testing.TB) string { return ocitest.Distribution(t) }, "testdata/script"},
		"zot":          {ocitest.Zot, "testdata/zot"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name == "distribution" && !ocitest.HasDistribution(t) {
				t.Skip("bin/registry is missing: `make tools` installs it")
			}
			testscript.Run(t, testscript.Params{
				Dir:                registry.dir,
				UpdateScripts:      *update,
				RequireUniqueNames: true,
				Setup: func(env *testscript.Env) error {
					t := env.T().(testing.TB)
					s := &scripted{t: t, proxy: ocitest.Proxy(t, registry.start(t))}
					env.Values["registry"] = s
					env.Setenv("REGISTRY", s.proxy.Host)
					env.Setenv("PORT", s.proxy.Host[strings.LastIndexByte(s.proxy.Host, ':')+1:])
					env.Setenv("TAGLINE_REGISTRY", s.proxy.Host)
					env.Setenv("HOME", env.WorkDir)
					env.Setenv("FLEET", fleet)
					env.Setenv("TAGLINE_TEST_ALL", os.Getenv("TAGLINE_TEST_ALL"))
					env.Setenv("NO_COLOR", "")
					env.Setenv("GOGC", "400")                 // a command has little to collect, and there are hundreds
					env.Setenv("GORACE", "atexit_sleep_ms=0") // or every command takes a second longer under -race
					return startRunner(env)
				},
				Cmds: map[string]func(*testscript.TestScript, bool, []string){
					"tagline":  running("tagline"),
					"crane":    running("crane"),
					"exits":    exits,
					"capture":  capture,
					"push":     command((*scripted).push),
					"shape":    pushShape,
					"fixtures": command((*scripted).fixtures),
					"fault":    command((*scripted).fault),
					"nofault":  command((*scripted).nofault),
					"requests": command((*scripted).requests),
					"schema":   schema,
					"fill":     fill,
					"registry": func(ts *testscript.TestScript, _ bool, args []string) {
						ts.Setenv(args[0], registry.start(ts.Value("registry").(*scripted).t))
					},
					"digests": reading(printDigests),
					"gone":    reading(printGone),
					"exactly": command((*scripted).exactly),
				},
			})
		})
	}
}

func schema(ts *testscript.TestScript, negated bool, files []string) {
	plan, err := jsonschema.NewCompiler().Compile("../../reconcile/report/planfile/plan.schema.json")
	ts.Check(err)
	for _, file := range files {
		document, err := jsonschema.UnmarshalJSON(strings.NewReader(ts.ReadFile(file)))
		ts.Check(err)
		if err := plan.Validate(document); (err != nil) != negated {
			ts.Fatalf("%s: %v", file, err)
		}
	}
}

func fill(ts *testscript.TestScript, _ bool, files []string) {
	for _, file := range files {
		ts.Check(os.WriteFile(ts.MkAbs(file), []byte(os.Expand(ts.ReadFile(file), ts.Getenv)), 0o600))
	}
}

func capture(ts *testscript.TestScript, _ bool, args []string) {
	match := regexp.MustCompile("(?m)" + args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if match == nil {
		ts.Fatalf("no match for %q", args[1])
	}
	ts.Setenv(args[0], match[1])
}

// scripted is the registry of one script.
type scripted struct {
	t      testing.TB
	proxy  *ocitest.RegistryProxy
	script []ocitest.Fault
}

func command(run func(*scripted, []string) error) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, negated bool, args []string) {
		s := ts.Value("registry").(*scripted)
		if err := run(s, args); (err != nil) != negated {
			ts.Fatalf("failed: %v", err)
		}
	}
}

// reading is a command that prints what is in the registry.
func reading(run func(*testscript.TestScript, string, []string, ...crane.Option) error) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, negated bool, args []string) {
		command(func(s *scripted, args []string) error {
			defer s.proxy.Reset()
			return run(ts, s.proxy.Host, args)
		})(ts, negated, args)
	}
}

func (s *scripted) push(args []string) error {
	repository, image, err := parseImage(args)
	if err != nil {
		return err
	}
	_, err = demo.Push(s.t.Context(), s.proxy.Host, repository, []demo.Image{image})
	s.proxy.Reset()
	return err
}

// pushShape fills the registry of a script.
func pushShape(ts *testscript.TestScript, _ bool, args []string) {
	made, err := parseShape(ts.ReadFile(args[0]))
	ts.Check(err)
	s := ts.Value("registry").(*scripted)
	ts.Check(made.push(s.t.Context(), s.proxy.Host))
	s.proxy.Reset()
}

// parseImage reads the arguments of push.
func parseImage(args []string) (repository string, _ demo.Image, _ error) {
	repository, tag, _ := strings.Cut(args[0], ":")
	image := demo.Image{Tag: tag, Platforms: strings.Split(args[1], ",")}
	for _, option := range args[2:] {
		name, value, _ := strings.Cut(option, "=")
		switch name {
		case "provenance":
			image.Provenance = true
		case "artifact":
			image.Artifact = true
		case "docker":
			image.Docker = true
		case "build":
			image.Build, _ = strconv.Atoi(value)
		default:
			return "", image, fmt.Errorf("unknown option %q", option)
		}
	}
	return repository, image, nil
}

func (s *scripted) fixtures(args []string) error {
	ocitest.PushFixtures(s.t, ocitest.AppOCI, s.proxy.Host, args[0])
	s.proxy.Reset()
	return nil
}

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
