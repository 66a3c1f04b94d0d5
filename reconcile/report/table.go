package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"tagline/config"
	"tagline/reconcile"
)

// manyTags is the highest number of deleted tags that are rows of the table. More
// are folded.
const manyTags = 5

// table is what happens to the aliases of an image: a row for each, and a column
// for each platform. Platforms that have the same in every row share a column.
type table struct {
	head string
	rows []string
}

// tableOf returns the table of a repository.
func (r *Run) tableOf(repository Repository) table {
	before := sourcesBefore(repository.Plan)
	var shown []int // pushes, without those that are folded, or done by another run
	var platforms []string
	for i, p := range repository.Pushes {
		if actOf(p) == purges || Already(repository.Pushed, i) {
			continue
		}
		shown = append(shown, i)
		for _, c := range p.Platforms {
			platforms = append(platforms, c.Platform)
		}
	}
	slices.Sort(platforms)
	platforms = slices.Compact(platforms)

	var rows [][]string // the alias, what happens to it, its platforms
	for _, i := range shown {
		p := repository.Pushes[i]
		row := []string{r.alias(repository, p.Tag), happens(repository, i, before)}
		for _, platform := range platforms {
			row = append(row, cell(p, platform, before))
		}
		rows = append(rows, row)
	}
	if tags := r.deletedTags(repository); len(tags) <= manyTags {
		for _, d := range tags {
			rows = append(rows, append([]string{r.alias(repository, d.tag), d.happens}, make([]string, len(platforms))...))
		}
	}
	head := append([]string{"Alias", ""}, shareColumns(platforms, rows)...)
	t := table{head: line(head) + "|" + strings.Repeat(" --- |", len(head)) + "\n"}
	for _, row := range rows {
		t.rows = append(t.rows, line(row))
	}
	return t
}

// shareColumns makes one column of those of platforms that have the same in every row.
// It returns the heads of the columns that are left.
func shareColumns(platforms []string, rows [][]string) (heads []string) {
	const first = 2 // the column of the first platform
	for i := 0; i < len(platforms); i++ {
		names := []string{code(cmp.Or(platforms[i], "artifact"))}
		same := func(k int) bool {
			return !slices.ContainsFunc(rows, func(row []string) bool { return row[first+i] != row[first+k] })
		}
		for k := i + 1; k < len(platforms); {
			if !same(k) {
				k++
				continue
			}
			names = append(names, code(cmp.Or(platforms[k], "artifact")))
			platforms = slices.Delete(platforms, k, k+1)
			for n := range rows {
				rows[n] = slices.Delete(rows[n], first+k, first+k+1)
			}
		}
		heads = append(heads, strings.Join(names, ", "))
	}
	return heads
}

// line returns a line of a table.
func line(cells []string) string { return "| " + strings.Join(cells, " | ") + " |\n" }

// alias returns a tag as code, with a link to its line in images.yaml.
func (r *Run) alias(of Repository, tag string) string {
	return linked(code(tag), r.Forge.link(r.aliasPlace(of.Repository, tag)))
}

// happens says what becomes of the tag of a push, with marks for what a reviewer
// should not miss.
func happens(of Repository, i int, before map[string]string) string {
	p := of.Pushes[i]
	planned, applied := "moves", "moved"
	switch actOf(p) {
	case isNew:
		planned, applied = "new", "new"
	case completes:
		planned, applied = "is completed", "completed"
	}
	text := became(planned, applied, of.Pushed, i) + anew(p)
	for _, c := range p.Platforms {
		if c.Digest != "" && isLower(c.Version(), was(c, before)) {
			text += ", **downgrade**"
			break
		}
	}
	if slices.ContainsFunc(p.Platforms, func(c reconcile.PlatformChange) bool { return c.Behind != "" }) {
		text += ", **mixed versions**"
	}
	if followed := follows(of.Plan, p); len(followed) > 0 {
		text += ", follows " + strings.Join(followed, ", ")
	}
	for _, c := range p.Copies {
		text += "<br>copied from " + code(c.From.String())
		if what := attached(p, c); what != "" {
			text += " with " + what
		}
	}
	for _, c := range late(p) {
		text += "<br>gets " + attached(p, c) + " from " + code(c.From.String())
	}
	return text
}

// became returns a word for a planned action or for its outcome.
func became(planned, successful string, outcomes []reconcile.Outcome, i int) string {
	switch err, yes := Tried(outcomes, i); {
	case !yes:
		return planned
	case err == nil:
		return successful
	default:
		return "**" + OutcomeOf(err) + "**"
	}
}

// isLower reports whether a tag is a lower version than another one of the same
// variant.
func isLower(tag, than string) bool {
	a, errA := config.ParseVersion(tag)
	b, errB := config.ParseVersion(than)
	return errA == nil && errB == nil && a.Variant == b.Variant && a.Compare(b) < 0
}

// isAlias reports whether a source is another alias of the same image.
func isAlias(plan reconcile.Plan, source string) bool {
	return slices.Contains(plan.InSync, source) || slices.Contains(plan.LeftAlone, source) || slices.ContainsFunc(plan.Pushes, func(p reconcile.Push) bool { return p.Tag == source && p.Purged == 0 })
}

// follows returns the aliases of the same image that an alias follows.
func follows(plan reconcile.Plan, p reconcile.Push) []string {
	var all []string
	for _, c := range p.Platforms {
		if name := code(c.Source); isAlias(plan, c.Source) && c.Source != p.Tag && !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}

// sourcesBefore returns the sources that the aliases of a plan had, by the digest of
// the image.
func sourcesBefore(plan reconcile.Plan) map[string]string {
	of := map[string]string{}
	for _, p := range plan.Pushes {
		for _, c := range p.Platforms {
			if c.OldSource != "" && c.OldDigest != "" {
				of[c.OldDigest] = c.OldSource
			}
		}
	}
	return of
}

// was returns the source that an image of an alias had before. An alias that follows
// another one has no marks of its own, but the images of that one.
func was(c reconcile.PlatformChange, before map[string]string) string {
	return cmp.Or(c.OldSource, before[c.OldDigest])
}

// cell says which version an alias gets for a platform: in bold if it is another
// one than before.
func cell(p reconcile.Push, platform string, before map[string]string) string {
	i := slices.IndexFunc(p.Platforms, func(c reconcile.PlatformChange) bool { return c.Platform == platform })
	if i < 0 {
		return ""
	}
	c := p.Platforms[i]
	from, to := code(brief(was(c, before))), code(brief(c.Version()))
	text := to
	switch {
	case c.Digest == "" && from == "":
		text = "**dropped**"
	case c.Digest == "":
		text = fmt.Sprintf("**%s is dropped**", from)
	case p.Old == "" || c.Digest == c.OldDigest:
	case c.OldDigest == "":
		text = fmt.Sprintf("**new: %s**", to)
	case was(c, before) == c.Version():
		text = fmt.Sprintf("**%s, pushed again**", to)
	default:
		text = fmt.Sprintf("**%s → %s**", cmp.Or(from, "another image"), to)
	}
	if what := carried(c); strings.HasPrefix(what, ", loses ") {
		text += "<br>" + strings.TrimPrefix(what, ", ")
	}
	return text
}

// deletedTag is a tag that goes, with the word for what becomes of it.
type deletedTag struct {
	tag, happens string
	done         bool // or planned
}

func (r *Run) deletedTags(of Repository) []deletedTag {
	var all []deletedTag
	for i, d := range of.DeleteTags {
		if !Already(of.Deleted, i) {
			err, _ := Tried(of.Deleted, i)
			all = append(all, deletedTag{d.Tag, became("is deleted", "deleted", of.Deleted, i) + ": " + prose(d.Reason), err == nil})
		}
	}
	return all
}

// digests returns the digests of the aliases of an image, as a table in a fold.
func digests(of Repository) string {
	var b strings.Builder
	for i, p := range of.Pushes {
		if err, _ := Tried(of.Pushed, i); err != nil || p.Purged > 0 || Already(of.Pushed, i) {
			continue
		}
		row := func(platform, was, is string) {
			if was == "" {
				was = "none"
			} else {
				was = code(brief(was))
			}
			if is == "" {
				is = "none"
			} else {
				is = code(brief(is))
			}
			b.WriteString(line([]string{code(p.Tag), platform, was, is}))
		}
		if len(p.Platforms) != 1 || p.Platforms[0].Digest != p.New {
			row("index", p.Old, p.New)
		}
		for _, c := range p.Platforms {
			row(code(cmp.Or(c.Platform, "artifact")), c.OldDigest, c.Digest)
		}
	}
	if b.Len() == 0 {
		return ""
	}
	return fold("Digests", "| Alias | | Was | Is |\n| --- | --- | --- | --- |\n"+b.String())
}
