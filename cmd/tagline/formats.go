package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tagline/reconcile/report"
	"tagline/reconcile/report/planfile"
)

// completeOutput completes the format; after the "=" it is a file.
func completeOutput(names []string) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
		if strings.Contains(begun, "=") {
			return nil, cobra.ShellCompDirectiveDefault
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// formats are the formats of -o that are written at the end of a run. Text is
// written as the run goes on.
var formats = []struct {
	name   string
	render func(report.Run) []byte
}{
	{"json", planfile.JSON},
	{"markdown", report.Markdown},
	{"github", report.GitHub},
	{"sarif", report.SARIF},
	{"gitlab", report.GitLab},
	{"metrics", nil}, // needs more than a Run
}

// formatNames returns the formats of -o, but for those that a command can't offer.
func formatNames(without ...string) []string {
	names := []string{"text"}
	for _, f := range formats {
		if !slices.Contains(without, f.name) {
			names = append(names, f.name)
		}
	}
	return names
}

// parseOutput parses FORMAT[=PATH]. path is "" for stdout.
func parseOutput(flag string, names []string) (name, path string, err error) {
	name, path, hasPath := strings.Cut(flag, "=")
	switch {
	case !slices.Contains(names, name) && len(names) == 2:
		return "", "", fmt.Errorf("--output is %q, not %s", name, strings.Join(names, " or "))
	case !slices.Contains(names, name):
		return "", "", fmt.Errorf("--output is %q, not one of %s", name, strings.Join(names, ", "))
	case hasPath && path == "":
		return "", "", fmt.Errorf("--output %s has no path; name a file after the =, or leave the = out for stdout", flag)
	case path == "-":
		path = ""
	}
	return name, path, nil
}

// document is a report that is written at the end of a run.
type document struct {
	name   string // for messages: "json=plan.json"
	render func(report.Run) []byte
	write  func([]byte) error
}
