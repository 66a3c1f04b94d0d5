package transport

import (
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A registry answers a number of requests per second and refuses the rest
// without saying how long to wait. Everything succeeds in one run, at about the
// registry's pace and with few refusals.
func TestRateLimit(t *testing.T) {
	for _, perSecond := range []int{5, 20, 200} {
		synctest.Test(t, func(t *testing.T) {
			const requests = 300
			var (
				mu               sync.Mutex
				second           time.Time
				n, sent, refused int
			)
			r := newRetries(roundTripper(func(*http.Request) (*http.Response, error) {
				mu.Lock()
				defer mu.Unlock()
				if now := time.Now().Truncate(time.Second); !now.Equal(second) {
					second, n = now, 0
				}
				n++
				sent++
				if n > perSecond {
					refused++
					return &http.Response{StatusCode: 429, Body: http.NoBody}, nil
				}
				return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
			}))
			start := time.Now()
			jobs := make(chan struct{}, requests)
			for range requests {
				jobs <- struct{}{}
			}
			close(jobs)
			var wait sync.WaitGroup
			for range 16 {
				wait.Go(func() {
					for range jobs {
						resp, err := r.RoundTrip(request(t, http.MethodGet, someManifest, nil))
						if err != nil || resp.StatusCode != 200 {
							t.Errorf("%v, %v", resp, err)
						}
					}
				})
			}
			wait.Wait()
			t.Logf("%d a second: %d sent, %d refused, %v", perSecond, sent, refused, time.Since(start))
			if slow := 2*requests/perSecond + 20; time.Since(start) > time.Duration(slow)*time.Second || refused > requests/2 {
				t.Errorf("%d a second: %v, %d refused", perSecond, time.Since(start), refused)
			}
		})
	}
}

// If it is refused for ever, a request fails as any other does, and two hundred
// of them do not take an hour.
func TestRateLimitWithoutAnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		defer func() {
			if d := time.Since(start); d > time.Minute { // most of it is the random part of the waits
				t.Errorf("it took %v", d)
			}
		}()
		next := &script{answers: []scripted{{status: 200}, {status: 429}}}
		r := newRetries(next)
		for range 2 {
			if _, err := r.RoundTrip(request(t, http.MethodGet, someManifest, nil)); err != nil {
				t.Fatal(err)
			}
		}
		if next.count() != 6 {
			t.Errorf("%d requests, want 1 and 5", next.count())
		}
		for range 200 {
			if _, err := r.RoundTrip(request(t, http.MethodGet, someManifest, nil)); err != nil {
				t.Fatal(err)
			}
		}
		if next.count() != 206 {
			t.Errorf("%d requests, want 200 more", next.count())
		}
	})
}
