package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"tagline/config"
	"tagline/reconcile/oci/transport"
)

// copying is a client that has copied 12.3 MB to each repository.
type copying struct{}

func (copying) Stats() transport.Stats {
	return transport.Stats{Requests: 40, Retries: 2, BytesSent: 24_600_000}
}
func (copying) Sent(to config.Repository) int64 {
	return map[bool]int64{true: 12_300_000}[to.Path < "app-2"]
}

func underWay(name string) config.Image {
	return config.Image{Name: name, Repository: config.Repository{Host: "r.test", Path: name}}
}

// The images that have been under way for longest have a line each, and no line is
// wider than the terminal.
func TestProgress(t *testing.T) {
	p := (&app{stderr: &bytes.Buffer{}}).startProgress(10, copying{})
	defer p.stop()
	var ended []func()
	for _, name := range []string{"app-0", "app-1", "app-2", "app-3", "app-4\x1b[2J" + strings.Repeat("x", 60), "app-5", "app-6"} {
		ended = append(ended, p.begin(underWay(name)))
	}
	ended[1]()
	p.done()
	want := []string{
		"  app-0: 12.3MB copied", "  app-2", "  app-3", "  app-4\uFFFD[2Jxxxxxxxxxxxxxxxxxxxxxxxxxxx…", "  app-5", "  and 1 more",
		"1 of 10 images, 40 requests, 2 asked a…",
	}
	if got := p.lines(39); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What is written meanwhile stands where the lines were, and the log of a run stands
// above them.
func TestProgressMakesRoom(t *testing.T) {
	var stderr bytes.Buffer
	a := &app{stderr: &stderr}
	p := &progress{w: &stderr, total: 1, stats: copying{}.Stats, sent: copying{}.Sent, ended: make(chan struct{})}
	a.progress.Store(p)
	ended := p.begin(underWay("app-0"))
	p.show()
	a.warn("the disk is full")
	p.show()
	ended()
	p.stop()
	const lines = "  app-0: 12.3MB copied\n0 of 1 images, 40 requests, 2 asked again, 24.6MB copied"
	const erase = "\r\x1b[1A\x1b[J"
	if got, want := stderr.String(), lines+erase+"tagline: warning: the disk is full\n"+lines+erase; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
