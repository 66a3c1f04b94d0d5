package report

import (
	"fmt"
	"strings"

	"tagline/config"
	"tagline/reconcile"
)

// violations returns the rows of what is forbidden, in a verbose report with what
// a newest source looked at. If one cause blocks many aliases, it has one row, with
// the place of the first.
func (o TextOptions) violations(plan reconcile.Plan) []row {
	var rows []row
	aliases := map[string][]string{} // by cause
	for _, v := range plan.Violations {
		key := causeOfFinding(plan.Repository, v).key
		aliases[key] = append(aliases[key], v.Alias)
	}
	for i, v := range plan.Violations {
		c, alias, n := causeOfFinding(plan.Repository, v), v.Alias, 1
		if of := aliases[c.key]; !o.Verbose && len(of) > mostNamed {
			if of[0] == "" {
				continue // it is told already
			}
			alias, n = names(of), len(of)
			aliases[c.key] = make([]string, len(of))
		}
		rows = append(rows, problem(c, n, named(alias, placed(v.Pos)+"error["+string(v.ID)+"]: "+v.Message)...))
		if last := i == len(plan.Violations)-1 || plan.Violations[i+1].Alias != v.Alias; last {
			rows = append(rows, o.choice(plan, v.Alias)...)
		}
	}
	return rows
}

// failures returns the rows of what could not be found out.
func failures(plan reconcile.Plan) []row {
	var rows []row
	for _, e := range together(plan.Errors) {
		rows = append(rows, problem(causeOfFailure(plan.Repository, e.Failure), e.aliases, named(e.Alias, "error: "+e.Message)...))
	}
	return rows
}

// shared is a failure of several aliases.
type shared struct {
	reconcile.Failure
	aliases int
}

// together merges failures with the same message into one, for several aliases.
func together(errs []reconcile.Failure) []shared {
	aliases := map[string][]string{}
	for _, e := range errs {
		aliases[e.Message] = append(aliases[e.Message], e.Alias)
	}
	var all []shared
	for _, e := range errs {
		of := aliases[e.Message]
		if of == nil { // already merged
			continue
		}
		e.Alias = names(of)
		all = append(all, shared{e, len(of)})
		delete(aliases, e.Message)
	}
	return all
}

// mostNamed is the highest number of aliases that are named where they share a
// problem.
const mostNamed = 3

// names is "10, 11 and 5 more".
func names(aliases []string) string {
	if len(aliases) > mostNamed {
		return fmt.Sprintf("%s and %d more", strings.Join(aliases[:mostNamed-1], ", "), len(aliases)-mostNamed+1)
	}
	return strings.Join(aliases, ", ")
}

// named returns the cells for a tag, or for a whole repository.
func named(tag, text string) []string {
	if tag == "" {
		return []string{text}
	}
	return []string{tag, text}
}

func placed(p config.Pos) string {
	if p.Line == 0 {
		return ""
	}
	return p.String() + ": "
}
