package report

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/owenrumney/go-sarif/v2/sarif"
	"pgregory.net/rapid"

	"tagline/config"
	"tagline/config/findings"
	"tagline/reconcile/report/reporttest"
)

func TestGitHub(t *testing.T) {
	r := run()
	r.Folder = "deploy"
	want := `::error title=failed::open plan.json: permission denied
::error title=failed,file=deploy/images.yaml,line=6,col=7::tag "12" of my-image: 503
::error title=stale,file=deploy/images.yaml,line=2,col=3::tag "chart" of my-image: stale
::error title=failed,file=deploy/images.yaml,line=2,col=3::tag "latest" of my-image: 403 Forbidden
::error title=unknown-field,file=deploy/compose.yml,line=9,col=2::no such field
::error title=missing-source,file=deploy/images.yaml,line=3,col=7::source is gone
::error title=skipped,file=deploy/images.yaml,line=2,col=3::tag "9" of my-image: not done
::warning title=expiring-alias,file=deploy/images.yaml,line=4,col=7::a rule may delete it
`
	if got := string(GitHub(r)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// GitHub drops annotations above its limit, so the last one gives their number.
func TestGitHubShowsTheWorst(t *testing.T) {
	r := Run{Failures: []string{"the worst"}}
	for i := range 9 {
		r.Findings = append(r.Findings, &config.Finding{ID: "doubtful", Warning: true, Message: fmt.Sprint(i)})
	}
	if got := string(GitHub(r)); strings.Count(got, "\n") != 10 || strings.Contains(got, "more") {
		t.Errorf("ten problems are\n%s", got)
	}
	r.Findings = append(r.Findings, &config.Finding{ID: "doubtful", Warning: true, Message: "10"})
	got := string(GitHub(r))
	if strings.Count(got, "\n") != 10 || !strings.HasPrefix(got, "::error title=failed::the worst\n") ||
		!strings.HasSuffix(got, "::error title=tagline::2 problems more; the report has all of them\n") {
		t.Errorf("eleven problems are\n%s", got)
	}
}

// Problems of images.yaml that were counted and not told are in the numbers.
func TestCountOfUntoldProblems(t *testing.T) {
	var r Run
	for i := range 100 {
		r.Findings = append(r.Findings, &config.Finding{ID: "invalid-value", Message: fmt.Sprint(i)})
	}
	r.Findings = append(r.Findings, &config.Finding{ID: findings.MoreProblems, Message: "199900 more problems", More: 199_900})
	if got := string(Markdown(r)); !strings.Contains(got, "\n### 200000 problems\n") {
		t.Errorf("got\n%.300s", got)
	}
	if got := string(GitHub(r)); !strings.HasSuffix(got, "::error title=tagline::199991 problems more; the report has the first of them\n") {
		t.Errorf("got\n%s", got)
	}
}

// When GitHub's runner parses a command (actions/runner, ActionCommand.cs), the
// message is unchanged, and the name stays one property.
func TestGitHubOfHostileText(t *testing.T) {
	unescape := strings.NewReplacer("%0D", "\r", "%0A", "\n", "%3A", ":", "%2C", ",", "%25", "%")
	one := string(GitHub(Run{Findings: []*config.Finding{{ID: "bad", Message: "100%0A::error::"}}}))
	if one != "::error title=bad::100%250A::error::\n" {
		t.Errorf("got %s", one)
	}
	rapid.Check(t, func(t *rapid.T) {
		hostile := rapid.OneOf(rapid.String(), rapid.StringOf(rapid.SampledFrom([]rune("%0A25:,=\r\n#[]error"))))
		message, file := hostile.Draw(t, "message"), hostile.Draw(t, "file")
		got := string(GitHub(Run{Findings: []*config.Finding{{ID: "bad", Message: message, Pos: config.Pos{File: "/" + file, Line: 1, Column: 2}}}}))
		line, rest, _ := strings.Cut(got, "\n")
		if rest != "" {
			t.Fatalf("it takes two lines: %q", got)
		}
		properties, text, _ := strings.Cut(strings.TrimPrefix(line, "::error "), "::")
		if text := unescape.Replace(text); text != Printable(message) {
			t.Fatalf("%q came out as %q", message, text)
		}
		all := strings.Split(properties, ",")
		if len(all) != 4 || unescape.Replace(all[1]) != "file="+Printable("/"+file) {
			t.Fatalf("file %q came out as %q", file, all)
		}
	})
}

func TestSARIF(t *testing.T) {
	r := run()
	r.Folder = "my folder"
	text := SARIF(r)
	// The schema is the one that OASIS published; its "id" says where.
	if err := reporttest.Validate(t, reporttest.Schema(t, "testdata/sarif-schema-2.1.0.json"), text); err != nil {
		t.Errorf("%v\n%s", err, text)
	}
	var got sarif.Report
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, result := range got.Runs[0].Results {
		place := result.Locations[0].PhysicalLocation
		lines = append(lines, fmt.Sprintf("%s %d %s %s:%d:%d %s", *result.Level, *result.RuleIndex, got.Runs[0].Tool.Driver.Rules[*result.RuleIndex].ID,
			*place.ArtifactLocation.URI, *place.Region.StartLine, *place.Region.StartColumn, *result.Message.Text))
	}
	for _, n := range got.Runs[0].Invocations[0].ToolExecutionNotifications {
		lines = append(lines, n.Level+" "+*n.Message.Text)
	}
	want := `error 2 unknown-field my%20folder/compose.yml:9:2 no such field
error 1 missing-source my%20folder/images.yaml:3:7 source is gone
warning 0 expiring-alias my%20folder/images.yaml:4:7 a rule may delete it
error open plan.json: permission denied
error tag "12" of my-image: 503
error tag "chart" of my-image: stale
error tag "latest" of my-image: 403 Forbidden
error tag "9" of my-image: not done`
	if lines := strings.Join(lines, "\n"); lines != want {
		t.Errorf("got\n%s\nwant\n%s", lines, want)
	}
	if *got.Runs[0].Invocations[0].ExecutionSuccessful {
		t.Error("a run that failed is called successful")
	}
	if nothing := string(SARIF(Run{})); !strings.Contains(nothing, `"results": []`) || !strings.Contains(nothing, `"executionSuccessful": true`) {
		t.Errorf("a run without findings is\n%s", nothing)
	}
}

func TestFileInACheckout(t *testing.T) {
	r := Run{Folder: "deploy"}
	for name, want := range map[string]string{"./images.yaml": "deploy/images.yaml", "../images.yaml": "images.yaml", "/etc/images.yaml": "/etc/images.yaml"} {
		if got := r.file(name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

func TestFileURI(t *testing.T) {
	for name, want := range map[string]string{"a/images.yaml": "a/images.yaml", "/a b/c#d": "file:///a%20b/c%23d", "a:b.yaml": "./a:b.yaml"} {
		if got := fileURI(name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

func TestGitLab(t *testing.T) {
	issues := func(r Run) (all []codeQuality) {
		text := GitLab(r)
		if err := json.Unmarshal(text, &all); err != nil || all == nil {
			t.Fatalf("%v\n%s", err, text)
		}
		return all
	}
	r := run()
	r.Findings = append(r.Findings, r.Findings[0]) // twice: two issues
	got := issues(r)
	var lines []string
	prints := map[string]bool{}
	for _, i := range got {
		lines = append(lines, fmt.Sprintf("%s %s %s:%d %s", i.Severity, i.CheckName, i.Location.Path, i.Location.Lines.Begin, i.Description))
		prints[i.Fingerprint] = true
	}
	want := `major unknown-field compose.yml:9 no such field
major unknown-field compose.yml:9 no such field
major missing-source images.yaml:3 source is gone
minor expiring-alias images.yaml:4 a rule may delete it`
	if lines := strings.Join(lines, "\n"); lines != want || len(prints) != len(got) {
		t.Errorf("%d fingerprints, got\n%s\nwant\n%s", len(prints), lines, want)
	}
	r.Findings = []*config.Finding{{ID: "syntax", Pos: config.Pos{File: "images.yaml"}}}
	if got := issues(r); got[0].Location.Lines.Begin != 1 {
		t.Errorf("a whole file is line %d", got[0].Location.Lines.Begin)
	}
	// A finding that has moved in the file is the same; one of another alias is
	// not.
	moved, other := *run().Findings[0], *run().Findings[0]
	moved.Pos.Line, other.Alias = 99, "7"
	r.Findings = []*config.Finding{&moved, &other}
	again := issues(r)
	if again[0].Fingerprint != got[0].Fingerprint || prints[again[1].Fingerprint] {
		t.Errorf("fingerprints %s and %s, were %v", again[0].Fingerprint, again[1].Fingerprint, prints)
	}
	if len(issues(Run{})) != 0 {
		t.Error("nothing is something")
	}
}
