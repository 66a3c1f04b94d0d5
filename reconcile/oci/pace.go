package oci

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// pace is how many requests a second go to a host. There is no bound until the
// registry refuses one with 429. A refusal lowers it to a little less than what
// was answered within the last second, and each answer raises it a little, so
// that it stays near a limit that the registry has and does not tell.
type pace struct {
	limiter *rate.Limiter
	lowest  rate.Limit

	mu      sync.Mutex
	lowered time.Time
	answers [10]struct { // of the last second, by tenths of it
		tenth int64
		n     int
	}
}

const (
	paceDown = 0.9 // of what was answered
	paceUp   = 1.01
)

func newPace(backoff time.Duration) *pace {
	return &pace{limiter: rate.NewLimiter(rate.Inf, 1), lowest: rate.Every(backoff)}
}

func (p *pace) wait(ctx context.Context) error {
	if err := p.limiter.Wait(ctx); err != nil && ctx.Err() == nil {
		<-ctx.Done() // its turn comes after the deadline
	}
	return ctx.Err()
}

// refused takes note of a 429. One that was sent before the last change says
// nothing new.
func (p *pace) refused(sent time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if sent.Before(p.lowered) {
		return
	}
	now, answered := time.Now(), 0
	for _, a := range p.answers {
		if a.tenth > tenth(now)-int64(len(p.answers)) {
			answered += a.n
		}
	}
	p.lowered = now
	p.limiter.SetLimit(max(paceDown*min(rate.Limit(answered), p.limiter.Limit()), p.lowest))
}

// answered takes note of any other answer.
func (p *pace) answered() {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := tenth(time.Now())
	a := &p.answers[at%int64(len(p.answers))]
	if a.tenth != at {
		a.tenth, a.n = at, 0
	}
	a.n++
	if now := p.limiter.Limit(); now != rate.Inf {
		p.limiter.SetLimit(paceUp * now)
	}
}

func tenth(t time.Time) int64 { return t.UnixMilli() / 100 }
