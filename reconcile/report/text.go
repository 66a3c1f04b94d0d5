package report

import (
	"fmt"
	"io"
	"slices"

	"tagline/reconcile"
)

// Text writes the report for people, on stdout. It leaves out repositories
// without changes or problems.
//
//   - a tag that is made   ~ a tag that moves   - a deletion
//     ! a problem   = in sync, or left alone (verbose only)
//
// Changes are written as the run goes on: in full, then in a line per image, then
// only their number. So are the first problems of each cause. The others are
// counted in the last lines, before the line that sums up. A verbose report has all
// of it in full.
type Text struct {
	printer
	total   totals
	after   after
	notes   notes
	causes  causes
	changed int // images with changes
}

// How many images with changes are written in full, and how many more in a line
// each.
const (
	fullImages  = 50
	shortImages = 450
)

// NewText returns a report that writes to w.
func NewText(w io.Writer, opts TextOptions) *Text { return &Text{printer: printer{w: w, opts: opts}} }

// Repository writes the plan for one repository, and its result unless this is
// a dry run.
func (t *Text) Repository(plan reconcile.Plan, result reconcile.Result) {
	t.total.add(plan, result)
	t.notes.add(plan, result)
	t.after.add(plan, result)
	rows := t.opts.rows(plan, result)
	short := ""
	if !t.opts.Verbose {
		rows, short = t.shorten(t.fold(rows), plan, result)
	} else {
		t.fold(rows)
	}
	if len(rows) == 0 && short == "" {
		return
	}
	if t.opts.Groups {
		changes, problems := apart(rows)
		if len(changes) > 0 {
			t.printf("::group::%s\n", commandText(plan.Image+t.marks(plan, result)))
			t.write(changes)
			t.printf("::endgroup::\n")
		}
		if rows = problems; len(rows) == 0 && short == "" {
			return
		}
	}
	t.printf("%s%s\n", Printable(plan.Image), short)
	t.write(rows)
}

func (t *Text) write(rows []row) {
	for _, line := range t.opts.fit(rows) {
		t.printf("%s\n", line)
	}
}

// apart returns the rows of changes, and those of problems, which a group would
// hide. A row without a mark belongs to the one before.
func apart(rows []row) (changes, problems []row) {
	mark := ""
	for _, r := range rows {
		if r.mark != " " {
			mark = r.mark
		}
		if mark == "!" {
			problems = append(problems, r)
		} else {
			changes = append(changes, r)
		}
	}
	return changes, problems
}

// fold takes out the problems that are only counted.
func (t *Text) fold(rows []row) []row {
	aliases := map[string]int{} // by cause
	for _, r := range rows {
		aliases[r.cause.key] += r.aliases
	}
	tell := map[string]bool{"": true}
	var kept []row
	for _, r := range rows {
		key := r.cause.key
		if _, known := tell[key]; !known {
			tell[key] = t.causes.add(r.cause, aliases[key])
		}
		if tell[key] {
			kept = append(kept, r)
		}
	}
	return kept
}

// shorten takes out the changes of an image after the first images. short is what
// stands behind the name of the image in their place.
func (t *Text) shorten(rows []row, plan reconcile.Plan, result reconcile.Result) (kept []row, short string) {
	problems := slices.DeleteFunc(slices.Clone(rows), func(r row) bool { return r.mark != "!" })
	if len(problems) == len(rows) { // no changes
		return rows, ""
	}
	switch t.changed++; {
	case t.changed <= fullImages:
		return rows, ""
	case t.changed > fullImages+shortImages:
		return problems, ""
	}
	return problems, t.marks(plan, result)
}

// marks counts the changes of an image: "  + 2  ~ 1".
func (t *Text) marks(plan reconcile.Plan, result reconcile.Result) string {
	var n totals
	n.add(plan, result)
	counts := map[string]int{"+": n.putBack, "-": n.deleteTags + n.deleteManifests}
	for i, p := range plan.Pushes {
		if err, _ := Tried(result.Pushed, i); err == nil && !Already(result.Pushed, i) {
			counts[markOf(p)]++
		}
	}
	text := ""
	for _, mark := range []string{"+", "~", "-"} {
		if counts[mark] > 0 {
			text += fmt.Sprintf("  %s %d", t.opts.paint(mark), counts[mark])
		}
	}
	return text
}

// folded writes what was only counted.
func (t *Text) folded() {
	if t.opts.Verbose {
		return
	}
	first, rest := t.causes.folded()
	for _, g := range first {
		t.line(t.opts.paint("!") + " " + g.count() + ": " + Printable(g.text))
	}
	for _, g := range rest {
		t.line(t.opts.paint("!") + " " + g.count() + ": " + Printable(g.kind) + ", for " + Count(g.others, "other reason"))
	}
	if left := t.changed - fullImages - shortImages; left > 0 {
		t.printf("%s with changes are left out.\n", Count(left, "more image"))
	}
	if len(first) > 0 || t.changed > fullImages {
		t.printf("-v and -o json have all of it.\n")
	}
}

// Summary writes the last lines, and returns the first error of all writes.
func (t *Text) Summary() error {
	t.folded()
	if !t.opts.Quiet {
		t.line(t.total.sentence(t.opts.DryRun))
		if t.total.failed > 0 && !t.opts.DryRun {
			t.line(Printable(t.after.sentence(t.total.pushes + t.total.deleteTags)))
		}
		if line := t.notes.pinned(t.opts.DryRun); line != "" {
			t.line(t.opts.bold(line))
		}
		if line := t.notes.uncounted(); line != "" && t.opts.Limited {
			t.line(line)
		}
		for _, note := range t.notes.lines(t.opts.DryRun) {
			t.line(note)
		}
	}
	if t.opts.Width > 0 && !t.opts.Quiet {
		for _, step := range t.causes.next() {
			t.line(Printable(step))
		}
	}
	return t.err
}
