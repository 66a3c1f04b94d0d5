package journal

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"tagline/config"
)

// State is what a tag named for a while.
type State struct {
	From   time.Time // zero if it is not known; with a Gap, the earliest that it can be
	To     time.Time // when it was known to end; zero for the present
	Digest string    // "" if there was no such tag
	Images []Platform
	Began  *Move // what began it, nil if that is not in the journal
	Gap    bool  // what began it is between two moves of the journal, and is in none
}

// during reports whether a state may have held at some moment from one time up to
// another.
func (s State) during(from, to time.Time) bool {
	return (s.To.IsZero() || s.To.After(from)) && !s.From.After(to)
}

// History is what one tag named, oldest first.
type History struct {
	Repository config.Repository
	Tag        string
	States     []State
}

// Of works out the history of a tag from the moves of its repository, oldest first.
// What an unrecorded move began is a state of its own: nothing tells when the one
// before it ended.
func Of(repository config.Repository, tag string, moves []Move) History {
	h := History{Repository: repository, Tag: tag}
	known := images(moves, tag)
	for _, m := range moves {
		if m.Tag != tag {
			continue
		}
		last := len(h.States) - 1
		if last < 0 || h.States[last].Digest != m.Old {
			gap := State{Digest: m.Old, Images: known[m.Old]}
			if last >= 0 {
				h.States[last].To = m.Time
				gap.From, gap.Gap = h.States[last].From, true
			}
			h.States = append(h.States, gap)
			last++
		}
		h.States[last].To = m.Time
		h.States = append(h.States, State{From: m.Time, Digest: m.New, Images: known[m.New], Began: &m})
	}
	return h
}

// During returns the states that a tag had between two times.
func (h History) During(from, to time.Time) History {
	h.States = slices.DeleteFunc(slices.Clone(h.States), func(s State) bool { return !s.during(from, to) })
	return h
}

// images returns which images each digest has, as far as the moves tell. Of several
// moves the last one counts that tells most: a push of the tag, a push of another one,
// or what restore put back. If there is none, it is the one that replaced the digest.
func images(moves []Move, tag string) map[string][]Platform {
	known, ranks := map[string][]Platform{}, map[string]int{}
	for _, m := range moves {
		rank := 1
		switch {
		case m.Action == Pushed && m.Tag == tag:
			rank = 3
		case m.Action == Pushed:
			rank = 2
		}
		if rank < ranks[m.New] {
			continue
		}
		var now []Platform
		for _, p := range m.Platforms {
			if p.Digest != "" {
				p.OldSource, p.OldDigest = "", ""
				now = append(now, p)
			}
		}
		if len(now) > 0 {
			known[m.New], ranks[m.New] = now, rank
		}
	}
	for _, m := range moves {
		if m.Old == "" || known[m.Old] != nil {
			continue
		}
		for _, p := range m.Platforms {
			if p.OldDigest != "" {
				known[m.Old] = append(known[m.Old], Platform{Platform: p.Platform, Source: p.OldSource, Digest: p.OldDigest})
			}
		}
	}
	for _, of := range known {
		slices.SortStableFunc(of, func(a, b Platform) int {
			p, _ := config.ParsePlatform(a.Platform) // one with more in parentheses is the last
			q, _ := config.ParsePlatform(b.Platform)
			return p.Compare(q)
		})
	}
	return known
}

// Sources returns what images.yaml needs for the tag to name this again. byVersion
// gives the same digest as long as those tags name what they did, byDigest the same
// images. Either is "" if it is not known.
func (h History) Sources(s State) (byVersion, byDigest string) {
	if s.Digest == "" {
		return "absent", ""
	}
	if len(s.Images) == 0 {
		return "", s.Digest
	}
	first := s.Images[0]
	if !slices.ContainsFunc(s.Images, func(p Platform) bool { return p.SourceDigest != s.Digest || p.Version() != first.Version() }) {
		return h.scalar(first.Version()), s.Digest // it has the bytes of its source
	}
	var versions, digests []string
	known := true
	for _, image := range s.Images {
		platform, err := config.ParsePlatform(image.Platform)
		if err != nil {
			return "", s.Digest
		}
		name := strings.TrimPrefix(platform.String(), "linux/")
		version := h.scalar(image.Version())
		known = known && version != ""
		pinned := image.Digest
		if image.SourceDigest != "" && !strings.ContainsAny(image.Version(), ":/@") { // in this repository, with its attestations
			pinned = image.SourceDigest
		}
		versions, digests = append(versions, name+": "+version), append(digests, name+": "+pinned)
	}
	byDigest = "{" + strings.Join(digests, ", ") + "}"
	if known {
		byVersion = "{" + strings.Join(versions, ", ") + "}"
	}
	return byVersion, byDigest
}

var (
	// plain is text that YAML reads as one word.
	plain = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_./@:+-]*$`)
	// addressed is a source on a registry with an IPv6 address, which YAML takes for a list.
	addressed = regexp.MustCompile(`^\[[0-9A-Fa-f:.]+\][A-Za-z0-9_./@:+-]*$`)
)

// scalar returns a source as images.yaml writes it, "" if it can't be one.
func (h History) scalar(source string) string {
	switch {
	case source == h.Tag, source == "absent":
		return ""
	case addressed.MatchString(source), strings.EqualFold(source, "null"):
		return `"` + source + `"`
	case plain.MatchString(source):
		return source
	}
	return ""
}
