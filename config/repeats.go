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
	at    Pos    // of the first
	count int
}

func (r repeats) add(f Finding, image string, at Pos) { r.addAll(f, repeat{image, at, 1}) }

func (r repeats) addAll(f Finding, more repeat) {
	switch of := r[f]; {
	case of == nil:
		r[f] = &more
	case more.first < of.first:
		*of = repeat{more.first, more.at, of.count + more.count}
	default:
		of.count += more.count
	}
}

// join adds those of another file.
func (r repeats) join(more repeats) {
	for f, of := range more {
		r.addAll(f, *of)
	}
}

// findings ranges over each finding once, with the images that it is about.
func (r repeats) findings() iter.Seq[*Finding] {
	return func(yield func(*Finding) bool) {
		for _, f := range slices.SortedFunc(maps.Keys(r), func(a, b Finding) int { return cmp.Compare(a.Error(), b.Error()) }) {
			of := r[f]
			f.Message += fmt.Sprintf(" (image %s in %s", quote(of.first), of.at)
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
