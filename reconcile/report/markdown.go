package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"tagline/config"
	"tagline/reconcile"
)

// Limits of a Markdown report, in bytes. A comment on a pull request may have
// 65,536 characters. Each part leaves room for the parts after it.
const (
	maxMarkdown = 60_000
	maxProblems = 30_000
	maxTables   = 48_000
)

// maxEdges is the highest number of arrows in a graph. More are hard to read,
// and above 500 Mermaid draws nothing (its setting maxEdges).
const maxEdges = 120

// Markdown returns the report for a step summary and for comments on pull and
// merge requests: problems, then the aliases by platform, then their sources.
// It gives the number of what does not fit.
func Markdown(run Run) []byte {
	var m markdown
	problems := run.problems()
	headline := run.totals().sentence(run.DryRun)
	if len(run.Repositories) == 0 { // a check, or a run that stopped early
		headline = "Found " + Count(len(problems), "problem") + "."
	}
	m.printf("<!-- tagline -->\n### %s\n", headline)
	m.problems(problems)
	left := 0
	for _, r := range run.Repositories {
		left += m.table(r)
	}
	if left > 0 {
		m.printf("\n…and %s more.\n", Count(left, "change"))
	}
	var notes notes
	for _, r := range run.Repositories {
		notes.add(r.Plan, r.Result)
	}
	if line := notes.pinned(run.DryRun); line != "" {
		m.printf("\n**%s**\n", line)
	}
	for _, line := range notes.lines(run.DryRun) {
		m.printf("\n%s\n", line)
	}
	if n := run.totals(); n.inSync > 0 && n != (totals{inSync: n.inSync, waiting: n.waiting}) {
		m.printf("\n%s in sync.\n", Count(n.inSync, "alias"))
	}
	for _, r := range run.Repositories {
		m.graph(r)
	}
	return []byte(m.String())
}

type markdown struct{ strings.Builder }

func (m *markdown) printf(format string, args ...any) { _, _ = fmt.Fprintf(m, format, args...) }

// rows writes the head of a table and the rows that fit below limit. It returns
// the number of rows that do not fit.
func (m *markdown) rows(limit int, head string, rows []string) (left int) {
	for i, row := range rows {
		if m.Len()+len(head)+len(row) > limit {
			return len(rows) - i
		}
		m.WriteString(head + row)
		head = ""
	}
	return 0
}

func (m *markdown) problems(all []*config.Finding) {
	var rows []string
	for _, f := range all {
		mark := ":x:"
		if f.Warning {
			mark = ":warning:"
		}
		rows = append(rows, fmt.Sprintf("| %s | %s | %s | %s<br>%s |\n",
			mark, code(f.Alias), code(strings.TrimSuffix(placed(f.Pos), ": ")), code(string(f.ID)), code(f.Message)))
	}
	if left := m.rows(maxProblems, "\n| | Alias | Place | Problem |\n| --- | --- | --- | --- |\n", rows); left > 0 {
		m.printf("\n…and %s more.\n", Count(left, "problem"))
	}
}

// table writes the changes of a repository, with a row per alias and a column
// per platform. It returns the number of rows that do not fit.
func (m *markdown) table(r Repository) (left int) {
	var platforms []string
	for _, p := range r.Pushes {
		for _, c := range p.Platforms {
			platforms = append(platforms, c.Platform)
		}
	}
	slices.Sort(platforms)
	platforms = slices.Compact(platforms)

	head, line := "| | Alias |", "| --- | --- |"
	for _, p := range platforms {
		head, line = head+" "+code(cmp.Or(p, "artifact"))+" |", line+" --- |"
	}
	var rows []string
	for i, p := range r.Pushes {
		what := "moves"
		if p.Old == "" {
			what = "new"
		}
		row := fmt.Sprintf("| %s | %s", became(what, "pushed", r.Pushed, i), code(p.Tag))
		if p.Purged > 0 {
			row += "<br>loses " + Count(p.Purged, "attestation")
		}
		for _, c := range p.Copies {
			row += "<br>copied from " + code(c.From.String())
			if what := attached(p, c); what != "" {
				row += " with " + what
			}
		}
		for _, c := range late(p) {
			row += "<br>gets " + attached(p, c) + " from " + code(c.From.String())
		}
		row += " |"
		for _, platform := range platforms {
			row += " " + cell(p, platform) + " |"
		}
		rows = append(rows, row+"\n")
	}
	for i, d := range r.DeleteTags {
		rows = append(rows, fmt.Sprintf("| %s | %s |%s\n", became("goes", "deleted", r.Deleted, i),
			code(d.Tag)+" "+code(d.Reason), strings.Repeat(" |", len(platforms))))
	}
	for i, d := range r.DeleteManifests {
		if len(r.DeleteManifests) > manyManifests {
			break // the number of the rest follows
		}
		rows = append(rows, fmt.Sprintf("| %s | %s |%s\n", became("goes", "deleted", r.Removed, i),
			code((&Text{}).digest(d.Digest))+" "+code(d.Reason), strings.Repeat(" |", len(platforms))))
	}
	for i, k := range r.Required {
		if isPutBack(k, r.Ensured, i) {
			rows = append(rows, fmt.Sprintf("| %s | %s |%s\n", became("to put back", "put back", r.Ensured, i),
				code((&Text{}).digest(k.Digest))+" "+code(whyRequired(k)), strings.Repeat(" |", len(platforms))))
		}
	}
	return m.rows(maxTables, fmt.Sprintf("\n#### %s\n\n%s\n%s\n", code(r.Image), head, line), rows)
}

// became returns a word for a planned action or for its outcome.
func became(planned, successful string, outcomes []reconcile.Outcome, i int) string {
	switch err, yes := tried(outcomes, i); {
	case !yes:
		return planned
	case err == nil:
		return successful
	default:
		return "**" + outcome(err) + "**"
	}
}

// cell returns what an alias gets for a platform.
func cell(p reconcile.Push, platform string) string {
	i := slices.IndexFunc(p.Platforms, func(c reconcile.PlatformChange) bool { return c.Platform == platform })
	if i < 0 {
		return ""
	}
	short := &Text{}
	c := p.Platforms[i]
	note := code(strings.Trim(short.note(p, c), "()"))
	if c.Digest == "" {
		return note
	}
	return strings.TrimSpace(code(c.Source)+" "+code(short.digest(c.Digest))) + "<br>" + note
}

// graph draws alias -> source -> digest for the pushes of a repository.
func (m *markdown) graph(r Repository) {
	var (
		lines []string
		names = map[string]string{}
		edges = map[string]bool{}
		short = &Text{}
	)
	node := func(kind, text, shape string) string {
		name := names[kind+text]
		if name == "" {
			name = fmt.Sprintf("%s%d", kind, len(names))
			names[kind+text] = name
			lines = append(lines, fmt.Sprintf("  %s"+shape+"\n", name, label(text)))
		}
		return name
	}
	edge := func(from, platform, to string) {
		line := fmt.Sprintf("  %s -->|\"%s\"| %s\n", from, label(cmp.Or(platform, "artifact")), to)
		if !edges[line] {
			edges[line] = true
			lines = append(lines, line)
		}
	}
	shown, rest := 0, 0
	for i, p := range r.Pushes {
		switch err, _ := tried(r.Pushed, i); {
		case err != nil: // that push has failed
			continue
		case rest > 0 || len(edges)+2*len(p.Platforms) > maxEdges:
			rest++
			continue
		}
		shown++
		for _, c := range p.Platforms {
			if c.Digest == "" {
				continue
			}
			source := node("s", c.Source, `("%s")`)
			edge(node("a", p.Tag, `["%s"]`), c.Platform, source)
			edge(source, c.Platform, node("d", short.digest(c.Digest), `["%s"]`))
		}
	}
	if len(lines) == 0 {
		return
	}
	title := "Where " + code(r.Image) + " comes from"
	if rest > 0 {
		title += fmt.Sprintf(" (%d of %s)", shown, Count(shown+rest, "alias"))
	}
	graph := fmt.Sprintf("\n%s:\n\n```mermaid\ngraph LR\n%s```\n", title, strings.Join(lines, ""))
	if m.Len()+len(graph) <= maxMarkdown {
		m.WriteString(graph)
	}
}

// label escapes quoted text of a Mermaid graph. Every character with a meaning
// there, or in the HTML that Mermaid generates, becomes a character code
// (mermaid.js.org, "Entity codes to escape characters").
func label(text string) string {
	var b strings.Builder
	for _, r := range cut(Printable(text)) {
		if plain(r) || r == ' ' || r == '.' || r == '/' || r == '-' || r == '_' {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, "#%d;", r)
		}
	}
	return b.String()
}

// code puts foreign text into a code span, where it can't be Markdown, a
// mention or a link. Characters that would end the span or the table cell are
// written as HTML.
func code(text string) string {
	text = cut(Printable(text))
	switch {
	case text == "":
		return ""
	case !strings.ContainsAny(text, "`|"):
		return "`" + text + "`"
	}
	var b strings.Builder
	for _, r := range text {
		if plain(r) || r == ' ' {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, "&#%d;", r)
		}
	}
	return "<code>" + b.String() + "</code>"
}

func plain(r rune) bool { return r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' }

// cut shortens long text.
func cut(text string) string {
	const most = 400
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}
