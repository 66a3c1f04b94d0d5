// Package report writes plans and their results, for people and for programs.
// It only formats: everything that it says is in the plan.
package report

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tagline/config"
	"tagline/policies"
	"tagline/reconcile"
	"tagline/reconcile/registry"
)

// Text writes the report for people, on stdout. It leaves out repositories
// without changes or problems.
//
//   - a tag that is made   ~ a tag that moves   - a deletion
//     ! a problem   = in sync (verbose only)
//
// Changes are written as the run goes on: in full, then in a line per image, then
// only their number. So are the first problems of each cause. The others are
// counted in the last lines, before the line that sums up. A verbose report has all
// of it in full.
type Text struct {
	after   after
	w       io.Writer
	opts    TextOptions
	total   totals
	notes   notes
	causes  causes
	changed int // images with changes
	err     error
}

// How many images with changes are written in full, and how many more in a line
// each.
const (
	fullImages  = 50
	shortImages = 450
)

// TextOptions say how a report looks.
type TextOptions struct {
	DryRun  bool // nothing was applied, so there are no results
	Verbose bool // also shows aliases in sync, and whole digests
	Quiet   bool // only problems
	Color   bool
	Width   int  // of the terminal, in characters; 0 if there is none
	Groups  bool // the changes of an image are a group of a log of GitHub Actions
	Limited bool // --max-deletions is given, so the report says what it does not count
}

// totals counts aliases and actions in all repositories.
type totals struct {
	pushes, deleteTags, deleteManifests, putBack, blocked, failed, inSync, waiting int
}

// add adds the counts of one repository.
func (n *totals) add(plan reconcile.Plan, result reconcile.Result) {
	blocked, failed := map[string]bool{}, map[string]bool{}
	for _, v := range plan.Violations {
		blocked[v.Alias] = true
	}
	for _, e := range plan.Errors {
		failed[e.Alias] = true
	}
	for _, o := range slices.Concat(result.Pushed, result.Deleted, result.Removed, result.Ensured) {
		switch {
		case outcome(o.Err) == unsupported:
			blocked[o.Tag] = true
		case o.Err != nil:
			failed[o.Tag] = true
		}
	}
	n.blocked += len(blocked)
	n.failed += len(failed)
	n.inSync += len(plan.InSync)
	n.waiting += plan.Swept.Waiting
	for _, o := range result.Pushed {
		if o.Already {
			n.inSync++
		}
	}
	n.pushes += len(plan.Pushes) - notDone(result.Pushed)
	n.deleteTags += len(plan.DeleteTags) - notDone(result.Deleted)
	n.deleteManifests += len(plan.DeleteManifests) - notDone(result.Removed)
	for i, k := range plan.Required {
		if isPutBack(k, result.Ensured, i) {
			n.putBack++
		}
	}
}

// NewText returns a report that writes to w.
func NewText(w io.Writer, opts TextOptions) *Text { return &Text{w: w, opts: opts} }

// Repository writes the plan for one repository, and its result unless this is
// a dry run.
func (t *Text) Repository(plan reconcile.Plan, result reconcile.Result) {
	t.total.add(plan, result)
	t.notes.add(plan, result)
	t.after.add(plan, result)
	rows := t.rows(plan, result)
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
			t.printf("::group::%s\n", data(plan.Image+t.marks(plan, result)))
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
	for _, line := range t.fit(rows) {
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
		switch err, _ := tried(result.Pushed, i); {
		case err != nil || isAlready(result.Pushed, i):
		case p.Old == "":
			counts["+"]++
		default:
			counts["~"]++
		}
	}
	text := ""
	for _, mark := range []string{"+", "~", "-"} {
		if counts[mark] > 0 {
			text += fmt.Sprintf("  %s %d", t.paint(mark), counts[mark])
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
		t.line(t.paint("!") + " " + g.count() + ": " + Printable(g.text))
	}
	for _, g := range rest {
		t.line(t.paint("!") + " " + g.count() + ": " + Printable(g.kind) + ", for " + Count(g.others, "other reason"))
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
			t.line(t.bold(line))
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

// sentence says in one line what a run did, or would do.
func (n totals) sentence(dryRun bool) string {
	var line string
	switch {
	case n.pushes+n.deleteTags+n.deleteManifests+n.putBack+n.blocked+n.failed == 0:
		now := ""
		if n.waiting > 0 {
			now = " now"
		}
		return fmt.Sprintf("Nothing to do%s: %s in sync.", now, Count(n.inSync, "alias"))
	case dryRun:
		line = fmt.Sprintf("Plan: %d to push, %s and %s to delete, %d blocked", n.pushes, Count(n.deleteTags, "tag"), Count(n.deleteManifests, "manifest"), n.blocked)
	default:
		line = fmt.Sprintf("Applied: %d pushed, %s and %s deleted, %d blocked", n.pushes, Count(n.deleteTags, "tag"), Count(n.deleteManifests, "manifest"), n.blocked)
	}
	switch {
	case n.putBack > 0 && dryRun:
		line += fmt.Sprintf(", %d to put back", n.putBack)
	case n.putBack > 0:
		line += fmt.Sprintf(", %d put back", n.putBack)
	}
	if n.failed > 0 {
		line += fmt.Sprintf(", %d failed", n.failed)
	}
	return line + "."
}

// notDone counts the actions that this run has not done: they failed, or
// another run had done them.
func notDone(outcomes []reconcile.Outcome) int {
	n := 0
	for _, o := range outcomes {
		if o.Err != nil || o.Already {
			n++
		}
	}
	return n
}

// isPutBack reports whether a run has put a manifest back, or a dry run would.
// A dry run knows only of manifests that are already missing.
func isPutBack(k reconcile.Required, outcomes []reconcile.Outcome, i int) bool {
	if i < len(outcomes) {
		return outcomes[i].Err == nil && !outcomes[i].Already
	}
	return k.Lost
}

func isAlready(outcomes []reconcile.Outcome, i int) bool {
	return i < len(outcomes) && outcomes[i].Already
}

// wideTag is the length above which a tag is too long for the column of tags,
// for example because it contains a digest.
const wideTag = 64

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
			cells := []string{tag, "purge", "", t.digest(p.New), fmt.Sprintf("(loses %s, was %s)", Count(p.Purged, "attestation"), t.digest(p.Old))}
			if len(tag) > wideTag {
				cells = []string{strings.Join(cells, "  ")}
			}
			rows = append(rows, row{mark: mark, cells: cells})
			continue
		}
		for _, c := range p.Platforms {
			rows = append(rows, row{mark: mark, digest: 3, cells: []string{tag, cmp.Or(c.Platform, "artifact"), c.Source, t.digest(c.Digest), t.note(p, c)}})
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
			cells := []string{d.Tag, fmt.Sprintf("%s (was %s)", d.Reason, t.digest(d.Old))}
			if len(d.Tag) > wideTag {
				cells = []string{strings.Join(cells, "  ")}
			}
			rows = append(rows, row{mark: "-", cells: cells})
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
			if candidate.Platform == "" {
				passed[candidate.Reason] = append(passed[candidate.Reason], candidate.Tag)
				continue
			}
			rows = append(rows, row{mark: " ", cells: []string{"", candidate.Platform, candidate.Tag, candidate.Reason}})
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

// note says what an alias had for a platform before.
func (t *Text) note(p reconcile.Push, c reconcile.PlatformChange) string {
	was := strings.TrimSpace(c.OldSource + " " + t.digest(c.OldDigest))
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
		note = fmt.Sprintf("%s -> %s, was %s", c.OldSource, c.Source, t.digest(c.OldDigest))
	default:
		note = "was " + was
	}
	note += anew(p)
	if behind := c.Behind; behind != "" {
		note += ", behind " + behind
	}
	return "(" + note + carried(c) + ")"
}

// anew says what becomes of the manifest that an alias names if each of its images
// stays the same: the alias has another digest then, and perhaps another media type.
func anew(p reconcile.Push) string {
	if p.Old == p.New || slices.ContainsFunc(p.Platforms, func(c reconcile.PlatformChange) bool { return c.Digest != c.OldDigest }) {
		return ""
	}
	was := manifestKinds[p.OldType]
	_, is, _ := strings.Cut(manifestKinds[p.MediaType], " ")
	switch image := strings.HasSuffix(is, "image"); {
	case was == "" && image: // a plan of an older tagline
		return ""
	case was == "" || p.OldType == p.MediaType:
		return ", new index"
	case image:
		return ", now the image itself, was " + was
	}
	return ", new " + is + ", was " + was
}

// manifestKinds says what has a media type.
var manifestKinds = map[string]string{
	ocispec.MediaTypeImageIndex:    "an OCI index",
	ocispec.MediaTypeImageManifest: "a plain OCI image",
	policies.DockerManifestList:    "a Docker list",
	policies.DockerManifest:        "a plain Docker image",
}

// carried says how many attestations and companions an image has in the alias, or
// loses there.
func carried(c reconcile.PlatformChange) string {
	var loses, has []string
	gets := false // what the same image did not have before
	for _, kind := range []struct {
		had, has int
		what     string
	}{{c.OldAttestations, c.Attestations, "attestation"}, {c.OldCompanions, c.Companions, "companion"}} {
		switch {
		case c.Digest != "" && c.Digest == c.OldDigest && kind.had > kind.has:
			loses = append(loses, Count(kind.had-kind.has, kind.what))
		case kind.has > 0:
			has = append(has, Count(kind.has, kind.what))
			gets = gets || c.Digest == c.OldDigest && kind.had < kind.has
		}
	}
	text := ""
	if len(loses) > 0 {
		text += ", loses " + strings.Join(loses, " and ")
	}
	switch {
	case gets:
		text += ", now with " + strings.Join(has, " and ")
	case len(has) > 0:
		text += ", with " + strings.Join(has, " and ")
	}
	return text
}

// digest shortens a digest to 12 hex digits, as docker does.
func (t *Text) digest(d string) string {
	algorithm, hex, _ := strings.Cut(d, ":")
	if t.opts.Verbose || len(hex) <= 12 {
		return d
	}
	return algorithm + ":" + hex[:12] + "…"
}

func (t *Text) paint(mark string) string {
	colors := map[string]string{"+": "32", "~": "33", "-": "31", "!": "1;31"}
	if !t.opts.Color || colors[mark] == "" {
		return mark
	}
	return "\x1b[" + colors[mark] + "m" + mark + "\x1b[0m"
}

func (t *Text) bold(line string) string {
	if !t.opts.Color {
		return line
	}
	return "\x1b[1m" + line + "\x1b[0m"
}

func (t *Text) printf(format string, args ...any) {
	if t.err == nil {
		_, t.err = fmt.Fprintf(t.w, format, args...)
	}
}

// align makes cells printable and pads all but the last of a row to columns.
func align(rows []row) []row {
	var widths []int
	for _, r := range rows {
		for i := range r.cells {
			r.cells[i] = Printable(r.cells[i])
			if i == len(r.cells)-1 {
				break
			}
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(r.cells[i]))
		}
	}
	for _, r := range rows {
		for i, c := range r.cells[:len(r.cells)-1] {
			r.cells[i] += strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c))
		}
	}
	return rows
}

func (r row) line() string { return strings.TrimRight(strings.Join(r.cells, "  "), " ") }

// Printable escapes text from a registry or a file, so that it can't move the
// cursor, start a line, reorder text, or command the build server that reads
// the output. GitHub's runner obeys a line that begins with "::", and "##["
// anywhere (actions/runner, ActionCommand.cs). Azure Pipelines and TeamCity
// obey "##vso[" and "##teamcity[". Several lines, such as those of joined errors,
// become one, with semicolons between them.
func Printable(s string) string {
	if strings.Contains(s, "\n") {
		s = registry.OneLine(s)
	}
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '\uFFFD'
	}, s)
	s = strings.ReplaceAll(s, "##", "#\uFFFD")
	if text := strings.TrimLeft(s, " "); strings.HasPrefix(text, "::") {
		s = s[:len(s)-len(text)] + "\uFFFD" + text[1:]
	}
	return s
}

func placed(p config.Pos) string {
	if p.Line == 0 {
		return ""
	}
	return p.String() + ": "
}

// Count returns "1 tag", "2 tags", "2 aliases".
func Count(n int, what string) string {
	switch {
	case n == 1:
		return "1 " + what
	case strings.HasSuffix(what, "s"), strings.HasSuffix(what, "x"):
		return fmt.Sprintf("%d %ses", n, what)
	}
	return fmt.Sprintf("%d %ss", n, what)
}
