package report

import (
	"cmp"
	"slices"
	"time"

	"tagline/config"
	"tagline/reconcile/journal"
)

// HistoryOptions say what a history shows.
type HistoryOptions struct {
	At       string // what was asked for, "" for all of it
	From, To time.Time
}

// History writes what a tag named, oldest first, and what to write into images.yaml to
// go back. It returns the first error of all writes.
func (t *Text) History(h journal.History, opts HistoryOptions) error {
	t.printf("%s\n", Printable(h.Repository.String()+":"+h.Tag))
	shown := h
	if opts.At != "" {
		shown = h.During(opts.From, opts.To)
	}
	for i, s := range shown.States {
		if opts.At != "" || i > 0 || s.Digest != "" {
			t.state(s, opts.At != "")
		}
	}
	if len(shown.States) == 0 {
		return t.err
	}
	back := shown.States[len(shown.States)-1]
	if opts.At == "" {
		back = journal.State{}
		if n := len(h.States); n > 1 {
			back = h.States[n-2]
		}
	}
	if now := h.States[len(h.States)-1]; back.Digest != now.Digest && back.Digest != "" {
		t.goBack(h, back)
	}
	return t.err
}

// state writes one state, with its end if that is asked for.
func (t *Text) state(s journal.State, ends bool) {
	what, mark := "did not exist", "-"
	if s.Digest != "" {
		what, mark = t.opts.digest(s.Digest), "~"
	}
	switch m := s.Began; {
	case s.Gap:
		t.printf("  ! before %s, by a move that is in no journal  %s\n", moment(s.To), what)
	case m == nil:
		t.printf("    before %s  %s\n", moment(s.To), what)
	default:
		switch {
		case m.Action == journal.Deleted:
			what = "deleted: " + m.Reason
		case m.Action == journal.Restored:
			what, mark = what+"  put back", "+"
		case m.Old == "":
			mark = "+"
		}
		when := moment(s.From)
		if ends && !s.To.IsZero() {
			when += " to " + moment(s.To)
		}
		t.printf("  %s %s  %s\n", t.opts.paint(mark), when, Printable(what))
	}
	var rows []row
	for _, p := range s.Images {
		rows = append(rows, row{mark: " ", cells: []string{p.Platform, version(p), t.opts.digest(p.Digest)}})
	}
	for _, r := range align(rows) {
		t.printf("      %s\n", r.line())
	}
	if s.Began != nil {
		t.printf("      by %s\n", Printable(who(s.Began.By)))
	}
}

// version is where an image came from, in words.
func version(p journal.Platform) string {
	if p.Origin != "" {
		return p.Origin + " (by " + p.Source + ")"
	}
	return cmp.Or(p.Source, "-")
}

// who says who moved a tag.
func who(by journal.By) string {
	name := cmp.Or(by.URL, by.User, "unknown")
	if by.Commit != "" {
		name += ", commit " + by.Commit
	}
	return name
}

func moment(at time.Time) string { return at.UTC().Format(time.DateTime) + " UTC" }

// goBack writes what images.yaml needs to go back to a state. Its digest alone gives
// the same bytes; what is composed again of sources may be another index.
func (t *Text) goBack(h journal.History, s journal.State) {
	byVersion, byDigest := h.Sources(s)
	tag := config.Scalar(h.Tag)
	t.printf("To go back to %s, write in images.yaml\n  %s: %s\n", t.opts.digest(s.Digest), tag, cmp.Or(s.Digest, byVersion))
	if s.Digest != "" && byVersion != "" {
		t.printf("or, from its sources as they are now,\n  %s: %s\n", tag, byVersion)
	}
	if byDigest != "" && byDigest != s.Digest {
		t.printf("or, if the registry no longer has that digest, from its images\n  %s: %s\n", tag, byDigest)
	}
	if now := h.States[len(h.States)-1]; now.Digest == "" && now.Began.Old == s.Digest {
		t.printf("or put it back from the trash of that run:\n  tagline restore %s --run %s\n", Printable(h.Repository.String()+":"+h.Tag), Printable(now.Began.Run))
	}
}

// history is the format of [HistoryJSON].
type history struct {
	FormatVersion string         `json:"format_version"`
	Repository    string         `json:"repository"`
	Tag           string         `json:"tag"`
	States        []historyState `json:"states"`
	Skipped       []string       `json:"skipped"`
}

type historyState struct {
	From      *time.Time         `json:"from"`
	To        *time.Time         `json:"to"`
	Digest    *string            `json:"digest"`
	Action    *string            `json:"action"`
	Reason    string             `json:"reason,omitempty"`
	Run       *string            `json:"run"`
	By        *journal.By        `json:"by"`
	Platforms []journal.Platform `json:"platforms"`
	Sources   historySources     `json:"sources"`
}

// historySources are what images.yaml has for a state, or null.
type historySources struct {
	ByVersion *string `json:"by_version"`
	ByDigest  *string `json:"by_digest"`
}

// HistoryJSON returns a history as JSON: the states of the tag, oldest first. A state
// whose from is null began before the journal, or with a move that is not in it; the
// last one holds until now, with to null. digest is null while there was no such tag.
// Minor versions of the format only add fields.
func HistoryJSON(h journal.History, opts HistoryOptions, skipped []journal.Skipped) []byte {
	out := history{FormatVersion: FormatVersion, Repository: h.Repository.String(), Tag: h.Tag, States: []historyState{}, Skipped: []string{}}
	if opts.At != "" {
		h = h.During(opts.From, opts.To)
	}
	instant := func(at time.Time) *time.Time {
		if at.IsZero() {
			return nil
		}
		return &at
	}
	for _, s := range h.States {
		byVersion, byDigest := h.Sources(s)
		from := instant(s.From)
		if s.Gap {
			from = nil
		}
		state := historyState{
			From: from, To: instant(s.To), Digest: OrNull(s.Digest),
			Platforms: slices.Concat([]journal.Platform{}, s.Images), Sources: historySources{OrNull(byVersion), OrNull(byDigest)},
		}
		if s.Began != nil {
			state.Action, state.Reason, state.Run, state.By = OrNull(s.Began.Action), s.Began.Reason, OrNull(s.Began.Run), &s.Began.By
		}
		out.States = append(out.States, state)
	}
	for _, s := range skipped {
		out.Skipped = append(out.Skipped, s.String())
	}
	return Encode(out)
}
