package report

import (
	"fmt"
	"slices"
	"strings"
)

// mostSteps is how many next steps a report says.
const mostSteps = 5

// next returns what a person does about the problems of a run, those of most
// aliases first: "2 blocked: push 3.0.0, or change images.yaml:10 and 1 other place".
func (c *causes) next() []string {
	all := slices.DeleteFunc(c.all(), func(g group) bool { return g.later })
	var steps []string
	for i, g := range all {
		if i == mostSteps {
			return append(steps, fmt.Sprintf("and %s above", Count(len(all)-i, "other problem")))
		}
		steps = append(steps, g.step())
	}
	return steps
}

// step is what to do about one cause.
func (g group) step() string {
	if g.finding == nil {
		return fmt.Sprintf("%d failed: %s; then run again", g.aliases, strings.TrimPrefix(g.text, "error: "))
	}
	var ways []string
	if g.finding.Source != "" {
		ways = append(ways, "push "+g.finding.Source)
	}
	if at := lineOf(g.finding.Pos); at != "" {
		if g.aliases > 1 {
			at += " and " + Count(g.aliases-1, "other place")
		}
		ways = append(ways, "change "+at)
	}
	if g.finding.Source == "" {
		ways = append(ways, fmt.Sprintf("see %q", "tagline explain "+g.kind))
	}
	return fmt.Sprintf("%d blocked: %s", g.aliases, strings.Join(ways, ", or "))
}
