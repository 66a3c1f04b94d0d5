package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"tagline/reconcile"
	"tagline/reconcile/registry"
)

// row is one line under a repository.
type row struct {
	mark    string
	cells   []string // the last one is not padded
	digest  int      // the index of the cell that has a digest, if the terminal may be too narrow for it; 0 for none
	cause   cause    // of a problem
	aliases int      // that it is about
}

// problem returns the row of a problem.
func problem(c cause, aliases int, cells ...string) row {
	return row{mark: "!", cells: cells, cause: c, aliases: aliases}
}

func (t *Text) rows(plan reconcile.Plan, result reconcile.Result) []row {
	var rows []row
	for i, p := range plan.Pushes {
		var err error
		if i < len(result.Pushed) {
			err = result.Pushed[i].Err
		}
		if err != nil {
			rows = append(rows, problem(causeOfError(plan.Repository, err), 1, p.Tag, "error: "+registry.Line(err)))
			continue
		}
		if t.opts.Quiet || isAlready(result.Pushed, i) {
			continue
		}
		mark := "~"
		if p.Old == "" {
			mark = "+"
		}
		tag := p.Tag
		if p.Purged > 0 {
			rows = append(rows, row{mark: mark, cells: []string{
				tag, "purge", "", t.digest(p.New), fmt.Sprintf("(loses %s, was %s)", Count(p.Purged, "attestation"), t.digest(p.Old)),
			}})
			continue
		}
		for i, c := range p.Platforms {
			rows = append(rows, row{mark: mark, digest: 3, cells: []string{tag, cmp.Or(c.Platform, "artifact"), c.Source, t.digest(c.Digest), t.note(p, i)}})
			mark, tag = " ", ""
		}
		rows = append(rows, t.choice(plan, p.Tag)...)
		if t.opts.Verbose {
			rows = append(rows, row{mark: mark, cells: []string{tag, "index", "", t.digest(p.New), "(was " + cmp.Or(t.digest(p.Old), "nothing") + ")"}})
		}
		for _, c := range p.Copies {
			rows = append(rows, row{mark: mark, digest: 3, cells: []string{tag, "copy", c.From.String(), t.digest(c.Digest), with(p, c)}})
		}
		for _, c := range late(p) {
			rows = append(rows, row{mark: mark, digest: 3, cells: []string{tag, "attach", c.From.String(), t.digest(c.Digest), "(" + attached(p, c) + ")"}})
		}
	}
	for i, d := range plan.DeleteTags {
		var err error
		if i < len(result.Deleted) {
			err = result.Deleted[i].Err
		}
		switch {
		case err != nil:
			rows = append(rows, problem(causeOfError(plan.Repository, err), 1, d.Tag, "error: "+registry.Line(err)))
		case !t.opts.Quiet && !isAlready(result.Deleted, i):
			rows = append(rows, row{mark: "-", cells: []string{d.Tag, fmt.Sprintf("%s (was %s)", d.Reason, t.digest(d.Old))}})
		}
	}
	rows = append(rows, t.deletions(plan, result)...)
	rows = append(rows, t.putBack(plan, result)...)
	rows = append(rows, t.violations(plan)...)
	for _, e := range together(plan.Errors) {
		rows = append(rows, problem(causeOfFailure(plan.Repository, e.Failure), e.aliases, named(e.Alias, "error: "+e.Message)...))
	}
	for _, tag := range plan.InSync {
		if t.opts.Verbose {
			rows = append(rows, row{mark: "=", cells: []string{tag, "in sync"}})
			rows = append(rows, t.choice(plan, tag)...)
		}
	}
	for _, tag := range plan.LeftAlone {
		if t.opts.Verbose {
			rows = append(rows, row{mark: "=", cells: []string{tag, "left alone"}})
			rows = append(rows, t.choice(plan, tag)...)
		}
	}
	return rows
}

// with says what is copied with an image, "" for nothing: "(with 2 signatures, 1 SBOM)".
func with(p reconcile.Push, c reconcile.Copy) string {
	if what := attached(p, c); what != "" {
		return "(with " + what + ")"
	}
	return ""
}

// attached counts what is copied with an image, by its kind.
func attached(p reconcile.Push, c reconcile.Copy) string {
	var words []string
	for _, kind := range []string{reconcile.RefersSignature, reconcile.RefersAttestation, reconcile.RefersSBOM, reconcile.RefersOther} {
		n := 0
		for _, r := range p.Referrers {
			if r.Kind == kind && r.From == c.From && r.With == c.Digest {
				n++
			}
		}
		if n > 0 {
			words = append(words, Count(n, kind))
		}
	}
	return strings.Join(words, ", ")
}

// late returns the images that a push does not copy, but something that refers to
// them.
func late(p reconcile.Push) []reconcile.Copy {
	var all []reconcile.Copy
	for _, r := range p.Referrers {
		if c := (reconcile.Copy{From: r.From, Digest: r.With}); !slices.Contains(p.Copies, c) && !slices.Contains(all, c) {
			all = append(all, c)
		}
	}
	return all
}

// violations returns the rows of what is forbidden, in a verbose report with what
// a newest source looked at. If one cause blocks many aliases, it has one row, with
// the place of the first.
func (t *Text) violations(plan reconcile.Plan) []row {
	var rows []row
	aliases := map[string][]string{} // by cause
	for _, v := range plan.Violations {
		key := causeOfFinding(plan.Repository, v).key
		aliases[key] = append(aliases[key], v.Alias)
	}
	for i, v := range plan.Violations {
		c, alias, n := causeOfFinding(plan.Repository, v), v.Alias, 1
		if of := aliases[c.key]; !t.opts.Verbose && len(of) > mostNamed {
			if of[0] == "" {
				continue // it is told already
			}
			alias, n = names(of), len(of)
			aliases[c.key] = make([]string, len(of))
		}
		rows = append(rows, problem(c, n, named(alias, placed(v.Pos)+"error["+string(v.ID)+"]: "+v.Message)...))
		if last := i == len(plan.Violations)-1 || plan.Violations[i+1].Alias != v.Alias; last {
			rows = append(rows, t.choice(plan, v.Alias)...)
		}
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

// choice explains how a newest source chose its tags, in a verbose report.
func (t *Text) choice(plan reconcile.Plan, alias string) []row {
	var rows []row
	for _, c := range plan.Choices {
		if !t.opts.Verbose || c.Alias != alias {
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
