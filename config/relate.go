package config

import (
	"fmt"
	"iter"
	"slices"

	"tagline/config/findings"
)

// known is an image as far as other images must know it.
type known struct {
	Listed
	place    Repository
	absent   []string  // the alias tags that should not exist
	mentions []mention // of other repositories; nil if the image is kept
	image    *Image    // nil if the image is not kept
}

// mention is a source that an alias names, without what only the alias needs.
type mention struct {
	alias, text  string
	of           Repository
	reference    string // the tag or the digest
	digest       bool
	shared       bool   // the alias is one of a profile
	file         string // of the source
	line, column int32
}

// know notes what others must know of an image, and keeps the image if the caller
// asks for it.
func (w *walk) know(image Image) known {
	k := known{Listed: Listed{Name: image.Name, Repository: image.Repository, Aliases: len(image.Aliases), Pos: image.Pos}, place: w.places.of(image.Repository)}
	for _, alias := range image.Aliases {
		if alias.Absent {
			k.absent = append(k.absent, alias.Tag)
		}
	}
	if w.keep == nil || w.keep(image) {
		k.image = &image
		return k
	}
	for m := range mentions(&image) {
		if m.of != image.Repository {
			k.mentions = append(k.mentions, m)
		}
	}
	k.mentions = slices.Clip(k.mentions)
	return k
}

// mentions ranges over the sources of an image that name a tag or a digest.
func mentions(image *Image) iter.Seq[mention] {
	return func(yield func(mention) bool) {
		for _, alias := range image.Aliases {
			for _, s := range alias.Sources {
				if s.Newest == nil && !yield(mention{alias.Tag, s.Text, s.Repository, s.Reference(), s.Digest != "", alias.Profile != "", s.Pos.File, int32(s.Pos.Line), int32(s.Pos.Column)}) {
					return
				}
			}
		}
	}
}

// places are the hosts of [Repository.Place] by the hosts of repositories: many
// repositories have few hosts.
type places map[string]string

func (p places) of(r Repository) Repository {
	host, ok := p[r.Host]
	if !ok {
		host = Repository{Host: r.Host}.Place().Host
		p[r.Host] = host
	}
	return Repository{Host: host, Path: r.Path}
}

// relate notes in each image that is kept which of its tags and digests are
// sources of any image. It reports repositories that are images twice, and sources
// that another image sets to absent. The images are in the order of their files; it
// sorts them by repository.
func (w *walk) relate(all []*known) {
	first := make(map[Repository]*known, len(all))
	absent := map[Repository]map[string]string{} // the image by tag
	for _, k := range all {
		if before := first[k.place]; before == nil {
			first[k.place] = k
		} else {
			where := "in line " + fmt.Sprint(before.Pos.Line)
			if before.Pos.File != k.Pos.File {
				where = "in " + before.Pos.String()
			}
			w.reportAt(k.Pos, findings.DuplicateRepository, "repository %s is the same as %s %s (%s); put their aliases together", quote(k.Name), quote(before.Name), where, k.Repository)
		}
		for _, tag := range k.absent {
			if absent[k.place] == nil {
				absent[k.place] = map[string]string{}
			}
			absent[k.place][tag] = k.Name
		}
	}
	slices.SortStableFunc(all, func(a, b *known) int { return a.Repository.Compare(b.Repository) })
	pinned, used := map[Repository][]string{}, map[Repository]map[string]string{}
	for _, k := range all {
		from := slices.Values(k.mentions)
		if k.image != nil {
			from = mentions(k.image)
		}
		alias, by := "", "" // who mentions it: one text for an alias of many sources
		for m := range from {
			at := w.places.of(m.of)
			if of := absent[at][m.reference]; of != "" && m.of != k.Repository { // see link
				f := &Finding{ID: findings.AbsentSource, Alias: m.alias, Pos: Pos{m.file, int(m.line), int(m.column)},
					Message: fmt.Sprintf("source %q is an alias of image %q that should be absent; name a tag that stays", m.text, of)}
				if m.shared {
					w.repeats.add(*f, k.Name)
				} else {
					w.findings.add(f)
				}
			}
			switch to := first[at]; {
			case to == nil || to.image == nil:
			case m.digest:
				pinned[at] = append(pinned[at], m.reference)
			case used[at][m.reference] == "":
				if used[at] == nil {
					used[at] = map[string]string{}
				}
				if by == "" || alias != m.alias {
					alias, by = m.alias, fmt.Sprintf("alias %q of %s", m.alias, k.Name)
				}
				used[at][m.reference] = by
			}
		}
	}
	for _, k := range all {
		if k.image != nil {
			digests := pinned[k.place]
			slices.Sort(digests)
			k.image.Pinned, k.image.Used = slices.Compact(digests), used[k.place]
		}
	}
}
