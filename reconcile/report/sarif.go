package report

import (
	"cmp"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/owenrumney/go-sarif/v2/sarif"

	"tagline/config"
	"tagline/config/findings"
)

// SARIF returns the findings for code scanning, as SARIF 2.1.0. A failure is
// not a finding: it becomes a notification of the tool.
func SARIF(run Run) []byte {
	out := sarif.NewRun(*sarif.NewTool(sarif.NewVersionedDriver("tagline", run.Version))).WithColumnKind("unicodeCodePoints")
	all := run.judged()
	byID := func(a, b *config.Finding) int { return cmp.Compare(a.ID, b.ID) }
	for _, f := range slices.SortedFunc(slices.Values(all), byID) {
		rule := out.AddRule(string(f.ID)).WithDescription(strings.ReplaceAll(string(f.ID), "-", " "))
		if kind, known := findings.Explain(f.ID); known {
			rule.WithFullDescription(sarif.NewMultiformatMessageString(kind.Means)).WithTextHelp(kind.Do)
		}
	}
	for _, f := range all {
		place := sarif.NewPhysicalLocation().WithArtifactLocation(sarif.NewSimpleArtifactLocation(fileURI(run.file(f.Pos.File))))
		if f.Pos.Line > 0 {
			place.WithRegion(sarif.NewRegion().WithStartLine(f.Pos.Line).WithStartColumn(f.Pos.Column))
		}
		result := sarif.NewRuleResult(string(f.ID)).WithLevel(sarifLevel(f)).WithMessage(sarif.NewTextMessage(f.Message))
		result.AddLocation(sarif.NewLocationWithPhysicalLocation(place))
		out.AddResult(result) // sets the index of its rule
	}
	invocation := out.AddInvocation(true)
	for _, f := range run.problems() {
		if !slices.Contains(all, f) {
			invocation.WithExecutionSuccess(false)
			invocation.AddTToolExecutionNotification(sarif.NewNotification().WithLevel("error").WithTextMessage(f.Message))
		}
	}
	return Encode(sarif.Report{
		Schema: "https://json.schemastore.org/sarif-2.1.0.json", Version: string(sarif.Version210), Runs: []*sarif.Run{out},
	})
}

func sarifLevel(f *config.Finding) string {
	if f.Warning {
		return "warning"
	}
	return "error"
}

// fileURI returns a reference relative to the checkout, or a file: URI.
func fileURI(name string) string {
	u := url.URL{Path: name}
	if path.IsAbs(name) {
		u.Scheme = "file"
	}
	return u.String()
}
