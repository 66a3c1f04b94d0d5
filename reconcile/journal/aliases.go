package journal

import (
	"slices"
	"time"

	"tagline/config"
	"tagline/reconcile"
)

// Aliases returns the wanted tags that a run has pushed as aliases, with what they
// named after their last move, by [config.Repository.Place] and the latest first. A tag
// whose last move deleted it is left out, and so is one that a purge alone has
// rewritten. wanted gets the place of a repository. Lines that can't be read tell
// nothing. What is kept of a tag takes less memory than its line takes in the file.
func Aliases(files []string, wanted func(place config.Repository, tag string) bool) (map[config.Repository][]reconcile.TagDigest, error) {
	type last struct {
		time  time.Time
		names string
		alias bool // in some move up to now
	}
	known := map[config.Repository]map[string]*last{}
	for _, file := range files {
		_, err := readFile(file, func(m Move) {
			place := m.Repository.Place()
			l := known[place][m.Tag]
			if l == nil {
				if !wanted(place, m.Tag) {
					return
				}
				if known[place] == nil {
					known[place] = map[string]*last{}
				}
				l = &last{}
				known[place][m.Tag] = l
			}
			if !m.Time.Before(l.time) {
				l.time, l.names = m.Time, m.New
			}
			l.alias = l.alias || m.Action == Pushed && slices.ContainsFunc(m.Platforms, func(p Platform) bool { return p.Source != "" })
		})
		if err != nil {
			return nil, failure(file, err)
		}
	}
	type moved struct {
		reconcile.TagDigest
		time time.Time
	}
	aliases := map[config.Repository][]reconcile.TagDigest{}
	for place, moves := range known {
		var tags []moved
		for tag, l := range moves {
			if l.alias && l.names != "" {
				tags = append(tags, moved{reconcile.TagDigest{Tag: tag, Digest: l.names}, l.time})
			}
		}
		slices.SortFunc(tags, func(a, b moved) int {
			if c := b.time.Compare(a.time); c != 0 {
				return c
			}
			return config.CompareTags(a.Tag, b.Tag)
		})
		for _, t := range tags {
			aliases[place] = append(aliases[place], t.TagDigest)
		}
	}
	return aliases, nil
}
