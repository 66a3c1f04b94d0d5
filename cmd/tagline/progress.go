package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"tagline/reconcile/oci"
)

// progress is a line on stderr that says how far a run is. It is silent unless
// stderr is a terminal.
type progress struct {
	w     io.Writer // nil: silent
	total int
	stats func() oci.Stats

	mu     sync.Mutex
	images int
	ended  chan struct{}
	once   sync.Once
	wg     sync.WaitGroup
}

const eraseLine = "\r\x1b[K"

func (a *app) startProgress(total int, stats func() oci.Stats) *progress {
	p := &progress{total: total, stats: stats, ended: make(chan struct{})}
	if a.quiet || a.verbose > 1 || !isTerminal(a.stderr) {
		return p
	}
	p.w = a.stderr
	p.wg.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-p.ended:
				return
			case <-tick.C:
				p.show()
			}
		}
	})
	return p
}

func (p *progress) show() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.stats()
	line := fmt.Sprintf("%d of %d images, %d requests", p.images, p.total, now.Requests)
	if now.Retries > 0 {
		line += fmt.Sprintf(", %d asked again", now.Retries)
	}
	if now.BytesSent > 0 {
		line += fmt.Sprintf(", %.1f MB copied", float64(now.BytesSent)/1e6)
	}
	_, _ = fmt.Fprint(p.w, eraseLine, line)
}

// done counts one image.
func (p *progress) done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.images++
}

// pause removes the line while something else is written.
func (p *progress) pause(write func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.w != nil {
		_, _ = fmt.Fprint(p.w, eraseLine)
	}
	write()
}

// stop removes the line for good.
func (p *progress) stop() {
	p.once.Do(func() {
		close(p.ended)
		p.wg.Wait()
		p.pause(func() {})
	})
}
