package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"tagline/reconcile/cache"
	"tagline/reconcile/oci"
	"tagline/reconcile/report"
)

func (a *app) metricsFlag(c *cobra.Command) {
	c.Flags().StringVar(&a.metrics, "metrics", "", "write what the run took and did to `FILE`, in the text format of Prometheus")
	_ = c.MarkFlagFilename("metrics", "prom")
}

// metered is a run as its metrics see it.
type metered struct {
	started time.Time
	actions report.Actions
	client  *oci.Client // nil of a run that did not come so far
	cache   *cache.Cache
}

// writeMetrics writes those of a run that has ended with err, if they were
// asked for, and returns what the command should end with.
func (a *app) writeMetrics(of metered, err error) error {
	if a.metrics == "" {
		return err
	}
	now := time.Now()
	m := report.Metrics{Actions: of.actions, Duration: now.Sub(of.started), LastSuccess: now}
	if of.client != nil {
		stats, kept := of.client.Stats(), of.cache.Stats()
		m.BytesSent, m.BytesReceived, m.Retries = stats.BytesSent, stats.BytesReceived, stats.Retries
		m.CacheHits, m.CacheMisses = kept.Hits, kept.Misses
		for kind, n := range of.client.Counts() {
			m.Requests = append(m.Requests, report.Requests{Method: kind.Method, Kind: kind.Kind, Status: kind.Status, Count: n})
		}
	}
	code := exitCode(exitFailed)
	if m.Failed = err != nil && (!errors.As(err, &code) || code == exitFailed); m.Failed {
		before, _ := os.ReadFile(a.metrics) // if there is one
		m.LastSuccess = report.LastSuccess(string(before))
	}
	if failed := replaceFile(a.metrics, m.Text()); failed != nil {
		failed = fmt.Errorf("--metrics: %w", failed)
		if err == nil || errors.As(err, &code) {
			return failed
		}
		return errors.Join(err, failed)
	}
	return err
}

// replaceFile replaces a file in one step, so that nobody reads half of it. The
// collector of node_exporter runs as another user, so anybody may read it.
func replaceFile(path string, content []byte) error {
	temporary, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	_, err = temporary.Write(content)
	if err = errors.Join(err, temporary.Chmod(0o644), temporary.Close()); err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	if err != nil {
		_ = os.Remove(temporary.Name())
	}
	return err
}
