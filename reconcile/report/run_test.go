package report

import (
	"strings"

	"tagline/config"
	"tagline/reconcile"
	"tagline/reconcile/report/reporttest"
)

// run is a run with one of everything that a report can contain, applied in
// part.
func run() Run {
	return Run{
		Version: "v1", ConfigSHA256: strings.Repeat("ab", 32), ExitCode: 1,
		Images: reporttest.Images(), Repositories: []Repository{{reporttest.Plan(), reporttest.Result()}},
		Findings: []*config.Finding{{ID: "unknown-field", Pos: config.Pos{File: "compose.yml", Line: 9, Column: 2}, Message: "no such field"}},
		Failures: []string{"open plan.json: permission denied"},
	}
}

// dryRun is the same run as a dry run.
func dryRun() Run {
	r := run()
	r.DryRun, r.Repositories[0].Result = true, reconcile.Result{}
	return r
}
