package transport

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// hosts holds what a run knows about each host.
type hosts struct {
	atOnce  func(host string) int
	backoff time.Duration
	known   sync.Map // "https://ghcr.io" -> *host
}

type host struct {
	name  string
	slots Slots
	// down means that a request used up its attempts and none has succeeded
	// since. Two hundred tags of a dead registry must not take an hour.
	down     atomic.Bool
	answered atomic.Int64 // requests that no rate limit refused
	told     sync.Map     // what has been logged about this host

	pace *pace

	mu     sync.Mutex
	resume time.Time // the registry asked for no requests until then
}

func (h *hosts) of(u *url.URL) *host {
	key := u.Scheme + "://" + u.Host
	known, ok := h.known.Load(key)
	if !ok {
		known, _ = h.known.LoadOrStore(key, &host{name: u.Host, slots: make(Slots, h.atOnce(u.Host)), pace: newPace(h.backoff)})
	}
	return known.(*host)
}

// pause makes every request to the host wait, whichever request was told to.
func (h *host) pause(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if until := time.Now().Add(d); until.After(h.resume) {
		h.resume = until
	}
}

// left is how much of a pause is left, 0 or less if there is none.
func (h *host) left() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Until(h.resume)
}

// await waits for the end of a pause and then for the request's turn, and returns how
// long that was to take. If the pause is too long, it fails at once. Requests to a host
// that is down skip their turn, since they are expected to fail and should fail soon.
func (h *host) await(ctx context.Context, limit, jitter time.Duration) (waited time.Duration, err error) {
	for {
		left := h.left()
		if left <= 0 {
			if h.down.Load() {
				return waited, ctx.Err()
			}
			turn, err := h.pace.wait(ctx)
			return waited + turn, err
		}
		if left > limit {
			return waited, h.tooLong(left, limit)
		}
		left += rand.N(jitter)
		if err := Sleep(ctx, left); err != nil {
			return waited, err
		}
		waited += left
	}
}

// turn waits until a request may be sent. again says that it has been sent before. A
// check comes after that wait: its requests have turns of their own, and the write
// follows at once. If a pause has begun during the check, the write waits for its end and
// is checked once more. It does so for as many checks as it has attempts. Then it is sent
// in the pause, since a host that always asks for one would otherwise keep it for ever.
func (h *host) turn(req *http.Request, patience Patience, again bool) error {
	ask := checkOf(req)
	for checks := 1; ; checks++ {
		waited, err := h.await(req.Context(), patience.MaxRetryAfter, patience.Backoff/2)
		if err != nil || ask == nil || !again && waited <= LongAgo {
			return err
		}
		if err := ask(ofCheck(req.Context(), nil)); err != nil {
			return Lasting(err)
		}
		if h.left() <= 0 || checks >= patience.Attempts {
			return nil
		}
		again = true
	}
}

func (h *host) tooLong(asked, limit time.Duration) error {
	return OfHost(h.name, &WaitError{asked.Round(time.Second), limit})
}

// WaitError is a pause that a registry asks for, and that is too long.
type WaitError struct{ Asked, Limit time.Duration }

func (e *WaitError) Error() string {
	return fmt.Sprintf("the registry asks to wait %v (Retry-After), longer than the %v that tagline waits", e.Asked, e.Limit)
}
