package report

import (
	"fmt"
	"slices"
	"strings"
)

// Limits of a Markdown report, in bytes. A comment on a pull request may have
// 65,536 characters. Each part leaves room for the parts after it.
const (
	maxMarkdown  = 60_000
	maxConcerns  = 24_000
	maxTables    = 44_000
	maxCutTables = 54_000 // where lists are counts
)

// marker begins a Markdown report. By it a workflow finds the comment that it has
// to update.
const marker = "<!-- tagline -->"

// Markdown returns the report for a step summary and for comments on pull and
// merge requests: a verdict, what failed or is blocked and what to do about it,
// then a table for each image. Long lists are folded. Where there is not enough
// room for everything, lists become counts first; then tables are cut, and the
// report says by how much.
func Markdown(run Run) []byte {
	concerns := run.concerns()
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n### %s\n", marker, run.verdict(concerns))
	var notes notes
	for _, r := range run.Repositories {
		notes.add(r.Plan, r.Result)
	}
	b.WriteString(run.list(concerns))
	if line := notes.pinned(run.DryRun); line != "" {
		fmt.Fprintf(&b, "\n**%s**\n", prose(line))
	}

	tables := make([]table, len(run.Repositories))
	folds := make([]string, len(run.Repositories)) // short ones
	for i, r := range run.Repositories {
		tables[i] = run.tableOf(r)
		_, folds[i] = run.foldsOf(r)
	}
	room := maxTables - b.Len()
	sections, left := run.sections(tables, folds, &room)
	end, limit := "", maxTables
	cut := left.rows > 0
	if cut {
		limit, room = maxCutTables, maxCutTables-b.Len()
		sections, left = run.sections(tables, folds, &room)
	}
	if left.rows > 0 {
		end = fmt.Sprintf("\n…and %s more in %s.\n", Count(left.rows, "change"), Count(left.images, "image"))
	}
	for _, line := range notes.remarks(run.DryRun) {
		end += "\n" + prose(line) + "\n"
	}

	room += maxMarkdown - limit - len(end)
	take := func(full, short string) string {
		if cut {
			full = short
		}
		for _, text := range []string{full, short} {
			if len(text) <= room {
				room -= len(text)
				return text
			}
		}
		return ""
	}
	each := func(texts func(Repository) (full, short string)) {
		for i, r := range run.Repositories {
			if sections[i].head != "" {
				sections[i].extra += take(texts(r))
			}
		}
	}
	each(run.foldsOf)
	each(func(r Repository) (full, short string) { return graphOf(r), "" })
	if len(concerns)+left.images > 0 || slices.ContainsFunc(sections, func(s section) bool { return s.head != "" }) { // or else the verdict says it
		end += take(run.inSync())
	}
	each(func(r Repository) (full, short string) { return digests(r), "" })
	for _, s := range sections {
		b.WriteString(s.head + s.table + s.extra)
	}
	b.WriteString(end)
	return []byte(b.String())
}

// section is what a Markdown report says of an image.
type section struct{ head, table, extra string }

// leftOut counts what is not shown.
type leftOut struct{ rows, images int }

// sections returns the sections of all images, in the order of images, with as much
// of their tables as fits into the room. What has nothing to say, or has no room for
// any of it, has no head.
func (r *Run) sections(tables []table, folds []string, room *int) ([]section, leftOut) {
	all := make([]section, len(tables))
	var out leftOut
	for i, t := range tables {
		if len(t.rows) == 0 && folds[i] == "" {
			continue
		}
		head, left := "\n#### "+code(r.Repositories[i].Image)+"\n", 0
		need := len(head)
		if len(t.rows) > 0 {
			need += 1 + len(t.head) + len(t.rows[0])
		}
		if need > *room {
			out.rows, out.images = out.rows+max(1, len(t.rows)), out.images+1
			continue
		}
		*room -= len(head)
		all[i].head = head
		if all[i].table, left = rows("\n"+t.head, t.rows, room); left > 0 {
			out.rows, out.images = out.rows+left, out.images+1
		}
	}
	return all, out
}

// rows returns the rows that fit into the room, under a head. left is the number
// of the others.
func rows(head string, all []string, room *int) (text string, left int) {
	for i, row := range all {
		if len(head)+len(row) > *room {
			return text, len(all) - i
		}
		*room -= len(head) + len(row)
		text, head = text+head+row, ""
	}
	return text, 0
}

// manyWarnings is the highest number of warnings that are not folded.
const manyWarnings = 3

// list returns the concerns by state, each list under its title.
func (r *Run) list(all []concern) string {
	room := maxConcerns
	text, left := "", 0
	for _, of := range []struct {
		state state
		title string
	}{{isFailed, "Failed"}, {isBlocked, "Blocked"}, {isWarned, "Worth a look"}} {
		var such []concern
		for _, c := range all {
			if c.state == of.state {
				such = append(such, c)
			}
		}
		items := r.items(such)
		if len(r.Repositories) == 0 && of.state == isBlocked {
			of.title = "Problems"
		}
		listed, more := rows("", items, &room)
		left += more
		switch {
		case listed == "":
		case of.state == isWarned && len(items) > manyWarnings:
			text += fold(Count(len(such), "warning"), listed)
		default:
			text += "\n**" + of.title + "**\n\n" + listed
		}
	}
	if left > 0 {
		text += "\n…and " + Count(left, "problem") + " more.\n"
	}
	return text
}
