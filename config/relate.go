package config

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"tagline/config/findings"
)

// known is an image as far as other images must know it.
type known struct {
	Listed
	place    Repository
	absent   []string   // the alias tags that should not exist
	mentions []mentions // of other repositories; nil if the image is kept
	image    *Image     // nil if the image is not kept
}

// know notes what others must know of an image, and keeps the image if the caller
// asks for it.
func (w *walk) know(image Image) known {
	k := known{Listed: Listed{Name: image.Name, Repository: image.Repository, Aliases: len(image.Aliases), Pos: image.Pos}, place: w.places.of(image.Repository)}
	w.hosts[image.Repository.Host] = true
	for _, alias := range image.Aliases {
		w.onHosts(alias)
		if alias.Absent {
			k.absent = append(k.absent, alias.Tag)
		}
	}
	if w.keep == nil || w.keep(image) {
		k.image = &image
		return k
	}
	k.mentions = mentionsOf(&image, false)
	return k
}

// mentions are sources of an image in one repository. A million of them must fit
// into memory together, so they are not held as [Source].
type mentions struct {
	group
	list []byte // see add and all
}

// group is what mentions have in common.
type group struct {
	of     Repository
	before string // what the text of each has before its tag or digest
	whole  bool   // before is the text of each
	file   string // where they stand
	shared bool   // their aliases are of a profile
}

// mentionsOf returns the sources that name a tag or a digest: of all repositories,
// or of others than the image's own.
func mentionsOf(image *Image, own bool) []mentions {
	var groups []mentions
	index := map[group]int{}
	for _, alias := range image.Aliases {
		for _, s := range alias.Sources {
			if s.Newest != nil || !own && s.Repository == image.Repository {
				continue
			}
			before, ends := strings.CutSuffix(s.Text, s.Reference())
			in := group{s.Repository, before, !ends, s.Pos.File, alias.Profile != ""}
			i, known := index[in]
			if !known {
				i = len(groups)
				index[in], groups = i, append(groups, mentions{group: in})
			}
			groups[i].add(alias.Tag, s)
		}
	}
	for i := range groups {
		groups[i].list = slices.Clip(groups[i].list)
	}
	return groups
}

func (m *mentions) add(alias string, s Source) {
	for _, text := range []string{alias, s.Reference()} {
		m.list = binary.AppendUvarint(m.list, uint64(len(text)))
		m.list = append(m.list, text...)
	}
	m.list = binary.AppendUvarint(m.list, uint64(s.Pos.Line))
	m.list = binary.AppendUvarint(m.list, uint64(s.Pos.Column))
}

// mention is a source that an alias names.
type mention struct {
	alias, text, reference string
	line, column           int
}

func (m *mentions) all(yield func(mention) bool) {
	rest := m.list
	number := func() int {
		n, size := binary.Uvarint(rest)
		rest = rest[size:]
		return int(n)
	}
	text := func() string {
		n := number()
		defer func() { rest = rest[n:] }()
		return string(rest[:n])
	}
	for len(rest) > 0 {
		one := mention{alias: text(), reference: text(), line: number(), column: number()}
		if one.text = m.before; !m.whole {
			one.text += one.reference
		}
		if !yield(one) {
			return
		}
	}
}

func (p places) of(r Repository) Repository {
	host, ok := p[r.Host]
	if !ok {
		host = Repository{Host: r.Host}.Place().Host
		p[r.Host] = host
	}
	return Repository{Host: host, Path: r.Path}
}

// relations are what images have to do with each other, by place.
type relations struct {
	*walk
	first  map[Repository]*known
	absent map[Repository]map[string]string // the image by tag
	pinned map[Repository][]string
	used   map[Repository]map[string]string
}

// relate notes in each image that is kept which of its tags and digests are
// sources of any image. It reports repositories that are images twice, and sources
// that another image sets to absent. The images are in the order of their files; it
// sorts them by repository.
func (w *walk) relate(all []*known) {
	r := relations{w, make(map[Repository]*known, len(all)), map[Repository]map[string]string{}, map[Repository][]string{}, map[Repository]map[string]string{}}
	for _, k := range all {
		r.enter(k)
	}
	slices.SortStableFunc(all, func(a, b *known) int { return a.Repository.Compare(b.Repository) })
	for _, k := range all {
		groups := k.mentions
		if k.image != nil {
			groups = mentionsOf(k.image, true)
		}
		for _, m := range groups {
			r.mentioned(k, m)
		}
	}
	for _, k := range all {
		if k.image != nil {
			digests := r.pinned[k.place]
			slices.Sort(digests)
			k.image.Pinned, k.image.Used = slices.Compact(digests), r.used[k.place]
		}
	}
}

// enter notes where an image is, and which of its aliases should not exist.
func (r *relations) enter(k *known) {
	if before := r.first[k.place]; before == nil {
		r.first[k.place] = k
	} else {
		where := fmt.Sprintf("line %d", before.Pos.Line)
		if before.Pos.File != k.Pos.File {
			where = before.Pos.String()
		}
		r.reportAt(k.Pos, findings.DuplicateRepository, "repository %s is the same as %s in %s (%s); put their aliases together", quote(k.Name), quote(before.Name), where, k.Repository)
	}
	for _, tag := range k.absent {
		if r.absent[k.place] == nil {
			r.absent[k.place] = map[string]string{}
		}
		r.absent[k.place][tag] = k.Name
	}
}

// mentioned notes sources of an image for the image that they are of.
func (r *relations) mentioned(k *known, group mentions) {
	at := r.places.of(group.of)
	absent, kept := r.absent[at], r.first[at] != nil && r.first[at].image != nil
	if group.of == k.Repository { // see link
		absent = nil
	}
	if len(absent) == 0 && !kept {
		return
	}
	alias, by := "", "" // who mentions it: one text for an alias of many sources
	for m := range group.all {
		if of := absent[m.reference]; of != "" {
			f := &Finding{ID: findings.AbsentSource, Alias: m.alias, Pos: Pos{group.file, m.line, m.column},
				Message: fmt.Sprintf("source %q is an alias of image %q that should be absent; name a tag that stays", m.text, of)}
			if group.shared {
				r.repeats.add(*f, k.Name, k.Pos)
			} else {
				r.findings.add(f)
			}
		}
		switch {
		case !kept:
		case IsDigest(m.reference):
			r.pinned[at] = append(r.pinned[at], m.reference)
		case r.used[at][m.reference] == "":
			if r.used[at] == nil {
				r.used[at] = map[string]string{}
			}
			if by == "" || alias != m.alias {
				alias, by = m.alias, fmt.Sprintf("alias %q of %s", m.alias, k.Name)
			}
			r.used[at][m.reference] = by
		}
	}
}
