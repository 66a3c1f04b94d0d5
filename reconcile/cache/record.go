package cache

import (
	"maps"
	"slices"
	"time"

	"tagline/reconcile/registry"
)

// What runs note of a repository for later ones.

// record returns a copy of the record in a book, without a nil map.
func (b book) record() registry.Record {
	r := registry.Record{Waiting: map[string]time.Time{}, Leaving: map[string]bool{}, Versions: map[string]string{}}
	maps.Copy(r.Waiting, b.Waiting)
	maps.Copy(r.Versions, b.Versions)
	for _, digest := range b.Leaving {
		r.Leaving[digest] = true
	}
	return r
}

func (b *book) setRecord(r registry.Record) {
	b.Waiting, b.Leaving, b.Versions = r.Waiting, slices.Sorted(maps.Keys(r.Leaving)), r.Versions
}

// record returns what was noted, in this run or an earlier one.
func (s *shelf) record() registry.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.load()
	return copied(s.noted)
}

// note changes what record returns.
func (s *shelf) note(change func(registry.Record)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.load()
	change(s.noted)
	s.changed = s.changed || !same(s.noted, s.was)
}

func copied(r registry.Record) registry.Record {
	return registry.Record{Waiting: maps.Clone(r.Waiting), Leaving: maps.Clone(r.Leaving), Versions: maps.Clone(r.Versions)}
}

func same(a, b registry.Record) bool {
	return maps.EqualFunc(a.Waiting, b.Waiting, time.Time.Equal) && maps.Equal(a.Leaving, b.Leaving) && maps.Equal(a.Versions, b.Versions)
}
