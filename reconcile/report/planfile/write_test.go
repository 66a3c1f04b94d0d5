package planfile

import (
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"

	"tagline/config"
	"tagline/reconcile"
	"tagline/reconcile/report"
	"tagline/reconcile/report/reporttest"
)

// run is a run with one of everything that a report can contain, applied in
// part.
func run() report.Run {
	return report.Run{
		Version: "v1", ConfigSHA256: strings.Repeat("ab", 32), ExitCode: 1,
		Images: reporttest.Images(), Repositories: []report.Repository{{Plan: reporttest.Plan(), Result: reporttest.Result()}},
		Findings: []*config.Finding{{ID: "unknown-field", Pos: config.Pos{File: "compose.yml", Line: 9, Column: 2}, Message: "no such field"}},
		Failures: []string{"open plan.json: permission denied"},
	}
}

// dryRun is the same run as a dry run.
func dryRun() report.Run {
	r := run()
	r.DryRun, r.Repositories[0].Result = true, reconcile.Result{}
	return r
}

func TestJSONKeepsItsSchema(t *testing.T) {
	schema := reporttest.Schema(t, "plan.schema.json")
	for name, r := range map[string]report.Run{"applied": run(), "dry run": dryRun(), "deletions": savable(), "nothing": {DryRun: true}} {
		if err := reporttest.Validate(t, schema, JSON(r)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, spoil := range map[string]func(map[string]any){
		"another major version":    func(d map[string]any) { d["format_version"] = "2.0" },
		"no errors":                func(d map[string]any) { delete(d, "errors") },
		"config digest cut short":  func(d map[string]any) { d["config_sha256"] = "abc" },
		"old is not there":         func(d map[string]any) { delete(push(d), "old") },
		"old is empty":             func(d map[string]any) { push(d)["old"] = "" },
		"new is a tag":             func(d map[string]any) { push(d)["new"] = "10" },
		"media type of a web page": func(d map[string]any) { push(d)["media_type"] = "text/html" },
		"tag with a slash":         func(d map[string]any) { push(d)["tag"] = "a/b" },
		"outcome of another kind":  func(d map[string]any) { push(d)["outcome"] = "pushed" },
		"no line":                  func(d map[string]any) { delete(d["findings"].([]any)[0].(map[string]any), "line") },
	} {
		var document map[string]any
		if err := json.Unmarshal(JSON(run()), &document); err != nil {
			t.Fatal(err)
		}
		spoil(document)
		if err := schema.Validate(document); err == nil {
			t.Errorf("%s: the schema takes it", name)
		}
	}
}

// A warning does not count as an error of the run.
func TestJSONErrors(t *testing.T) {
	r := report.Run{Findings: []*config.Finding{{ID: "odd", Warning: true}, {ID: "bad", Alias: "10", Message: "no"}}, Failures: []string{"closed"}}
	var got planFile
	if err := json.Unmarshal(JSON(r), &got); err != nil {
		t.Fatal(err)
	}
	if want := []planError{{Alias: "10", Message: ": error[bad]: no"}, {Message: "closed"}}; !slices.Equal(got.Errors, want) {
		t.Errorf("got %+v, want %+v", got.Errors, want)
	}
}

func push(d map[string]any) map[string]any {
	return d["repositories"].([]any)[0].(map[string]any)["pushes"].([]any)[0].(map[string]any)
}

// The schema has exactly the fields that are written. Those that are always
// written are required.
func TestSchemaSaysWhatIsWritten(t *testing.T) {
	text, err := os.ReadFile("plan.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var root map[string]any
	if err := json.Unmarshal(text, &root); err != nil {
		t.Fatal(err)
	}
	definition := func(name string) map[string]any { return root["$defs"].(map[string]any)[name].(map[string]any) }
	for _, test := range []struct {
		of   any
		says map[string]any
	}{
		{planFile{}, root},
		{planRepository{}, definition("repository")},
		{planPush{}, definition("push")},
		{planPlatform{}, definition("platform")},
		{planCandidate{}, definition("candidate")},
		{planCopy{}, definition("copy")},
		{planDeleteTag{}, definition("deleteTag")},
		{planDeleteManifest{}, definition("deleteManifest")},
		{planTag{}, definition("tagDigest")},
		{planSwept{}, definition("swept")},
		{planFinding{}, definition("finding")},
		{planError{}, definition("error")},
		{planShard{}, definition("shard")},
		{planRequests{}, definition("requests")},
		{planPlace{}, definition("place")},
	} {
		var names, always []string
		for _, field := range reflect.VisibleFields(reflect.TypeOf(test.of)) {
			if field.Anonymous {
				continue
			}
			name, rest, _ := strings.Cut(field.Tag.Get("json"), ",")
			names = append(names, name)
			if rest == "" {
				always = append(always, name)
			}
		}
		slices.Sort(names)
		if says := slices.Sorted(maps.Keys(test.says["properties"].(map[string]any))); !slices.Equal(says, names) {
			t.Errorf("%T has %q, its schema %q", test.of, names, says)
		}
		var required []string
		for _, name := range test.says["required"].([]any) {
			required = append(required, name.(string))
		}
		if !slices.Equal(required, always) {
			t.Errorf("of %T always written is %q, required %q", test.of, always, required)
		}
	}
}

// Text from a registry is decoded unchanged, and is safe to print while
// encoded.
func TestJSONOfHostileText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(
			rapid.String(),
			rapid.StringOf(rapid.SampledFrom([]rune("#[:]\r\n\x1b\x00\x7f\u009b\u202e\u2028\"\\<&\U000e0001😀"))),
		).Draw(t, "text")
		r := run()
		r.Repositories[0].Errors[0].Message = text
		encoded := JSON(r)
		for _, c := range string(encoded) {
			if c != '\n' && !unicode.IsPrint(c) {
				t.Fatalf("%U is written", c)
			}
		}
		if strings.Contains(string(encoded), "##[") {
			t.Fatal("a command to a build server is written")
		}
		var back planFile
		if err := json.Unmarshal(encoded, &back); err != nil {
			t.Fatal(err)
		}
		if got := back.Errors[len(back.Errors)-1].Message; got != strings.ToValidUTF8(text, "\ufffd") {
			t.Fatalf("%q came back as %q", text, got)
		}
	})
}
