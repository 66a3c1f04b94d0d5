package catalogue

import (
	"encoding/hex"
	"strings"

	"tagline/reconcile"
	"tagline/reconcile/journal"
)

// row adds the data of an alias.
func (p *Page) row(carried reconcile.Carried, sources []string, h journal.History, messages []message) {
	first := -1
	platforms := []string{}
	if carried.Digest != "" {
		first = p.digest(carried.Digest)
		for _, image := range carried.Images {
			platforms = append(platforms, clean(image.Platform))
			p.digest(image.Digest)
		}
	}
	row := []any{p.set(platforms), oneOrAll(sources), first, p.history(h), messages}
	for len(row) > 3 && (row[len(row)-1] == nil || isEmpty(row[len(row)-1])) {
		row = row[:len(row)-1]
	}
	p.rows = append(p.rows, row)
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
func (p *Page) history(h journal.History) [][]any {
	var all [][]any
	for i := len(h.States) - 1; i > 0 && len(all) < p.states; i-- {
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
			at = p.digest(before.Digest)
		}
		state := []any{m.Time.Unix() / 60, p.doer(m.By), did, old, at}
		if before.Gap {
			state = append(state, 1)
		}
		all = append(all, state)
	}
	return all
}

// digest adds a digest, and returns its place.
func (p *Page) digest(digest string) int {
	sum := make([]byte, 32)
	if _, err := hex.Decode(sum, []byte(strings.TrimPrefix(digest, "sha256:"))); err != nil {
		return -1
	}
	p.digests = append(p.digests, sum...)
	return len(p.digests)/32 - 1
}

func (p *Page) set(platforms []string) int {
	key := strings.Join(platforms, "\n")
	i, known := p.setIndex[key]
	if !known {
		i = len(p.sets)
		p.sets, p.setIndex[key] = append(p.sets, platforms), i
	}
	return i
}

// doer adds who moved an alias, and returns its place. The page may be public, so it does
// not name users.
func (p *Page) doer(by journal.By) int {
	key := [2]string{clean(by.URL), clean(by.Commit)}
	if by.URL == "" {
		key[0] = "hand"
	}
	i, known := p.byIndex[key]
	if !known {
		i = len(p.by)
		p.by, p.byIndex[key] = append(p.by, key), i
	}
	return i
}
