package planfile

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"pgregory.net/rapid"

	"tagline/config"
	"tagline/config/findings"
	"tagline/reconcile"
	"tagline/reconcile/registry"
	"tagline/reconcile/report"
	"tagline/reconcile/report/reporttest"
)

var messages = rapid.SampledFrom([]string{"503", "no space left on device", "two\nlines", "##[error] |`%", "\u202e\x1b[2J", "source \"10\" is gone"})

func drawFinding(t *rapid.T, alias string, warning bool) *config.Finding {
	return &config.Finding{
		ID: rapid.SampledFrom([]findings.ID{findings.MissingSource, findings.MissingPlatform, findings.ExpiringAlias}).Draw(t, "id"), Alias: alias, Warning: warning,
		Pos:    config.Pos{File: "images.yaml", Line: rapid.IntRange(0, 9).Draw(t, "line"), Column: rapid.IntRange(0, 9).Draw(t, "column")},
		Source: rapid.SampledFrom([]string{"", "base:3"}).Draw(t, "source"), Message: messages.Draw(t, "message"),
	}
}

// drawRepository draws a plan that reads well, and a result unless it is one of a dry
// run.
func drawRepository(t *rapid.T, i int, dryRun bool) (report.Repository, config.Image) {
	name := fmt.Sprintf("app-%02d", i)
	r := report.Repository{Plan: reconcile.Plan{Image: name, Repository: config.Repository{Host: rapid.SampledFrom([]string{"r.test", "localhost:1"}).Draw(t, "host"), Path: name}}}
	image := config.Image{Name: name, Repository: r.Repository, Pos: config.Pos{File: "images.yaml", Line: i + 1, Column: 3}}
	number := 0
	next := func() string {
		number++
		return digest.FromString(fmt.Sprint(i, number)).String()
	}
	few := func(what string, most int, each func(tag string)) {
		for k := range rapid.IntRange(0, most).Draw(t, what) {
			tag := fmt.Sprint(what, k)
			image.Aliases = append(image.Aliases, config.Alias{Tag: tag, Pos: config.Pos{File: "images.yaml", Line: 10*i + k, Column: 5}})
			each(tag)
		}
	}
	outcome := func(to *[]reconcile.Outcome, tag string) {
		o := reconcile.Outcome{Tag: tag}
		switch rapid.IntRange(0, 7).Draw(t, "outcome") {
		case 0:
			o.Already = true
		case 1:
			o.Err = fmt.Errorf("%w: it moved", reconcile.ErrStale)
		case 2:
			o.Err = reconcile.ErrSkipped
		case 3:
			o.Err = fmt.Errorf("delete: %w", registry.ErrUnsupported)
		case 4:
			o.Err = errors.New(messages.Draw(t, "error"))
		case 5:
			o.Err = &recorded{text: "push " + tag + ": 401 Unauthorized", cause: "r.test: 401 Unauthorized"}
		}
		if !dryRun {
			*to = append(*to, o)
		}
	}
	few("push", 3, func(tag string) {
		p := reconcile.Push{Tag: tag, MediaType: "application/vnd.oci.image.index.v1+json", Follows: []string{}, Platforms: []reconcile.PlatformChange{
			{Platform: "linux/amd64", Source: "1.0", SourceDigest: next(), Digest: next(), Behind: "1.1"}, {Platform: "linux/arm64", OldSource: "0.9", OldDigest: next()},
		}}
		p.Manifest = []byte(`{"schemaVersion":2,"manifests":[],"annotations":{"of":"` + name + tag + `"}}`)
		p.New = digest.FromBytes(p.Manifest).String()
		if rapid.Bool().Draw(t, "moves") {
			p.Old, p.OldType = next(), "application/vnd.docker.distribution.manifest.list.v2+json"
			p.Platforms[0].OldDigest, p.Platforms[0].OldSource, p.Platforms[0].Moved = next(), "0.9", true
		}
		if rapid.Bool().Draw(t, "copies") {
			p.Copies = []reconcile.Copy{{From: config.Repository{Host: "r.test", Path: "base"}, Digest: p.Platforms[0].Digest}}
		}
		r.Pushes = append(r.Pushes, p)
		outcome(&r.Pushed, tag)
		if p.Old != "" && rapid.Bool().Draw(t, "required") {
			r.Required = append(r.Required, reconcile.Required{Digest: p.Old, Tags: []string{tag}})
			outcome(&r.Ensured, p.Old)
		}
	})
	few("delete", 2, func(tag string) {
		r.DeleteTags = append(r.DeleteTags, reconcile.DeleteTag{Tag: tag, Old: next(), Reason: "set to absent", Last: rapid.Bool().Draw(t, "last")})
		outcome(&r.Deleted, tag)
	})
	few("manifest", 14, func(string) {
		d := reconcile.DeleteManifest{Digest: next(), Kind: rapid.SampledFrom([]string{reconcile.KindUntagged, reconcile.KindReplaced, reconcile.KindAttestation}).Draw(t, "kind"), Reason: "nothing needs it", Bytes: 12}
		r.DeleteManifests = append(r.DeleteManifests, d)
		outcome(&r.Removed, d.Digest)
	})
	few("forbidden", 5, func(tag string) { r.Violations = append(r.Violations, drawFinding(t, tag, false)) })
	few("warned", 2, func(tag string) { r.Warnings = append(r.Warnings, drawFinding(t, tag, true)) })
	few("left", 2, func(tag string) { r.LeftAlone = append(r.LeftAlone, tag) })
	few("stranded", 2, func(string) { r.Stranded = append(r.Stranded, next()) })
	few("same", 2, func(tag string) { r.InSync = append(r.InSync, tag) })
	few("unknown", 5, func(tag string) {
		f := reconcile.Failure{Alias: tag, Message: messages.Draw(t, "message")}
		if rapid.Bool().Draw(t, "of host") {
			f = reconcile.Failure{Alias: tag, Message: r.Repository.String() + ": 401", Cause: r.Repository.Host + ": 401 Unauthorized"}
		}
		r.Errors = append(r.Errors, f)
	})
	r.Swept = reconcile.Swept{Tags: 3, Waiting: rapid.IntRange(0, 2).Draw(t, "waiting"), Held: rapid.IntRange(0, 2).Draw(t, "held")}
	return r, image
}

func written(r report.Run, costs report.Costs) map[string]string {
	var b strings.Builder
	text := report.NewText(&b, report.TextOptions{DryRun: r.DryRun, Limited: true})
	m := report.Metrics{Costs: costs}
	for _, of := range r.Repositories {
		text.Repository(of.Plan, of.Result)
		m.Actions.Add(of.Plan, of.Result, r.DryRun)
	}
	if err := text.Summary(); err != nil {
		panic(err)
	}
	return map[string]string{
		"text": b.String(), "json": string(JSON(r)), "markdown": string(report.Markdown(r)), "github": string(report.GitHub(r)), "sarif": string(report.SARIF(r)),
		"gitlab": string(report.GitLab(r)), "metrics": string(m.Text()), "step outputs": string(report.StepOutputs(r)),
	}
}

// The reports of all parts, joined, are the report of the whole in every format.
func TestJoin(t *testing.T) {
	schema := reporttest.Schema(t, "plan.schema.json")
	rapid.Check(t, func(rt *rapid.T) {
		whole := report.Run{Version: "v1", ConfigSHA256: strings.Repeat("ab", 32), DryRun: rapid.Bool().Draw(rt, "dry run")}
		for i := range rapid.IntRange(0, 12).Draw(rt, "repositories") {
			r, image := drawRepository(rt, i, whole.DryRun)
			whole.Repositories, whole.Images = append(whole.Repositories, r), append(whole.Images, image)
		}
		sortRepositories(whole.Repositories)
		if rapid.Bool().Draw(rt, "finding") {
			whole.Findings = []*config.Finding{drawFinding(rt, "", true), drawFinding(rt, "", false)}
		}
		if rapid.Bool().Draw(rt, "stopped") {
			whole.Failures = []string{"open images.yaml: permission denied"}
		}
		count := rapid.IntRange(1, 4).Draw(rt, "parts")
		parts := make([]report.Run, count)
		var costs report.Costs
		for i := range parts {
			parts[i] = whole
			parts[i].Repositories = nil
			parts[i].Shard = &report.Shard{Index: i, Count: count, Costs: report.Costs{
				Requests: []report.Requests{
					{Method: "HEAD", Kind: "manifests", Status: 200, Count: rapid.Int64Range(1, 99).Draw(rt, "requests")}, {Method: "GET", Kind: "ping", Status: 200, Count: 1},
				},
				BytesSent: 1, BytesReceived: 2, Retries: 3, CacheHits: 4, CacheMisses: 5, Started: time.Unix(int64(10-i), 0), Ended: time.Unix(int64(20+i), 0),
			}}
			costs.Add(parts[i].Shard.Costs)
		}
		for _, r := range whole.Repositories {
			of := rapid.IntRange(0, count-1).Draw(rt, "part")
			parts[of].Repositories = append(parts[of].Repositories, r)
		}
		var read []report.Run
		for _, i := range rapid.Permutation(indices(count)).Draw(rt, "order") {
			text := JSON(parts[i])
			if err := reporttest.Validate(t, schema, text); err != nil {
				rt.Fatal(err)
			}
			part, problems := ReadPart(text)
			if len(problems) > 0 {
				rt.Fatal(problems)
			}
			read = append(read, part)
		}
		joined, sum := Join("v1", read)
		joined.Forge, whole.Forge = report.Forge{Blob: "https://git.test/"}, report.Forge{Blob: "https://git.test/"}
		want := written(whole, costs)
		for format, got := range written(joined, sum) {
			if got != want[format] {
				rt.Fatalf("%s:\n%s\nwant\n%s", format, got, want[format])
			}
		}
		if len(sum.Requests) != 2 || sum.Retries != int64(3*count) || sum.Ended.Sub(sum.Started) != time.Duration(10+2*(count-1))*time.Second {
			rt.Fatalf("costs: %+v", sum)
		}
	})
}

func indices(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

func TestReadPartRefuses(t *testing.T) {
	part := func() report.Run {
		r := savable()
		r.DryRun, r.Shard = false, &report.Shard{Count: 2}
		r.Repositories[0].Result = reconcile.Result{
			Pushed: make([]reconcile.Outcome, 4), Deleted: make([]reconcile.Outcome, 1), Removed: make([]reconcile.Outcome, 2), Ensured: make([]reconcile.Outcome, 2),
		}
		return r
	}
	if _, problems := ReadPart(JSON(part())); len(problems) > 0 {
		t.Fatal(problems)
	}
	for name, test := range map[string]struct {
		alter func(string) string
		want  string
	}{
		"cut short":            {func(s string) string { return s[:len(s)/2] }, "it is not the JSON of a plan: unexpected EOF"},
		"another format":       {replaced(`"format_version": "1.0"`, `"format_version": "2.0"`), `its format_version is "2.0"`},
		"of a whole run":       {func(s string) string { return edited(s, func(d map[string]any) { delete(d, "shard") }) }, "it is not the report of a part"},
		"part that is not":     {replaced(`"count": 2`, `"count": 0`), "shard: there is no part 0/0"},
		"unknown outcome":      {replaced(`"outcome": "done"`, `"outcome": "pushed"`), `repositories[0].pushes[0].outcome: "pushed" is not known`},
		"altered manifest":     {replaced(`\"schemaVersion\":2`, `\"schemaVersion\":3`), "the plan was altered"},
		"outcome in a dry run": {replaced(`"dry_run": false`, `"dry_run": true`), `"done", and a dry run has none`},
		"hash cut short":       {replaced(`"config_sha256": "ab`, `"config_sha256": "`), "is no SHA-256"},
	} {
		t.Run(name, func(t *testing.T) {
			altered := test.alter(string(JSON(part())))
			if _, problems := ReadPart([]byte(altered)); !strings.Contains(fmt.Sprint(problems), test.want) {
				t.Errorf("got %v, want %q", problems, test.want)
			}
		})
	}
}
