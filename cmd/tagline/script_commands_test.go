package main

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"tagline/reconcile/demo"
	"tagline/reconcile/oci/ocitest"
)

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
