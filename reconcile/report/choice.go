package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"tagline/reconcile"
)

// choice explains how a newest source chose its tags, in a verbose report.
func (o TextOptions) choice(plan reconcile.Plan, alias string) []row {
	var rows []row
	for _, c := range plan.Choices {
		if !o.Verbose || c.Alias != alias {
			continue
		}
		passed := map[string][]string{}
		for _, candidate := range c.Candidates {
			if candidate.Platform == "" && !candidate.Chosen() {
				passed[candidate.Reason] = append(passed[candidate.Reason], candidate.Tag)
				continue
			}
			rows = append(rows, row{mark: " ", cells: []string{"", cmp.Or(candidate.Platform, "artifact"), candidate.Tag, candidate.Reason}})
		}
		for _, reason := range slices.Sorted(maps.Keys(passed)) {
			const most = 10
			tags := passed[reason]
			more := ""
			if len(tags) > most {
				more = fmt.Sprintf(" and %d more", len(tags)-most)
			}
			rows = append(rows, row{mark: " ", cells: []string{"", "passed over", "",
				reason + ": " + strings.Join(tags[:min(most, len(tags))], ", ") + more}})
		}
	}
	return rows
}
