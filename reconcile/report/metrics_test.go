package report

import (
	"errors"
	"strings"
	"testing"
	"time"

	"tagline/reconcile"
)

func TestMetrics(t *testing.T) {
	failed := reconcile.Result{
		Pushed:  []reconcile.Outcome{{Tag: "10"}, {Tag: "chart"}, {Tag: "latest", Err: errors.New("403 Forbidden")}},
		Deleted: []reconcile.Outcome{{Tag: "9"}},
	}
	m := Metrics{Costs: Costs{
		Requests: []Requests{
			{"HEAD", "manifests", 404, 2}, {"HEAD", "manifests", 200, 30}, {"GET", "ping", 200, 1},
			{"GET", "manifests", 0, 1}, {"PO\"ST\\\n", "token", 200, 1},
		},
		BytesSent: 1 << 33, BytesReceived: 1234567890, Retries: 1, CacheHits: 20, CacheMisses: 3,
		Started: time.Unix(1700000000, 0), Ended: time.Unix(1700000001, 500_000_000)},
		LastSuccess: time.Unix(1700000000, 0), Failed: true,
	}
	m.Actions.Add(everything(), failed, false)
	m.Actions.Add(reconcile.Plan{InSync: []string{"a", "b"}}, reconcile.Result{}, false)
	const want = `# HELP tagline_run_requests Requests of the last run by how they were answered; status 0 is no answer.
# TYPE tagline_run_requests gauge
tagline_run_requests{kind="manifests",method="GET",status="0"} 1
tagline_run_requests{kind="manifests",method="HEAD",status="200"} 30
tagline_run_requests{kind="manifests",method="HEAD",status="404"} 2
tagline_run_requests{kind="ping",method="GET",status="200"} 1
tagline_run_requests{kind="token",method="PO\"ST\\",status="200"} 1
# HELP tagline_run_retries Requests of the last run that were asked again.
# TYPE tagline_run_retries gauge
tagline_run_retries 1
# HELP tagline_run_received_bytes Bytes of the bodies that the last run received.
# TYPE tagline_run_received_bytes gauge
tagline_run_received_bytes 1234567890
# HELP tagline_run_sent_bytes Bytes of blobs that the last run sent, for copies.
# TYPE tagline_run_sent_bytes gauge
tagline_run_sent_bytes 8589934592
# HELP tagline_run_cache_hits Manifests and platforms that the last run had in its cache.
# TYPE tagline_run_cache_hits gauge
tagline_run_cache_hits 20
# HELP tagline_run_cache_misses Manifests and platforms that the last run had to ask for.
# TYPE tagline_run_cache_misses gauge
tagline_run_cache_misses 3
# HELP tagline_run_actions What the last run did.
# TYPE tagline_run_actions gauge
tagline_run_actions{action="push"} 2
tagline_run_actions{action="delete_tag"} 1
tagline_run_actions{action="delete_manifest"} 0
tagline_run_actions{action="put_back"} 0
# HELP tagline_run_pending Pushes and deletions that the last run, a dry one, only planned.
# TYPE tagline_run_pending gauge
tagline_run_pending 0
# HELP tagline_run_aliases Aliases that the last run did not change, by why; blocked and failed count deletions, too.
# TYPE tagline_run_aliases gauge
tagline_run_aliases{state="in_sync"} 3
tagline_run_aliases{state="left_alone"} 0
tagline_run_aliases{state="blocked"} 1
tagline_run_aliases{state="failed"} 2
# HELP tagline_run_duration_seconds How long the last run took.
# TYPE tagline_run_duration_seconds gauge
tagline_run_duration_seconds 1.5
# HELP tagline_run_failed 1 if something failed in the last run (exit code 1), else 0.
# TYPE tagline_run_failed gauge
tagline_run_failed 1
# HELP tagline_last_success_timestamp_seconds When the last run ended in which nothing failed.
# TYPE tagline_last_success_timestamp_seconds gauge
tagline_last_success_timestamp_seconds 1700000000
`
	got := string(m.Text())
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if at := LastSuccess(got); !at.Equal(m.LastSuccess) {
		t.Errorf("the last success reads back as %v", at)
	}
}

func TestMetricsOfADryRun(t *testing.T) {
	var m Metrics
	m.Actions.Add(everything(), reconcile.Result{}, true)
	got := string(m.Text())
	for _, want := range []string{"\ntagline_run_pending 4\n", "\ntagline_run_actions{action=\"push\"} 0\n", "\ntagline_run_failed 0\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	if strings.Contains(got, lastSuccess) {
		t.Errorf("a success that never was:\n%s", got)
	}
	for _, none := range []string{"", got, "tagline_last_success_timestamp_seconds soon\n", "\x00\xff"} {
		if at := LastSuccess(none); !at.IsZero() {
			t.Errorf("%q has a last success at %v", none, at)
		}
	}
}
