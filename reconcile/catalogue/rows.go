package catalogue

import (
	"encoding/base64"
	"encoding/hex"
	"strings"

	"tagline/reconcile"
	"tagline/reconcile/journal"
)

// message is a sentence about an alias: whether something is wrong, and the text.
type message [2]any

// rows are what the script has of the aliases. Digests, sets of platforms and those who
// moved an alias are in lists of their own, which rows name by place.
type rows struct {
	states   int // the most of the history of one alias
	digests  []byte
	sets     [][]string
	setIndex map[string]int
	by       [][2]string
	byIndex  map[[2]string]int
	all      [][]any
}

func newRows(states int) rows {
	return rows{states: states, setIndex: map[string]int{}, byIndex: map[[2]string]int{}, sets: [][]string{}, by: [][2]string{}, all: [][]any{}}
}

// data returns the rows as the page has them.
func (r *rows) data() data {
	return data{Digests: base64.StdEncoding.EncodeToString(r.digests), Platforms: r.sets, By: r.by, Aliases: r.all}
}

// add adds the data of an alias.
func (r *rows) add(carried reconcile.Carried, sources []string, h journal.History, messages []message) {
	first := -1
	platforms := []string{}
	if carried.Digest != "" {
		first = r.digest(carried.Digest)
		for _, image := range carried.Images {
			platforms = append(platforms, clean(image.Platform))
			r.digest(image.Digest)
		}
	}
	row := []any{r.set(platforms), oneOrAll(sources), first, r.history(h), messages}
	for len(row) > 3 && (row[len(row)-1] == nil || isEmpty(row[len(row)-1])) {
		row = row[:len(row)-1]
	}
	r.all = append(r.all, row)
}

func isEmpty(list any) bool {
	switch list := list.(type) {
	case [][]any:
		return len(list) == 0
	case []message:
		return len(list) == 0
	}
	return false
}

// oneOrAll is one text if all are the same, else a list.
func oneOrAll(sources []string) any {
	if one, same := only(sources); same {
		return one
	}
	return sources
}

// What a move did, as page.js has it.
const (
	didMove = iota
	didMake
	didDelete
	didRestore
)

// history returns the last moves of an alias, newest first, each with what it replaced,
// and with a 1 at the end if a move that is in no journal had brought that.
func (r *rows) history(h journal.History) [][]any {
	var all [][]any
	for i := len(h.States) - 1; i > 0 && len(all) < r.states; i-- {
		m := h.States[i].Began
		if m == nil {
			continue
		}
		before := h.States[i-1]
		did, old, at := didMove, any(nil), -1
		switch {
		case m.Action == journal.Deleted:
			did = didDelete
		case m.Action == journal.Restored:
			did = didRestore
		case before.Digest == "":
			did = didMake
		}
		if before.Digest != "" {
			var platforms, versions []string
			for _, image := range before.Images {
				platforms, versions = append(platforms, clean(image.Platform)), append(versions, clean(image.Version()))
			}
			old = inWords(platforms, versions)
			at = r.digest(before.Digest)
		}
		state := []any{m.Time.Unix() / 60, r.doer(m.By), did, old, at}
		if before.Gap {
			state = append(state, 1)
		}
		all = append(all, state)
	}
	return all
}

// digest adds a digest, and returns its place.
func (r *rows) digest(digest string) int {
	sum := make([]byte, 32)
	if _, err := hex.Decode(sum, []byte(strings.TrimPrefix(digest, "sha256:"))); err != nil {
		return -1
	}
	r.digests = append(r.digests, sum...)
	return len(r.digests)/32 - 1
}

// set adds a set of platforms, and returns its place.
func (r *rows) set(platforms []string) int {
	key := strings.Join(platforms, "\n")
	i, known := r.setIndex[key]
	if !known {
		i = len(r.sets)
		r.sets, r.setIndex[key] = append(r.sets, platforms), i
	}
	return i
}

// doer adds who moved an alias, and returns its place. The page may be public, so it does
// not name users.
func (r *rows) doer(by journal.By) int {
	key := [2]string{clean(by.URL), clean(by.Commit)}
	if by.URL == "" {
		key[0] = "hand"
	}
	i, known := r.byIndex[key]
	if !known {
		i = len(r.by)
		r.by, r.byIndex[key] = append(r.by, key), i
	}
	return i
}
