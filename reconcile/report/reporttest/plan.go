// Package reporttest has what reports are tested with.
package reporttest

import (
	"errors"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"tagline/config"
	"tagline/config/findings"
	"tagline/reconcile"
)

// Digests.
const (
	One   = "sha256:1111111111111111111111111111111111111111111111111111111111111111"
	Two   = "sha256:2222222222222222222222222222222222222222222222222222222222222222"
	Three = "sha256:3333333333333333333333333333333333333333333333333333333333333333"
	Four  = "sha256:4444444444444444444444444444444444444444444444444444444444444444"
	Five  = "sha256:5555555555555555555555555555555555555555555555555555555555555555"
	Six   = "sha256:6666666666666666666666666666666666666666666666666666666666666666"
)

// Everything is a plan with one of everything that a report can contain.
func Everything() reconcile.Plan {
	return reconcile.Plan{
		Image: "my-image",
		Pushes: []reconcile.Push{
			{Tag: "10", Old: One, New: Two, Platforms: []reconcile.PlatformChange{
				{Platform: "linux/amd64", Source: "10.10", Digest: One, OldSource: "10.10", OldDigest: One, Behind: "10.20"},
				{Platform: "linux/arm64", Source: "10.20", Digest: Two, OldSource: "10.19", OldDigest: One, Moved: true},
				{Platform: "linux/s390x", OldSource: "10.9", OldDigest: One},
			}},
			{Tag: "chart", New: Two, Platforms: []reconcile.PlatformChange{{Source: "1.0", Digest: Two}}},
			{Tag: "latest", New: Two, Platforms: []reconcile.PlatformChange{{Platform: "linux/amd64", Source: "10", Origin: "10.10", Digest: One, Attestations: 2}},
				Copies: []reconcile.Copy{{From: config.Repository{Host: "r.test", Path: "base"}, Digest: Two}}},
		},
		DeleteTags: []reconcile.DeleteTag{{Tag: "9", Old: One, Reason: "set to absent"}},
		InSync:     []string{"8"},
		Violations: []*config.Finding{{ID: findings.MissingSource, Alias: "11", Pos: config.Pos{File: "images.yaml", Line: 3, Column: 7}, Message: "source is gone"}},
		Errors:     []reconcile.Failure{{Alias: "12", Message: "503"}},
	}
}

// Plan is the same plan with what plan.json has of it.
func Plan() reconcile.Plan {
	plan := Everything()
	plan.Repository = config.Repository{Host: "r.test", Path: "my-image"}
	plan.Choices = []reconcile.Choice{{Alias: "10", Range: "10.x", Candidates: []reconcile.Candidate{
		{Tag: "10.20", Platform: "linux/arm64", Reason: "chosen"}, {Tag: "latest", Reason: "not a version"},
	}}}
	plan.Warnings = []*config.Finding{{ID: findings.ExpiringAlias, Alias: "10", Warning: true, Pos: config.Pos{File: "images.yaml", Line: 4, Column: 7}, Message: "a rule may delete it"}}
	for i := range plan.Pushes {
		p := &plan.Pushes[i]
		p.MediaType, p.Manifest = "application/vnd.oci.image.index.v1+json", []byte(`{"schemaVersion":2}`)
		for k := range p.Platforms {
			if p.Platforms[k].Source != "" {
				p.Platforms[k].SourceDigest = Two
			}
		}
	}
	plan.Pushes[2].Follows = []string{"10"}
	return plan
}

// Result is that plan, applied in part.
func Result() reconcile.Result {
	return reconcile.Result{
		Pushed:  []reconcile.Outcome{{Tag: "10"}, {Tag: "chart", Err: reconcile.ErrStale}, {Tag: "latest", Err: errors.New("403 Forbidden")}},
		Deleted: []reconcile.Outcome{{Tag: "9", Err: reconcile.ErrSkipped}},
	}
}

// Images is what images.yaml says of it.
func Images() []config.Image {
	return []config.Image{{Name: "my-image", Repository: Plan().Repository, Pos: config.Pos{File: "images.yaml", Line: 2, Column: 3}, Aliases: []config.Alias{
		{Tag: "10", Pos: config.Pos{File: "images.yaml", Line: 4, Column: 7}}, {Tag: "12", Pos: config.Pos{File: "images.yaml", Line: 6, Column: 7}},
	}}}
}

// Schema reads a JSON Schema.
func Schema(t testing.TB, name string) *jsonschema.Schema {
	t.Helper()
	schema, err := jsonschema.NewCompiler().Compile(name)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// Validate compares a JSON document with a schema.
func Validate(t testing.TB, schema *jsonschema.Schema, text []byte) error {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return schema.Validate(document)
}
