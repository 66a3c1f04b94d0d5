package report

import (
	"cmp"
	"slices"
	"time"
)

// Shard says which part of a run a report is about, and what the part has cost. A
// report of a whole run has none.
type Shard struct {
	Index, Count int
	Limited      bool // see [TextOptions]
	Costs
}

// Costs are what a run took.
type Costs struct {
	Requests       []Requests
	BytesSent      int64 // of blobs, for copies
	BytesReceived  int64
	Retries        int64
	CacheHits      int64 // manifests and platforms found in the cache
	CacheMisses    int64
	Started, Ended time.Time
}

// Add adds the costs of another part of the same run. It began with the first part
// and ended with the last.
func (c *Costs) Add(o Costs) {
	counts := map[Requests]int64{}
	for _, r := range slices.Concat(c.Requests, o.Requests) {
		kind := r
		kind.Count = 0
		counts[kind] += r.Count
	}
	c.Requests = nil
	for kind, n := range counts {
		kind.Count = n
		c.Requests = append(c.Requests, kind)
	}
	slices.SortFunc(c.Requests, Requests.Compare)
	c.BytesSent += o.BytesSent
	c.BytesReceived += o.BytesReceived
	c.Retries += o.Retries
	c.CacheHits += o.CacheHits
	c.CacheMisses += o.CacheMisses
	if c.Started.IsZero() || o.Started.Before(c.Started) {
		c.Started = o.Started
	}
	if o.Ended.After(c.Ended) {
		c.Ended = o.Ended
	}
}

// Requests is the number of requests of one kind and status.
type Requests struct {
	Method string // "HEAD"
	Kind   string // "manifests"
	Status int    // 0: no answer
	Count  int64
}

// Compare sorts by kind, method and status.
func (r Requests) Compare(o Requests) int {
	return cmp.Or(cmp.Compare(r.Kind, o.Kind), cmp.Compare(r.Method, o.Method), cmp.Compare(r.Status, o.Status))
}
