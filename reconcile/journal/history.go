package journal

import (
	"cmp"
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

// Log is all that journals have of one repository. Several tags have histories in it.
type Log struct {
	moves    []Move           // oldest first
	tags     map[string][]int // moves of each tag
	made     map[string][]int // moves to each digest
	replaced map[string][]int // moves from each digest
}

// NewLog returns the log of moves, oldest first.
func NewLog(moves []Move) *Log {
	l := &Log{moves: moves, tags: map[string][]int{}, made: map[string][]int{}, replaced: map[string][]int{}}
	for i, m := range moves {
		l.tags[m.Tag] = append(l.tags[m.Tag], i)
		l.made[m.New] = append(l.made[m.New], i)
		l.replaced[m.Old] = append(l.replaced[m.Old], i)
	}
	return l
}

// History works out what a tag named. What an unrecorded move began is a state of its
// own: nothing tells when the one before it ended.
func (l *Log) History(repository config.Repository, tag string) History {
	h := History{Repository: repository, Tag: tag}
	for _, i := range l.tags[tag] {
		m := l.moves[i]
		last := len(h.States) - 1
		if last < 0 || h.States[last].Digest != m.Old {
			gap := State{Digest: m.Old, Images: l.images(m.Old, tag)}
			if last >= 0 {
				h.States[last].To = m.Time
				gap.From, gap.Gap = h.States[last].From, true
			}
			h.States = append(h.States, gap)
			last++
		}
		h.States[last].To = m.Time
		h.States = append(h.States, State{From: m.Time, Digest: m.New, Images: l.images(m.New, tag), Began: &m})
	}
	return h
}

// During returns the states that a tag had between two times.
func (h History) During(from, to time.Time) History {
	h.States = slices.DeleteFunc(slices.Clone(h.States), func(s State) bool { return !s.during(from, to) })
	return h
}

// images returns which images a digest has, as far as the moves tell. Of several moves
// to it the last one counts that tells most: a push of this tag, a push of another one,
// or what restore put back. If there is none, it is one that replaced the digest.
func (l *Log) images(digest, tag string) []Platform {
	if digest == "" {
		return nil
	}
	var best []Platform
	rank := 0
	for _, i := range l.made[digest] {
		m, tells := l.moves[i], 1
		switch {
		case m.Action == Pushed && m.Tag == tag:
			tells = 3
		case m.Action == Pushed:
			tells = 2
		}
		if now := m.images(); tells >= rank && len(now) > 0 {
			best, rank = now, tells
		}
	}
	for _, i := range l.replaced[digest] {
		if len(best) == 0 {
			best = l.moves[i].oldImages()
		}
	}
	return best
}

// images returns what a move brought.
func (m Move) images() []Platform {
	var all []Platform
	for _, p := range m.Platforms {
		if p.Digest != "" {
			p.OldSource, p.OldDigest = "", ""
			all = append(all, p)
		}
	}
	return all
}

// oldImages returns what a move replaced.
func (m Move) oldImages() []Platform {
	var all []Platform
	for _, p := range m.Platforms {
		if p.OldDigest != "" {
			all = append(all, Platform{Platform: p.Platform, Source: p.OldSource, Digest: p.OldDigest})
		}
	}
	slices.SortStableFunc(all, func(a, b Platform) int {
		p, _ := config.ParsePlatform(a.Platform) // one with more in parentheses is the last
		q, _ := config.ParsePlatform(b.Platform)
		return p.Compare(q)
	})
	return all
}

// Sources returns what images.yaml needs for the tag to have the same images again:
// byVersion as long as those tags name what they did. Either is "" if it is not known.
// The index may be another one, without attestations: the digest of the state alone
// gives its bytes. byDigest names images, since their indexes may be gone.
func (h History) Sources(s State) (byVersion, byDigest string) {
	if s.Digest == "" {
		return "absent", ""
	}
	if len(s.Images) == 0 {
		return "", s.Digest
	}
	var versions, digests []string
	known, first := true, s.Images[0]
	whole := "" // the source whose bytes it has
	if !slices.ContainsFunc(s.Images, func(p Platform) bool { return p.SourceDigest != s.Digest || p.Version() != first.Version() }) {
		whole = h.scalar(first.Version())
	}
	for _, image := range s.Images {
		platform, err := config.ParsePlatform(image.Platform)
		if err != nil {
			return whole, s.Digest
		}
		name := config.Scalar(platform.Short())
		version := h.scalar(image.Version())
		known = known && version != ""
		versions, digests = append(versions, name+": "+version), append(digests, name+": "+image.Digest)
	}
	byDigest = "{" + strings.Join(digests, ", ") + "}"
	if known {
		byVersion = "{" + strings.Join(versions, ", ") + "}"
	}
	if first.Digest == s.Digest { // a plain image
		byDigest = s.Digest
	}
	return cmp.Or(whole, byVersion), byDigest
}

// plausible is what may be a source; its beginning may be the address of a registry.
var plausible = regexp.MustCompile(`^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_])[A-Za-z0-9_./@:+-]*$`)

// scalar returns a source as images.yaml writes it, "" if it can't be one.
func (h History) scalar(source string) string {
	if source == h.Tag || source == "absent" || !plausible.MatchString(source) {
		return ""
	}
	return config.Scalar(source)
}
