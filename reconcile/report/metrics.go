package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"tagline/reconcile"
)

// Metrics are the costs and results of a run.
type Metrics struct {
	Costs
	Actions     Actions
	LastSuccess time.Time // the end of the last run without a failure, this one or an earlier one; zero if there is none
	Failed      bool      // this run failed, by its exit code
}

// Actions counts aliases and actions in all repositories.
type Actions struct {
	Pushed, TagsDeleted int
	ManifestsDeleted    int
	PutBack             int // manifests that a registry had dropped and that were put back
	Pending             int // planned pushes and deletions of a dry run
	InSync, LeftAlone   int // aliases
	Blocked, Failed     int // aliases

	total totals
}

// Add adds the counts of one repository.
func (a *Actions) Add(plan reconcile.Plan, result reconcile.Result, dryRun bool) {
	a.total.add(plan, result)
	n := a.total
	a.InSync, a.LeftAlone, a.Blocked, a.Failed = n.inSync, n.leftAlone, n.blocked, n.failed
	if dryRun {
		a.Pending = n.pushes + n.deleteTags + n.deleteManifests + n.putBack
	} else {
		a.Pushed, a.TagsDeleted, a.ManifestsDeleted, a.PutBack = n.pushes, n.deleteTags, n.deleteManifests, n.putBack
	}
}

// Text returns the metrics in Prometheus's text format 0.0.4, for the textfile
// collector of node_exporter or for a Pushgateway. All metrics are gauges: they
// are about one run, and the next run starts at zero.
func (m Metrics) Text() []byte {
	var b strings.Builder
	metric := func(name, help string) {
		fmt.Fprintf(&b, "# HELP tagline_%s %s\n# TYPE tagline_%s gauge\n", name, help, name)
	}
	gauge := func(name, help string, value any) {
		metric(name, help)
		fmt.Fprintf(&b, "tagline_%s %v\n", name, value)
	}

	metric("run_requests", "Requests of the last run by how they were answered; status 0 is no answer.")
	requests := slices.Clone(m.Requests)
	slices.SortFunc(requests, Requests.Compare)
	for _, r := range requests {
		fmt.Fprintf(&b, "tagline_run_requests{kind=%s,method=%s,status=\"%d\"} %d\n", labelValue(r.Kind), labelValue(r.Method), r.Status, r.Count)
	}
	gauge("run_retries", "Requests of the last run that were asked again.", m.Retries)
	gauge("run_received_bytes", "Bytes of the bodies that the last run received.", m.BytesReceived)
	gauge("run_sent_bytes", "Bytes of blobs that the last run sent, for copies.", m.BytesSent)
	gauge("run_cache_hits", "Manifests and platforms that the last run had in its cache.", m.CacheHits)
	gauge("run_cache_misses", "Manifests and platforms that the last run had to ask for.", m.CacheMisses)

	metric("run_actions", "What the last run did.")
	fmt.Fprintf(&b, "tagline_run_actions{action=\"push\"} %d\n", m.Actions.Pushed)
	fmt.Fprintf(&b, "tagline_run_actions{action=\"delete_tag\"} %d\n", m.Actions.TagsDeleted)
	fmt.Fprintf(&b, "tagline_run_actions{action=\"delete_manifest\"} %d\n", m.Actions.ManifestsDeleted)
	fmt.Fprintf(&b, "tagline_run_actions{action=\"put_back\"} %d\n", m.Actions.PutBack)
	gauge("run_pending", "Pushes and deletions that the last run, a dry one, only planned.", m.Actions.Pending)
	metric("run_aliases", "Aliases that the last run did not change, by why; blocked and failed count deletions, too.")
	fmt.Fprintf(&b, "tagline_run_aliases{state=\"in_sync\"} %d\n", m.Actions.InSync)
	fmt.Fprintf(&b, "tagline_run_aliases{state=\"left_alone\"} %d\n", m.Actions.LeftAlone)
	fmt.Fprintf(&b, "tagline_run_aliases{state=\"blocked\"} %d\n", m.Actions.Blocked)
	fmt.Fprintf(&b, "tagline_run_aliases{state=\"failed\"} %d\n", m.Actions.Failed)

	gauge("run_duration_seconds", "How long the last run took.", m.Ended.Sub(m.Started).Seconds())
	failed := 0
	if m.Failed {
		failed = 1
	}
	gauge("run_failed", "1 if something failed in the last run (exit code 1), else 0.", failed)
	if !m.LastSuccess.IsZero() {
		gauge(lastSuccess, "When the last run ended in which nothing failed.", m.LastSuccess.Unix())
	}
	return []byte(b.String())
}

const lastSuccess = "last_success_timestamp_seconds"

// LastSuccess returns the time of the last success from an earlier run's
// metrics, so that a failed run can write it again. It is zero if there is
// none.
func LastSuccess(metrics string) time.Time {
	for line := range strings.Lines(metrics) {
		var seconds int64
		if n, err := fmt.Sscanf(line, "tagline_"+lastSuccess+" %d\n", &seconds); n == 1 && err == nil {
			return time.Unix(seconds, 0)
		}
	}
	return time.Time{}
}

// labelValue quotes a value for the text format, which escapes only quotes,
// backslashes and line feeds.
func labelValue(value string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(Printable(value)) + `"`
}
