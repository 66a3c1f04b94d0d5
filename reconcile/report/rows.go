package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"tagline/reconcile"
	"tagline/reconcile/registry"
)

// rows returns the rows of a repository: changes, problems, and in a verbose report
// the aliases that stay.
func (o TextOptions) rows(plan reconcile.Plan, result reconcile.Result) []row {
	return slices.Concat(o.pushes(plan, result), o.deletedTags(plan, result), o.deletions(plan, result), o.putBack(plan, result),
		o.violations(plan), failures(plan), o.unchanged(plan))
}

// pushes returns the rows of pushes, failed ones too.
func (o TextOptions) pushes(plan reconcile.Plan, result reconcile.Result) []row {
	var rows []row
	for i, p := range plan.Pushes {
		switch err, _ := Tried(result.Pushed, i); {
		case err != nil:
			rows = append(rows, problem(causeOfError(plan.Repository, err), 1, p.Tag, "error: "+registry.Line(err)))
		case o.Quiet || Already(result.Pushed, i):
		case p.Purged > 0:
			rows = append(rows, row{mark: markOf(p), cells: []string{
				p.Tag, "purge", "", o.digest(p.New), fmt.Sprintf("(loses %s, was %s)", Count(p.Purged, "attestation"), o.digest(p.Old)),
			}})
		default:
			rows = append(rows, o.push(plan, p)...)
		}
	}
	return rows
}

// push returns the rows of one push. The first of them has the mark and the tag.
func (o TextOptions) push(plan reconcile.Plan, p reconcile.Push) []row {
	var rows []row
	mark, tag := markOf(p), p.Tag
	for i, c := range p.Platforms {
		rows = append(rows, row{mark: mark, digest: 3, cells: []string{tag, cmp.Or(c.Platform, "artifact"), c.Source, o.digest(c.Digest), o.note(p, i)}})
		mark, tag = " ", ""
	}
	rows = append(rows, o.choice(plan, p.Tag)...)
	if o.Verbose {
		rows = append(rows, row{mark: mark, cells: []string{tag, "index", "", o.digest(p.New), "(was " + cmp.Or(o.digest(p.Old), "nothing") + ")"}})
	}
	for _, c := range p.Copies {
		rows = append(rows, row{mark: mark, digest: 3, cells: []string{tag, "copy", c.From.String(), o.digest(c.Digest), with(p, c)}})
	}
	for _, c := range late(p) {
		rows = append(rows, row{mark: mark, digest: 3, cells: []string{tag, "attach", c.From.String(), o.digest(c.Digest), "(" + attached(p, c) + ")"}})
	}
	return rows
}

// markOf returns the mark of a tag that is made, or of one that moves.
func markOf(p reconcile.Push) string {
	if p.Old == "" {
		return "+"
	}
	return "~"
}

// deletedTags returns the rows of tags to delete, of those that could not be, too.
func (o TextOptions) deletedTags(plan reconcile.Plan, result reconcile.Result) []row {
	var rows []row
	for i, d := range plan.DeleteTags {
		switch err, _ := Tried(result.Deleted, i); {
		case err != nil:
			rows = append(rows, problem(causeOfError(plan.Repository, err), 1, d.Tag, "error: "+registry.Line(err)))
		case !o.Quiet && !Already(result.Deleted, i):
			rows = append(rows, row{mark: "-", cells: []string{d.Tag, fmt.Sprintf("%s (was %s)", d.Reason, o.digest(d.Old))}})
		}
	}
	return rows
}

// unchanged returns the rows of aliases that stay what they are, in a verbose report.
func (o TextOptions) unchanged(plan reconcile.Plan) []row {
	var rows []row
	if !o.Verbose {
		return nil
	}
	add := func(tags []string, what string) {
		for _, tag := range tags {
			rows = append(rows, row{mark: "=", cells: []string{tag, what}})
			rows = append(rows, o.choice(plan, tag)...)
		}
	}
	add(plan.InSync, "in sync")
	add(plan.LeftAlone, "left alone")
	return rows
}

// with says what is copied with an image, "" for nothing: "(with 2 signatures, 1 SBOM)".
func with(p reconcile.Push, c reconcile.Copy) string {
	if what := attached(p, c); what != "" {
		return "(with " + what + ")"
	}
	return ""
}

// note says what an alias had for a platform before. i is the place of the platform.
func (o TextOptions) note(p reconcile.Push, i int) string {
	c := p.Platforms[i]
	was := strings.TrimSpace(c.OldSource + " " + o.digest(c.OldDigest))
	var note string
	switch {
	case c.Digest == "":
		note = "dropped, was " + was
	case p.Old == "" || c.OldDigest == "":
		note = "new"
	case c.OldDigest == c.Digest && c.OldSource == c.Source || c.OldDigest == c.Digest && c.OldSource == "":
		note = "unchanged"
	case c.OldDigest == c.Digest:
		note = "unchanged, was " + c.OldSource
	case c.Moved:
		note = fmt.Sprintf("%s -> %s, was %s", c.OldSource, c.Source, o.digest(c.OldDigest))
	default:
		note = "was " + was
	}
	if i == 0 || staying(p) {
		note += anew(p)
	}
	if behind := c.Behind; behind != "" {
		note += ", behind " + behind
	}
	return "(" + note + carried(c) + ")"
}
