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
}

// meter sets what the metrics are taken from.
func (o *outputs) meter(client *kinds.Client, store *cache.Cache) {
	o.metered.client, o.metered.cache = client, store
}

// costs are what the run has taken so far, or what the parts of a joined run took.
func (o *outputs) costs() report.Costs {
	if o.metered.joined != nil {
		return *o.metered.joined
	}
	c := report.Costs{Started: o.metered.started, Ended: time.Now()}
	if client := o.metered.client; client != nil {
		stats, kept := client.Stats(), o.metered.cache.Stats()
		c.BytesSent, c.BytesReceived, c.Retries = stats.BytesSent, stats.BytesReceived, stats.Retries
		c.CacheHits, c.CacheMisses = kept.Hits, kept.Misses
		for kind, n := range client.Counts() {
			c.Requests = append(c.Requests, report.Requests{Method: kind.Method, Kind: kind.Kind, Status: kind.Status, Count: n})
		}
	}
	return c
}

// metrics returns the metrics of a finished run. A failed run keeps the time of
// the last success from the file that it replaces; path is "" for none.
func (o *outputs) metrics(path string) func(report.Run) []byte {
	return func(run report.Run) []byte {
		m := report.Metrics{Costs: o.costs(), Actions: o.did}
		m.LastSuccess = m.Ended
		if m.Failed = run.ExitCode == exitFailed; m.Failed {
			before, _ := os.ReadFile(path) // if there is one
			m.LastSuccess = report.LastSuccess(string(before))
		}
		return m.Text()
	}
}
