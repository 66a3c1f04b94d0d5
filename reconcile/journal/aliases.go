package journal

import (
	"slices"
	"time"

	"tagline/config"
	"tagline/reconcile"
)

// maxAliases bounds what [Aliases] keeps in memory.
const maxAliases = 1 << 16

// Aliases returns the wanted tags that a run has pushed as aliases, with what they
// named after their last move, by [config.Repository.Place] and the latest first. A tag
// whose last move deleted it is left out, and so is one that a purge alone has
// rewritten. wanted gets the place of a repository. Lines that can't be read tell
// nothing.
func Aliases(files []string, wanted func(place config.Repository, tag string) bool) (map[config.Repository][]reconcile.TagDigest, error) {
	type tag struct {
		place config.Repository
		name  string
	}
	type last struct {
		time  time.Time
		names string
		alias bool // in some move up to now
	}
	known := map[tag]*last{}
	for _, file := range files {
		_, err := readFile(file, func(m Move) {
			of := tag{m.Repository.Place(), m.Tag}
			if known[of] == nil {
				if len(known) >= maxAliases || !wanted(of.place, of.name) {
					return
				}
				known[of] = &last{}
			}
			l := known[of]
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
	all := map[config.Repository][]moved{}
	for of, l := range known {
		if l.alias && l.names != "" {
			all[of.place] = append(all[of.place], moved{reconcile.TagDigest{Tag: of.name, Digest: l.names}, l.time})
		}
	}
	aliases := map[config.Repository][]reconcile.TagDigest{}
	for place, tags := range all {
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
