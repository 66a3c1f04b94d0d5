package transport

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A write is checked before it is sent again, and before it is sent after a long wait.
func TestCheck(t *testing.T) {
	moved := errors.New("moved")
	for name, test := range map[string]struct {
		answers []scripted
		others  []scripted    // to another request, which is sent before
		after   time.Duration // the write begins that much later
		check   error
		method  string // PUT if empty
		url     string // someManifest if empty
		checks  int
		sent    int // of the write
		fails   bool
	}{
		"at once":                        {answers: []scripted{{status: 201}}, sent: 1},
		"again":                          {answers: []scripted{{status: 503}, {status: 201}}, checks: 1, sent: 2},
		"again and again":                {answers: []scripted{{status: 429, retryAfter: "2"}, {status: 502}, {status: 201}}, checks: 2, sent: 3},
		"moved":                          {answers: []scripted{{status: 503}}, check: moved, checks: 1, sent: 1, fails: true},
		"after a pause":                  {answers: []scripted{{status: 201}}, others: []scripted{{status: 429, retryAfter: "20"}, {status: 200}}, after: time.Second, checks: 1, sent: 1},
		"moved in a pause":               {answers: []scripted{{status: 201}}, others: []scripted{{status: 429, retryAfter: "20"}, {status: 200}}, after: time.Second, check: moved, checks: 1, fails: true},
		"at the end of a pause":          {answers: []scripted{{status: 201}}, others: []scripted{{status: 429, retryAfter: "20"}, {status: 200}}, after: 20 * time.Second, sent: 1},
		"of another tag":                 {answers: []scripted{{status: 503}, {status: 201}}, url: "https://ghcr.io/v2/app/manifests/sha256-1", sent: 2},
		"of another host's, in a pause":  {answers: []scripted{{status: 201}}, others: []scripted{{status: 429, retryAfter: "20"}, {status: 200}}, url: "https://quay.io/v2/app/manifests/10", after: time.Second, sent: 1},
		"again, of a path of an API":     {answers: []scripted{{status: 503}, {status: 202}}, method: "DELETE", url: "https://ghcr.io/acr/v1/app/_tags/10", checks: 1, sent: 2},
		"again, of a host that is down":  {answers: []scripted{{status: 503}}, checks: 4, sent: 5},
		"refused by a limit for a while": {answers: []scripted{{status: 429}, {status: 429}, {status: 201}}, checks: 2, sent: 3},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				write, other := &script{answers: test.answers}, &script{answers: test.others}
				r := newRetries(roundTripper(func(req *http.Request) (*http.Response, error) {
					if req.Method == http.MethodGet {
						return other.RoundTrip(req)
					}
					return write.RoundTrip(req)
				}))
				var wait sync.WaitGroup
				if test.others != nil {
					wait.Go(func() { _, _ = r.RoundTrip(request(t, http.MethodGet, someManifest, nil)) })
				}
				time.Sleep(test.after)
				req, checks := request(t, cmp.Or(test.method, http.MethodPut), cmp.Or(test.url, someManifest), strings.NewReader("{}")), 0
				resp, err := r.RoundTrip(req.WithContext(WithCheck(t.Context(), "10", func(context.Context) error {
					checks++
					return test.check
				})))
				if (err != nil) != test.fails || test.fails && !errors.Is(err, moved) {
					t.Errorf("%v, %v", resp, err)
				}
				if checks != test.checks || write.count() != test.sent {
					t.Errorf("%d checks and %d requests, want %d and %d", checks, write.count(), test.checks, test.sent)
				}
				wait.Wait()
			})
		})
	}
}

// A write that waits for the pace of its host is checked, too.
func TestCheckAtASlowPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := &script{answers: []scripted{{status: 201}}}
		r := newRetries(next)
		req := request(t, http.MethodPut, someManifest, nil)
		h := r.hosts.of(req.URL)
		h.pace.limiter.SetLimit(0.2)
		checks := 0
		for range 3 { // the first one does not wait
			if _, err := r.RoundTrip(req.WithContext(WithCheck(t.Context(), "10", func(context.Context) error { checks++; return nil }))); err != nil {
				t.Fatal(err)
			}
		}
		if checks != 2 || next.count() != 3 {
			t.Errorf("%d checks before %d pushes, want 2 and 3", checks, next.count())
		}
	})
}

// Writes that are refused for ever end, although their checks are answered.
func TestChecksDoNotGoOnForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := &script{answers: []scripted{{status: 429}}}
		r := newRetries(roundTripper(func(req *http.Request) (*http.Response, error) {
			if req.Method == http.MethodHead {
				return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
			}
			return next.RoundTrip(req)
		}))
		var wait sync.WaitGroup
		for range 2 {
			wait.Go(func() {
				resp, err := r.RoundTrip(request(t, http.MethodPut, someManifest, nil).WithContext(WithCheck(t.Context(), "10", func(ctx context.Context) error {
					_, err := r.RoundTrip(request(t, http.MethodHead, someManifest, nil).WithContext(ctx))
					return err
				})))
				if err != nil || resp.StatusCode != 429 {
					t.Errorf("%v, %v", resp, err)
				}
			})
		}
		wait.Wait()
		if n := next.count(); n > 10 {
			t.Errorf("%d requests, want 5 for each", n)
		}
	})
}

// A write whose host asks for a pause during each of its checks is sent all the same,
// after as many checks as it has attempts.
func TestAPauseAfterEachCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := &script{answers: []scripted{{status: 201}}}
		r := newRetries(next)
		req := request(t, http.MethodPut, someManifest, nil)
		pause := func() { r.hosts.of(req.URL).pause(2 * time.Second) } // as another request would
		pause()
		checks := 0
		_, err := r.RoundTrip(req.WithContext(WithCheck(t.Context(), "10", func(context.Context) error {
			pause()
			if checks++; checks > 100 {
				return errors.New("it goes on for ever")
			}
			return nil
		})))
		if err != nil || checks != r.patience.Attempts || next.count() != 1 {
			t.Errorf("%d checks and %d requests, want %d and 1: %v", checks, next.count(), r.patience.Attempts, err)
		}
	})
}

// A write that waits for a slot of its host is checked, in that slot: two writes whose
// checks waited for another one would wait for ever.
func TestCheckAfterAWaitForASlot(t *testing.T) {
	for name, test := range map[string]struct {
		busy   time.Duration // how long another request has the only slot
		moved  error
		checks int // of each of two writes
		sent   []string
	}{
		"for long":        {busy: time.Minute, checks: 1, sent: []string{"GET", "HEAD", "PUT", "HEAD", "PUT"}},
		"and it moved":    {busy: time.Minute, moved: errors.New("moved"), checks: 1, sent: []string{"GET", "HEAD", "HEAD"}},
		"for a moment":    {busy: time.Second / 2, sent: []string{"GET", "PUT", "PUT"}},
		"for none at all": {sent: []string{"GET", "PUT", "PUT"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				var sent []string
				r := newRetries(nil)
				r.next = &slots{hosts: r.hosts, next: roundTripper(func(req *http.Request) (*http.Response, error) {
					mu.Lock()
					sent = append(sent, req.Method)
					mu.Unlock()
					if req.Method == http.MethodGet {
						time.Sleep(test.busy)
					}
					return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
				})}
				var wait sync.WaitGroup
				wait.Go(func() { _, _ = r.RoundTrip(request(t, http.MethodGet, someManifest, nil)) })
				synctest.Wait()
				var checks [2]int
				for i := range checks {
					wait.Go(func() {
						_, err := r.RoundTrip(request(t, http.MethodPut, someManifest, nil).WithContext(WithCheck(t.Context(), "10", func(ctx context.Context) error {
							checks[i]++
							_, err := r.RoundTrip(request(t, http.MethodHead, someManifest, nil).WithContext(ctx))
							return cmp.Or(err, test.moved)
						})))
						if !errors.Is(err, test.moved) {
							t.Errorf("%v, want %v", err, test.moved)
						}
					})
				}
				wait.Wait()
				if checks != [2]int{test.checks, test.checks} || !slices.Equal(sent, test.sent) {
					t.Errorf("%v checks, sent %v, want %v", checks, sent, test.sent)
				}
			})
		})
	}
}
