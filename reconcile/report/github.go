package report

import (
	"fmt"
	"strconv"
	"strings"
)

// GitHub shows ten annotations per step and silently drops the others
// (docs.github.com, "Workflow commands for GitHub Actions"; the limit is in
// actions/runner, ExecutionContext.cs).
const maxAnnotations = 10

// GitHub returns workflow commands that show findings on the lines of
// images.yaml in GitHub Actions: the worst ones, and the number of the rest.
func GitHub(run Run) []byte {
	all := run.problems()
	shown := all
	if len(all) > maxAnnotations {
		shown = all[:maxAnnotations-1]
	}
	var b strings.Builder
	for _, f := range shown {
		command := "error"
		if f.Warning {
			command = "warning"
		}
		properties := []string{"title=" + property(string(f.ID))}
		if f.Pos.File != "" {
			properties = append(properties, "file="+property(run.file(f.Pos.File)))
		}
		if f.Pos.Line > 0 {
			properties = append(properties, "line="+strconv.Itoa(f.Pos.Line), "col="+strconv.Itoa(f.Pos.Column))
		}
		fmt.Fprintf(&b, "::%s %s::%s\n", command, strings.Join(properties, ","), commandText(f.Message))
	}
	rest, untold := len(all)-len(shown), false
	for _, f := range all[len(shown):] {
		if f.More > 0 {
			rest, untold = rest+f.More-1, true // the finding that counts them is none of them
		}
	}
	switch {
	case untold:
		fmt.Fprintf(&b, "::error title=tagline::%s more; the report has the first of them\n", Count(rest, "problem"))
	case rest > 0:
		fmt.Fprintf(&b, "::error title=tagline::%s more; the report has all of them\n", Count(rest, "problem"))
	}
	return []byte(b.String())
}

// property escapes the value of a property of a workflow command.
func property(text string) string {
	return strings.NewReplacer(":", "%3A", ",", "%2C").Replace(commandText(text))
}

// StepOutputs returns the lines for $GITHUB_OUTPUT, which give later steps of a
// job the results: counts, and whether there are changes.
func StepOutputs(run Run) []byte {
	n := run.totals()
	return fmt.Appendf(nil, "changes=%t\npushes=%d\ndeletions=%d\nviolations=%d\nexit-code=%d\n",
		n.pushes+n.deleteTags+n.deleteManifests > 0, n.pushes, n.deleteTags+n.deleteManifests, count(run.concerns(), isBlocked), run.ExitCode)
}
