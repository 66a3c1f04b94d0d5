package transport

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestPlainHTTP(t *testing.T) {
	c := New(Options{Insecure: []string{"registry.lan:5000", "10.0.0.9"}})
	for host, want := range map[string]bool{
		"localhost": true, "localhost:5000": true, "a.b.localhost:5000": true,
		"127.0.0.1:5000": true, "127.9.9.9": true, "[::1]:5000": true, "[::ffff:127.0.0.1]:5000": true,
		"registry.lan:5000": true, "REGISTRY.lan:5000": true, "10.0.0.9": true,
		"registry.lan": false, "registry.lan:5001": false, "10.0.0.9:5000": false,
		"10.0.0.1:5000": false, "192.168.1.1": false, "printer.local": false, "ghcr.io": false,
		"localhost.evil.com": false, "notlocalhost": false, "127.0.0.1.evil.com": false,
	} {
		if got := c.PlainHTTP(host); got != want {
			t.Errorf("%s: %v, want %v", host, got, want)
		}
	}
}

// A request that missed both the answer and the flight finds the answer when
// its own flight begins.
func TestPingThatHasJustBeenAnswered(t *testing.T) {
	asked := 0
	p := &pinger{pings: &pings{}, next: roundTripper(func(*http.Request) (*http.Response, error) {
		asked++
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody}, nil
	})}
	for range 2 {
		if pong, err := p.ask(request(t, http.MethodGet, "https://ghcr.io/v2/", nil)); err != nil || pong.resp.StatusCode != http.StatusOK {
			t.Fatalf("got %+v, %v", pong, err)
		}
	}
	if asked != 1 {
		t.Errorf("the host was asked %d times", asked)
	}
}

// Requests that wait for another one's ping are not cancelled with it.
func TestPingIsCancelledForOneAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		p := &pinger{pings: &pings{}, next: roundTripper(func(req *http.Request) (*http.Response, error) {
			asked++
			select {
			case <-time.After(time.Minute):
				return &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody}, nil
			case <-req.Context().Done():
				return nil, req.Context().Err()
			}
		})}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		ping := func(ctx context.Context) error {
			_, err := p.RoundTrip(request(t, http.MethodGet, "https://ghcr.io/v2/", nil).WithContext(ctx))
			return err
		}
		var wait sync.WaitGroup
		wait.Go(func() {
			if err := ping(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("first: error %v", err)
			}
		})
		synctest.Wait()
		for range 3 {
			wait.Go(func() {
				if err := ping(t.Context()); err != nil {
					t.Errorf("later: %v", err)
				}
			})
		}
		wait.Wait()
		if asked != 2 {
			t.Errorf("asked %d times, want 2", asked)
		}
	})
}

// A slot is free again once the headers have arrived, while the body still
// streams.
func TestSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inFlight, most := 0, 0
		var mu sync.Mutex
		s := &slots{hosts: &hosts{atOnce: func(string) int { return 2 }}, next: roundTripper(func(*http.Request) (*http.Response, error) {
			mu.Lock()
			inFlight++
			most = max(most, inFlight)
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			inFlight--
			mu.Unlock()
			endless, _ := io.Pipe()
			return &http.Response{StatusCode: 200, Body: endless}, nil
		})}
		start := time.Now()
		var wait sync.WaitGroup
		for i := range 8 {
			wait.Go(func() {
				host := []string{"a.example", "b.example"}[i%2]
				if _, err := s.RoundTrip(request(t, http.MethodGet, "https://"+host+"/v2/", nil)); err != nil {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		if most != 4 || time.Since(start) != 2*time.Second {
			t.Errorf("%d at a time on two hosts, done after %v; want 4 and 2s", most, time.Since(start))
		}
	})
}

func TestWaitForASlotHonoursTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slots{hosts: &hosts{atOnce: func(string) int { return 1 }}, next: roundTripper(func(req *http.Request) (*http.Response, error) {
			<-req.Context().Done()
			return nil, req.Context().Err()
		})}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var wait sync.WaitGroup
		for range 3 {
			wait.Go(func() {
				if _, err := s.RoundTrip(request(t, http.MethodGet, someManifest, nil).WithContext(ctx)); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("error %v", err)
				}
			})
		}
		wait.Wait()
	})
}

func TestRouteOf(t *testing.T) {
	redirected := httptest.NewRequest(http.MethodGet, "https://cdn.example/x", nil)
	redirected.Response = &http.Response{Request: httptest.NewRequest(http.MethodGet, "https://ghcr.io/v2/a/blobs/sha256:1", nil)}
	tests := map[*http.Request]Route{
		httptest.NewRequest(http.MethodGet, "/v2/", nil):                             {},
		httptest.NewRequest(http.MethodGet, "/v2/auth", nil):                         {},
		httptest.NewRequest(http.MethodGet, "/token", nil):                           {},
		httptest.NewRequest(http.MethodGet, "/v2/a/manifests/10", nil):               {"manifests", "10"},
		httptest.NewRequest(http.MethodGet, "/v2/manifests/blobs/manifests/10", nil): {"manifests", "10"},
		httptest.NewRequest(http.MethodGet, "/v2/a/b/blobs/sha256:1", nil):           {"blobs", "sha256:1"},
		httptest.NewRequest(http.MethodPost, "/v2/a/blobs/uploads/", nil):            {"uploads", ""},
		httptest.NewRequest(http.MethodPut, "/v2/a/blobs/uploads/1?digest=x", nil):   {"uploads", "1"},
		httptest.NewRequest(http.MethodGet, "/v2/a/referrers/sha256:1?n=1", nil):     {"referrers", "sha256:1"},
		redirected: {"blobs", "sha256:1"},
	}
	for req, want := range tests {
		if got := RouteOf(req); got != want {
			t.Errorf("%s %s: %+v, want %+v", req.Method, req.URL, got, want)
		}
	}
}
