package cache

import (
	"cmp"
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

// merged joins what two runs made of a record: an entry is as the run left it that
// changed it, and of an entry that both changed the later value stands. So nothing
// that waits is forgotten early.
func merged(was, ours, theirs registry.Record) registry.Record {
	return registry.Record{
		Waiting:  merge(was.Waiting, ours.Waiting, theirs.Waiting, time.Time.Compare),
		Leaving:  merge(was.Leaving, ours.Leaving, theirs.Leaving, func(bool, bool) int { return 0 }),
		Versions: merge(was.Versions, ours.Versions, theirs.Versions, cmp.Compare[string]),
	}
}

func merge[V any](was, ours, theirs map[string]V, compare func(a, b V) int) map[string]V {
	changed := func(all map[string]V, digest string) bool {
		before, had := was[digest]
		now, has := all[digest]
		return had != has || compare(before, now) != 0
	}
	both := maps.Clone(theirs)
	for digest, our := range ours {
		their, is := theirs[digest]
		later := is && changed(theirs, digest) && compare(their, our) > 0
		if changed(ours, digest) && !later {
			both[digest] = our
		}
	}
	for digest := range was {
		if _, has := ours[digest]; !has && !changed(theirs, digest) {
			delete(both, digest)
		}
	}
	return both
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
