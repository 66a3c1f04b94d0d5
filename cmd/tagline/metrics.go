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
}

// meter sets what the metrics are taken from.
func (o *outputs) meter(client *kinds.Client, store *cache.Cache) {
	o.metered.client, o.metered.cache = client, store
}

// metrics returns the metrics of a finished run. A failed run keeps the time of
// the last success from the file that it replaces; path is "" for none.
func (o *outputs) metrics(path string) func(report.Run) []byte {
	return func(run report.Run) []byte {
		now := time.Now()
		m := report.Metrics{Actions: o.did, Duration: now.Sub(o.metered.started), LastSuccess: now}
		if client := o.metered.client; client != nil {
			stats, kept := client.Stats(), o.metered.cache.Stats()
			m.BytesSent, m.BytesReceived, m.Retries = stats.BytesSent, stats.BytesReceived, stats.Retries
			m.CacheHits, m.CacheMisses = kept.Hits, kept.Misses
			for kind, n := range client.Counts() {
				m.Requests = append(m.Requests, report.Requests{Method: kind.Method, Kind: kind.Kind, Status: kind.Status, Count: n})
			}
		}
		if m.Failed = run.ExitCode == exitFailed; m.Failed {
			before, _ := os.ReadFile(path) // if there is one
			m.LastSuccess = report.LastSuccess(string(before))
		}
		return m.Text()
	}
}
