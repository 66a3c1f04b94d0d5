package main

import (
	"os"
	"time"

	"tagline/reconcile/cache"
	"tagline/reconcile/kinds"
	"tagline/reconcile/report"
)

// metered is what the metrics of a run are taken from.
type metered struct {
	started time.Time
	client  *kinds.Client // nil if the run ended before it had one
	cache   *cache.Cache
	joined  *report.Costs // of all parts of a run that is joined, nil for any other
	did     report.Actions
}

// costs are what the run has taken so far, or what the parts of a joined run took.
func (m *metered) costs() report.Costs {
	if m.joined != nil {
		return *m.joined
	}
	c := report.Costs{Started: m.started, Ended: time.Now()}
	if m.client != nil {
		stats, kept := m.client.Stats(), m.cache.Stats()
		c.BytesSent, c.BytesReceived, c.Retries = stats.BytesSent, stats.BytesReceived, stats.Retries
		c.CacheHits, c.CacheMisses = kept.Hits, kept.Misses
		for kind, n := range m.client.Counts() {
			c.Requests = append(c.Requests, report.Requests{Method: kind.Method, Kind: kind.Kind, Status: kind.Status, Count: n})
		}
	}
	return c
}

// metrics returns the metrics of a finished run. A failed run keeps the time of
// the last success from the file that it replaces; path is "" for none.
func (m *metered) metrics(path string) func(report.Run) []byte {
	return func(run report.Run) []byte {
		all := report.Metrics{Costs: m.costs(), Actions: m.did}
		all.LastSuccess = all.Ended
		if all.Failed = run.ExitCode == exitFailed; all.Failed {
			before, _ := os.ReadFile(path) // if there is one
			all.LastSuccess = report.LastSuccess(string(before))
		}
		return all.Text()
	}
}
