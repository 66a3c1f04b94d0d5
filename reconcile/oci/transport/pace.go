package transport

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// pace limits the requests per second to a host. There is no limit until the
// registry answers 429. A 429 lowers the limit to slightly less than what was
// answered in the last second; each other answer raises it slightly. So it
// stays near the registry's own limit, which the registry does not state.
type pace struct {
	limiter *rate.Limiter
	lowest  rate.Limit

	mu      sync.Mutex
	lowered time.Time
	answers [10]struct { // of the last second, in tenths
		tenth int64
		n     int
	}
}

const (
	paceDown = 0.9 // times what was answered
	paceUp   = 1.01
)

func newPace(backoff time.Duration) *pace {
	return &pace{limiter: rate.NewLimiter(rate.Inf, 1), lowest: rate.Every(backoff)}
}

// wait waits for a turn, and returns how long that has to take. If the context ends
// first, it returns the error of that.
func (p *pace) wait(ctx context.Context) (time.Duration, error) {
	turn := p.limiter.Reserve()
	wait := turn.Delay()
	if wait > 0 && Sleep(ctx, wait) != nil {
		turn.Cancel()
	}
	return wait, ctx.Err()
}

// refused notes a 429. It ignores the 429 of a request sent before the limit
// was last lowered.
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

// answered notes any other answer.
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

// Sleep waits, or returns the error of the context if that ends first.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
