package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/docker/go-units"
	"golang.org/x/term"

	"tagline/config"
	"tagline/reconcile/oci/transport"
	"tagline/reconcile/report"
)

// progress is a few lines on stderr that say how far a run is: the images that have
// been under way for longest, what has been copied to each, and the whole. It is
// silent unless stderr is a terminal.
//
// The lines make room for the report on stdout, which may be the same terminal.
// Libraries that draw bars own the stream, and would need the report to go through
// them.
type progress struct {
	w     io.Writer // nil: silent
	total int
	stats func() transport.Stats
	sent  func(config.Repository) int64

	mu       sync.Mutex
	images   int
	underWay []config.Image // in the order in which they began
	drawn    int            // lines
	ended    chan struct{}
	once     sync.Once
	wg       sync.WaitGroup
}

// mostUnderWay is how many images have a line.
const mostUnderWay = 5

// asked is what progress asks a client.
type asked interface {
	Stats() transport.Stats
	Sent(to config.Repository) int64
}

// newProgress returns the progress of so many images.
func newProgress(total int, client asked) *progress {
	return &progress{total: total, stats: client.Stats, sent: client.Sent, ended: make(chan struct{})}
}

// draw draws the lines until stop is called.
func (p *progress) draw() {
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
}

// begin notes that an image's turn has come, until ended is called.
func (p *progress) begin(image config.Image) (ended func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.underWay = append(p.underWay, image)
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.underWay = slices.DeleteFunc(p.underWay, func(other config.Image) bool { return other.Repository == image.Repository })
	}
}

// show draws the lines anew.
func (p *progress) show() {
	p.mu.Lock()
	defer p.mu.Unlock()
	width := 80
	if f, ok := p.w.(*os.File); ok {
		if columns, _, err := term.GetSize(int(f.Fd())); err == nil && columns > 0 {
			width = columns
		}
	}
	lines := p.lines(width - 1) // a full line would go on in the next one
	_, _ = fmt.Fprint(p.w, p.erasing()+strings.Join(lines, "\n"))
	p.drawn = len(lines)
}

// lines are what is drawn, none wider than width.
func (p *progress) lines(width int) []string {
	var lines []string
	for i, image := range p.underWay {
		if i == mostUnderWay {
			lines = append(lines, fmt.Sprintf("  and %d more", len(p.underWay)-i))
			break
		}
		line := "  " + image.Name
		if n := p.sent(image.Repository); n > 0 {
			line += ": " + units.HumanSize(float64(n)) + " copied"
		}
		lines = append(lines, line)
	}
	now := p.stats()
	line := fmt.Sprintf("%d of %d images, %d requests", p.images, p.total, now.Requests)
	if now.Retries > 0 {
		line += fmt.Sprintf(", %d asked again", now.Retries)
	}
	if now.BytesSent > 0 {
		line += ", " + units.HumanSize(float64(now.BytesSent)) + " copied"
	}
	lines = append(lines, line)
	for i, line := range lines {
		if runes := []rune(report.Printable(line)); len(runes) > width {
			lines[i] = string(runes[:max(0, width-1)]) + "…"
		} else {
			lines[i] = string(runes)
		}
	}
	return lines
}

// erasing is what removes the lines that are drawn.
func (p *progress) erasing() string {
	if p.drawn == 0 {
		return ""
	}
	up := ""
	if p.drawn > 1 {
		up = fmt.Sprintf("\x1b[%dA", p.drawn-1)
	}
	p.drawn = 0
	return "\r" + up + "\x1b[J"
}

// done counts one image.
func (p *progress) done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.images++
}

// pause removes the lines while something else is written.
func (p *progress) pause(write func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.w != nil {
		_, _ = fmt.Fprint(p.w, p.erasing())
	}
	write()
}

// stop removes the lines for good.
func (p *progress) stop() {
	p.once.Do(func() {
		close(p.ended)
		p.wg.Wait()
		p.pause(func() {})
	})
}
