package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"tagline/reconcile/oci/ocitest"
)

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
