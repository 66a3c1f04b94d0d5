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
	var notes notes
	for _, r := range run.Repositories {
		notes.add(r.Plan, r.Result)
	}
	start, end := run.opening(concerns, &notes), ""
	sections, left, cut, room := run.fitTables(len(start))
	if left.rows > 0 {
		end = fmt.Sprintf("\n…and %s more in %s.\n", Count(left.rows, "change"), Count(left.images, "image"))
	}
	for _, line := range notes.remarks(run.DryRun) {
		end += "\n" + prose(line) + "\n"
	}

	room -= len(end)
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
	var b strings.Builder
	b.WriteString(start)
	for _, s := range sections {
		b.WriteString(s.head + s.table + s.extra)
	}
	b.WriteString(end)
	return []byte(b.String())
}

// opening is what stands before the tables: the headline, and what has to be looked at.
func (r *Run) opening(concerns []concern, notes *notes) string {
	text := fmt.Sprintf("%s\n### %s\n", marker, r.verdict(concerns)) + r.list(concerns)
	if line := notes.pinned(r.DryRun); line != "" {
		text += fmt.Sprintf("\n**%s**\n", prose(line))
	}
	return text
}

// fitTables returns the sections of all images with the tables that fit after a text of
// so many bytes, and the room for what comes after them. If rows are left out, cut is
// true: then lists become counts, which gives the tables more room.
func (r *Run) fitTables(after int) (all []section, left leftOut, cut bool, room int) {
	tables := make([]table, len(r.Repositories))
	folds := make([]string, len(r.Repositories)) // short ones
	for i, of := range r.Repositories {
		tables[i] = r.tableOf(of)
		_, folds[i] = r.foldsOf(of)
	}
	limit := maxTables
	room = limit - after
	if all, left = r.sections(tables, folds, &room); left.rows > 0 {
		cut, limit = true, maxCutTables
		room = limit - after
		all, left = r.sections(tables, folds, &room)
	}
	return all, left, cut, room + maxMarkdown - limit
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
