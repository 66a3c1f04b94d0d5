package catalogue

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"tagline/config"
	"tagline/reconcile"
	"tagline/reconcile/journal"
	"tagline/reconcile/report"
)

// What an alias is, in a [Status]. Of several the first counts.
const (
	stateUnknown = "unknown"
	stateBlocked = "blocked"
	stateMoves   = "moves"
	stateMissing = "missing"
	stateGoes    = "goes"
	stateLeft    = "left-alone"
	stateInSync  = "in-sync"
)

// Status is what aliases are now, and what the next run makes of them. Add the images
// in their order.
type Status struct {
	images []statusImage
	Failed bool // something could not be read
}

type statusImage struct {
	Name       string         `json:"image"`
	Repository string         `json:"repository"`
	Aliases    []statusAlias  `json:"aliases"`
	Former     []statusFormer `json:"former"`
	Problems   []string       `json:"problems"` // of no alias that is shown
}

type statusAlias struct {
	Tag       string           `json:"tag"`
	State     string           `json:"state"`
	Digest    string           `json:"digest"`
	Mixed     bool             `json:"mixed"`
	Platforms []statusPlatform `json:"platforms"`
	Next      string           `json:"next"`     // what the next run makes of it, "" if nothing
	Problems  []string         `json:"problems"` // why it is blocked or unknown
	versions  string
}

// statusFormer is a tag that was an alias and that images.yaml does not list.
type statusFormer struct {
	Tag     string `json:"tag"`
	MadeFor string `json:"made_for"` // the alias of tagline's mark, "" if only a journal tells
	Next    string `json:"next"`     // what the next run makes of it, "" if nothing
}

type statusPlatform struct {
	Platform string `json:"platform"`
	Version  string `json:"version"`
	Digest   string `json:"digest"`
}

// Add adds an image with the plan that a dry run has made for it, and with what its
// aliases carry. tags limits the aliases, if there are any.
func (s *Status) Add(of config.Image, plan reconcile.Plan, tags []string) {
	img := statusImage{Name: clean(of.Name), Repository: clean(of.Repository.String()), Aliases: []statusAlias{}, Former: []statusFormer{}, Problems: []string{}}
	for i, a := range of.Aliases {
		carried := reconcile.Carried{Tag: a.Tag}
		if i < len(plan.Carried) {
			carried = plan.Carried[i]
		}
		absent := a.Absent && carried.Digest == "" && carried.Err == nil
		if len(tags) > 0 && !slices.Contains(tags, a.Tag) || len(tags) == 0 && absent {
			continue
		}
		img.Aliases = append(img.Aliases, s.alias(a, carried, plan))
	}
	if len(tags) == 0 {
		img.Former = former(of, plan)
	}
	problem := func(alias, message string) {
		if len(tags) == 0 && !slices.ContainsFunc(img.Aliases, func(a statusAlias) bool { return a.Tag == clean(alias) }) {
			img.Problems = append(img.Problems, clean(strings.TrimPrefix(cmp.Or(alias, of.Name)+": "+message, of.Name+": ")))
		}
	}
	for _, f := range plan.Violations {
		problem(f.Alias, f.Message)
	}
	for _, e := range plan.Errors {
		s.Failed = true
		problem(e.Alias, e.Message)
	}
	s.images = append(s.images, img)
}

// former returns the former aliases that stay, and those that prune deletes.
func former(of config.Image, plan reconcile.Plan) []statusFormer {
	all := []statusFormer{}
	for _, f := range plan.Former {
		all = append(all, statusFormer{Tag: clean(f.Tag), MadeFor: clean(f.Of)})
	}
	for _, d := range plan.DeleteTags {
		if !d.Emptied && !slices.ContainsFunc(of.Aliases, func(a config.Alias) bool { return a.Tag == d.Tag }) {
			all = append(all, statusFormer{Tag: clean(d.Tag), MadeFor: clean(d.Tag), Next: clean(d.Reason)})
		}
	}
	slices.SortFunc(all, func(a, b statusFormer) int { return config.CompareTags(a.Tag, b.Tag) })
	return all
}

func (s *Status) alias(a config.Alias, carried reconcile.Carried, plan reconcile.Plan) statusAlias {
	sources := sourcesOf(carried, journal.History{})
	row := statusAlias{
		Tag: clean(a.Tag), State: stateInSync, Digest: carried.Digest, Mixed: mixed(a, sources),
		Platforms: []statusPlatform{}, Problems: []string{}, versions: words(carried, sources),
	}
	for i, image := range carried.Images {
		row.Platforms = append(row.Platforms, statusPlatform{clean(image.Platform), sources[i], image.Digest})
	}
	states := map[string]string{markBlocked: stateBlocked, markUnknown: stateUnknown, markMissing: stateMissing, markMoves: stateMoves, markGoes: stateGoes, markLeft: stateLeft}
	rank := []string{markUnknown, markBlocked, markMoves, markMissing, markGoes, markLeft}
	first := len(rank)
	for _, m := range marksOf(a, carried, sources, plan) {
		if n := slices.Index(rank, m.mark); n >= 0 && n < first {
			first, row.State = n, states[m.mark]
		}
		switch {
		case m.mark == markMoves || m.mark == markGoes:
			row.Next = m.text
		case m.text != "":
			row.Problems = append(row.Problems, m.text)
		}
	}
	if a.Absent && row.State == stateMissing {
		row.State = stateInSync // as it should be
	}
	s.Failed = s.Failed || row.State == stateUnknown
	return row
}

// JSON returns the status as JSON. state is unknown, blocked, moves, missing, goes,
// left-alone or in-sync. Minor versions of the format only add fields.
func (s *Status) JSON(version string) ([]byte, error) {
	out, err := json.MarshalIndent(struct {
		FormatVersion string        `json:"format_version"`
		Images        []statusImage `json:"images"`
	}{version, append([]statusImage{}, s.images...)}, "", "  ")
	return append(out, '\n'), err
}

// wideVersions is the length above which versions are too long for their column. What
// follows them, or a long tag, is on a line of its own.
const wideVersions = 48

// Text writes the status as a table.
func (s *Status) Text(w io.Writer) error {
	var b strings.Builder
	for i, img := range s.images {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(img.Name)
		if img.Repository != img.Name {
			b.WriteString("  " + img.Repository)
		}
		b.WriteByte('\n')
		tags, versions := 0, 0
		for _, a := range img.Aliases {
			if n := utf8.RuneCountInString(a.Tag); n <= report.WideTag {
				tags = max(tags, n)
			}
			if n := utf8.RuneCountInString(a.versions); n <= wideVersions {
				versions = max(versions, n)
			}
		}
		for _, a := range img.Aliases {
			if utf8.RuneCountInString(a.Tag) > report.WideTag {
				b.WriteString("  " + a.Tag + "\n")
				a.Tag = ""
			}
			if utf8.RuneCountInString(a.versions) > wideVersions {
				fmt.Fprintf(&b, "  %-*s  %s\n", tags, a.Tag, a.versions)
				a.Tag, a.versions = "", ""
			}
			fmt.Fprintf(&b, "  %-*s  %-*s  %s\n", tags, a.Tag, versions, a.versions, a.says())
		}
		if len(img.Former) > 0 {
			b.WriteString("  former aliases:\n")
		}
		tags = 0
		for _, f := range img.Former {
			tags = max(tags, utf8.RuneCountInString(f.Tag))
		}
		for _, f := range img.Former {
			fmt.Fprintf(&b, "    %-*s  %s\n", tags, f.Tag, f.says())
		}
		for _, problem := range img.Problems {
			fmt.Fprintf(&b, "  ! %s\n", problem)
		}
	}
	if len(s.images) > 0 {
		b.WriteByte('\n')
	}
	b.WriteString(s.summary() + "\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// says is what an alias is, in words.
func (a statusAlias) says() string {
	text := a.State
	switch a.State {
	case stateInSync:
		text = "in sync"
	case stateMoves:
		text = "moves to " + a.Next
		if a.Digest == "" {
			text = "missing, gets " + a.Next
		}
	case stateGoes:
		text = "goes: " + a.Next
	case stateBlocked, stateUnknown, stateLeft:
		text = strings.ReplaceAll(text, "-", " ") + ": " + strings.Join(a.Problems, "; ")
	}
	if a.Mixed {
		text = "mixed, " + text
	}
	return text
}

// says is how it is known that a tag was an alias, in words.
func (f statusFormer) says() string {
	switch {
	case f.Next != "":
		return "goes: " + f.Next
	case f.MadeFor == "":
		return "was an alias, by the journal"
	case f.MadeFor == f.Tag:
		return "was an alias, by tagline's mark"
	}
	return "may have followed " + f.MadeFor + ", for which its index was made"
}

func (s *Status) summary() string {
	states, aliases, mixed, former := map[string]int{}, 0, 0, 0
	for _, img := range s.images {
		former += len(img.Former)
		for _, a := range img.Aliases {
			aliases++
			states[a.State]++
			if a.Mixed {
				mixed++
			}
		}
	}
	var parts []string
	add := func(n int, what string) {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, what))
		}
	}
	add(states[stateInSync], "in sync")
	add(states[stateLeft], "left alone")
	add(states[stateMoves]+states[stateGoes], "would change")
	add(states[stateMissing], "missing")
	add(states[stateBlocked], "blocked")
	add(states[stateUnknown], "unknown")
	add(mixed, "mixed")
	text := report.Count(len(s.images), "image") + ", " + report.Count(aliases, "alias")
	if len(parts) > 0 {
		text += ": " + strings.Join(parts, ", ")
	}
	if former > 0 {
		text += "; " + report.Count(former, "former alias")
	}
	return text + "."
}
