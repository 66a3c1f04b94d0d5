package config

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"slices"
)

// repeats are findings about a place in a profile, and the images that they
// are about.
type repeats map[Finding]*repeat

type repeat struct {
	first string // of the images, by name
	count int
}

func (r repeats) add(f Finding, image string) {
	if r[f] == nil {
		r[f] = &repeat{first: image}
	}
	r[f].first = min(r[f].first, image)
	r[f].count++
}

// join adds those of another file.
func (r repeats) join(more repeats) {
	for f, of := range more {
		if r[f] == nil {
			r[f] = &repeat{first: of.first}
		}
		r[f].first = min(r[f].first, of.first)
		r[f].count += of.count
	}
}

// findings ranges over each finding once, with the images that it is about.
func (r repeats) findings() iter.Seq[*Finding] {
	return func(yield func(*Finding) bool) {
		for _, f := range slices.SortedFunc(maps.Keys(r), func(a, b Finding) int { return cmp.Compare(a.Error(), b.Error()) }) {
			of := r[f]
			f.Message += fmt.Sprintf(" (image %s", quote(of.first))
			if of.count > 1 {
				f.Message += fmt.Sprintf(" and %d more", of.count-1)
			}
			f.Message += ")"
			if !yield(&f) {
				return
			}
		}
	}
}
