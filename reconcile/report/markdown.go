package report

import (
	"fmt"
	"strings"
)

// Limits of a Markdown report, in bytes. A comment on a pull request may have
// 65,536 characters. Each part leaves room for the parts after it.
const (
	maxMarkdown = 60_000
	maxConcerns = 24_000
	maxTables   = 44_000
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

	images := make([]image, len(run.Repositories))
	room := maxTables - b.Len()
	changes, of, shown := 0, 0, false
	for i, r := range run.Repositories {
		var left int
		images[i], left = run.imageOf(r, &room)
		shown = shown || images[i].head != ""
		if left > 0 {
			changes, of = changes+left, of+1
		}
	}
	end := ""
	if changes > 0 {
		end = fmt.Sprintf("\n…and %s more in %s.\n", Count(changes, "change"), Count(of, "image"))
	}
	for _, line := range notes.remarks(run.DryRun) {
		end += "\n" + prose(line) + "\n"
	}

	room += maxMarkdown - maxTables - len(end)
	take := func(texts ...string) string {
		for _, text := range texts {
			if len(text) <= room {
				room -= len(text)
				return text
			}
		}
		return ""
	}
	each := func(texts func(Repository) []string) {
		for i, r := range run.Repositories {
			if images[i].head != "" {
				images[i].extra += take(texts(r)...)
			}
		}
	}
	each(func(r Repository) []string { full, short := run.foldsOf(r); return []string{full, short} })
	each(func(r Repository) []string { return []string{graphOf(r)} })
	if shown || len(concerns) > 0 { // or else the verdict says it
		full, short := run.inSync()
		end += take(full, short)
	}
	each(func(r Repository) []string {
		if table := digests(r); table != "" {
			return []string{fold("Digests", table)}
		}
		return nil
	})
	for _, i := range images {
		b.WriteString(i.head + i.table + i.extra)
	}
	b.WriteString(end)
	return []byte(b.String())
}

// image is what a Markdown report says of an image.
type image struct{ head, table, extra string }

// imageOf returns the head and the table of an image, and the number of rows that
// don't fit into the room. The head is empty if there is nothing to say of it, or
// no room for any of it.
func (r *Run) imageOf(of Repository, room *int) (i image, left int) {
	t := r.tableOf(of)
	full, _ := r.foldsOf(of)
	if len(t.rows) == 0 && full == "" {
		return image{}, 0
	}
	head := "\n#### " + code(of.Image) + "\n"
	need := len(head)
	if len(t.rows) > 0 {
		need += 1 + len(t.head) + len(t.rows[0])
	}
	if need > *room {
		return image{}, max(1, len(t.rows))
	}
	*room -= len(head)
	i.head = head
	if len(t.rows) > 0 {
		i.table, left = rows("\n"+t.head, t.rows, room)
	}
	return i, left
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
		var items []string
		for _, c := range all {
			if c.state == of.state {
				items = append(items, r.item(c))
			}
		}
		if len(r.Repositories) == 0 && of.state == isBlocked {
			of.title = "Problems"
		}
		listed, more := rows("", items, &room)
		left += more
		switch {
		case listed == "":
		case of.state == isWarned && len(items) > manyWarnings:
			text += fold(Count(len(items), "warning"), listed)
		default:
			text += "\n**" + of.title + "**\n\n" + listed
		}
	}
	if left > 0 {
		text += "\n…and " + Count(left, "problem") + " more.\n"
	}
	return text
}
