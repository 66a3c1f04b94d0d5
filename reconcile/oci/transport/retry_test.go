package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// script is a RoundTripper that answers from a list and repeats its last entry.
type script struct {
	mu      sync.Mutex
	answers []scripted
	at      []time.Time // of each request
	bodies  []string
	open    int // answers whose body is not closed yet
}

type scripted struct {
	status     int
	err        error
	retryAfter string
	header     map[string]string
}

func (s *script) RoundTrip(req *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at = append(s.at, time.Now())
	if req.Body != nil {
		body, _ := io.ReadAll(req.Body)
		s.bodies = append(s.bodies, string(body))
	}
	a := s.answers[min(len(s.at), len(s.answers))-1]
	if a.err != nil {
		return nil, a.err
	}
	s.open++
	resp := &http.Response{StatusCode: a.status, Header: http.Header{}, Body: &closeNoted{strings.NewReader("why"), s}}
	if a.retryAfter != "" {
		resp.Header.Set("Retry-After", a.retryAfter)
	}
	for key, value := range a.header {
		resp.Header.Set(key, value)
	}
	return resp, nil
}

type closeNoted struct {
	io.Reader
	script *script
}

func (c *closeNoted) Close() error {
	c.script.mu.Lock()
	defer c.script.mu.Unlock()
	c.script.open--
	return nil
}

func (s *script) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.at)
}

func newRetries(next http.RoundTripper) *retries {
	return &retries{
		next:     next,
		hosts:    &hosts{atOnce: func(string) int { return 1 }, backoff: 500 * time.Millisecond},
		patience: Patience{Attempts: 5, Backoff: 500 * time.Millisecond, MaxRetryAfter: time.Minute},
		counts:   &counters{},
		log:      slog.New(slog.DiscardHandler),
	}
}

const someManifest = "https://ghcr.io/v2/app/manifests/10"

func request(t *testing.T, method, url string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func TestRetries(t *testing.T) {
	reset := errors.New("connection reset")
	noHost := &net.DNSError{Err: "no such host", IsNotFound: true}
	noServer := &net.DNSError{Err: "server misbehaving", IsTemporary: true}
	badCert := &tls.CertificateVerificationError{Err: errors.New("unknown authority")}
	tests := []struct {
		name    string
		method  string // GET if empty
		url     string // someManifest if empty
		answers []scripted
		want    int // number of requests
		status  int // of the answer; 0: an error
	}{
		{"success", "", "", []scripted{{status: 200}}, 1, 200},
		{"404 is an answer", "", "", []scripted{{status: 404}}, 1, 404},
		{"401 is an answer", "", "", []scripted{{status: 401}}, 1, 401},
		{"one error", "", "", []scripted{{err: reset}, {status: 200}}, 2, 200},
		{"408", "", "", []scripted{{status: 408}, {status: 200}}, 2, 200},
		{"429", "", "", []scripted{{status: 429}, {status: 200}}, 2, 200},
		{"500 502 503 504", "", "", []scripted{{status: 500}, {status: 502}, {status: 503}, {status: 504}, {status: 200}}, 5, 200},
		{"501 is an answer", "", "", []scripted{{status: 501}}, 1, 501},
		{"attempts used up on a status", "", "", []scripted{{status: 503}}, 5, 503},
		{"attempts used up on errors", "", "", []scripted{{err: reset}}, 5, 0},
		{"no such host", "", "", []scripted{{err: noHost}}, 1, 0},
		{"name server in trouble", "", "", []scripted{{err: noServer}, {status: 200}}, 2, 200},
		{"certificate", "", "", []scripted{{err: badCert}}, 1, 0},
		{"plain http", "", "", []scripted{{err: tls.RecordHeaderError{}}}, 1, 0},
		{"lasting", "", "", []scripted{{err: Lasting(reset)}}, 1, 0},
		{"HEAD", "HEAD", "", []scripted{{status: 503}, {status: 200}}, 2, 200},
		{"DELETE", "DELETE", "", []scripted{{status: 503}, {status: 202}}, 2, 202},
		{"PUT of a manifest", "PUT", "", []scripted{{status: 503}, {status: 201}}, 2, 201},
		{"PUT of a blob", "PUT", "https://ghcr.io/v2/app/blobs/uploads/1?digest=x", []scripted{{status: 503}}, 1, 503},
		{"PATCH", "PATCH", "https://ghcr.io/v2/app/blobs/uploads/1", []scripted{{status: 503}}, 1, 503},
		{"PUT of a blob, one too many", "PUT", "https://ghcr.io/v2/app/blobs/uploads/1?digest=x", []scripted{{status: 429}, {status: 201}}, 2, 201},
		{"PATCH, one too many", "PATCH", "https://ghcr.io/v2/app/blobs/uploads/1", []scripted{{status: 429}, {status: 202}}, 2, 202},
		{"PATCH, one too many and then busy", "PATCH", "https://ghcr.io/v2/app/blobs/uploads/1", []scripted{{status: 429}, {status: 503}}, 2, 503},
		{"PATCH, too many for ever", "PATCH", "https://ghcr.io/v2/app/blobs/uploads/1", []scripted{{status: 429}}, 5, 429},
		{"POST", "POST", "https://ghcr.io/v2/app/blobs/uploads/", []scripted{{status: 503}, {status: 202}}, 2, 202},
		{"POST, one too many", "POST", "https://ghcr.io/v2/app/blobs/uploads/?mount=x", []scripted{{status: 429}, {status: 201}}, 2, 201},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				next := &script{answers: tt.answers}
				method, url := tt.method, tt.url
				if method == "" {
					method = http.MethodGet
				}
				if url == "" {
					url = someManifest
				}
				resp, err := newRetries(next).RoundTrip(request(t, method, url, nil))
				if next.count() != tt.want {
					t.Errorf("%d requests, want %d", next.count(), tt.want)
				}
				if tt.status == 0 {
					if err == nil {
						t.Error("no error")
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if resp.StatusCode != tt.status {
					t.Errorf("status %d, want %d", resp.StatusCode, tt.status)
				}
				if body, err := io.ReadAll(resp.Body); string(body) != "why" || err != nil {
					t.Errorf("body %q, %v", body, err)
				}
				if next.open != 1 {
					t.Errorf("%d answers open, want the one returned", next.open)
				}
			})
		})
	}
}

func TestBackoffDoubles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := &script{answers: []scripted{{status: 503}}}
		if _, err := newRetries(next).RoundTrip(request(t, http.MethodGet, someManifest, nil)); err != nil {
			t.Fatal(err)
		}
		for i, base := range []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second} {
			if wait := next.at[i+1].Sub(next.at[i]); wait < base/2 || wait >= base*3/2 {
				t.Errorf("wait %d is %v, want about %v", i+1, wait, base)
			}
		}
	})
}

func TestRetryAfter(t *testing.T) {
	// The clock of a synctest bubble starts here.
	date := func(d time.Duration) string {
		return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Add(d).Format(http.TimeFormat)
	}
	const ordinary = time.Second // longer than the first back-off can be
	tests := []struct {
		name, header string
		status       int
		from, to     time.Duration // of the wait
		err          string
	}{
		{"seconds", "7", 429, 7 * time.Second, 8 * time.Second, ""},
		{"seconds on 403", "7", 403, 7 * time.Second, 8 * time.Second, ""},
		{"seconds on 503", "7", 503, 7 * time.Second, 8 * time.Second, ""},
		{"a date", date(7 * time.Second), 429, 7 * time.Second, 8 * time.Second, ""},
		{"as long as can be", "60", 429, time.Minute, time.Minute + time.Second, ""},
		{"zero", "0", 429, 0, ordinary, ""},
		{"a date in the past", date(-time.Hour), 429, 0, ordinary, ""},
		{"garbage", "soon", 429, 0, ordinary, ""},
		{"negative", "-7", 429, 0, ordinary, ""},
		{"not on 500", "7", 500, 0, ordinary, ""},
		{"too long", "3600", 429, 0, 0, "ghcr.io: the registry asks to wait 1h0m0s (Retry-After), longer than the 1m0s that tagline waits"},
		{"a date too far", date(time.Hour), 503, 0, 0, "ghcr.io: the registry asks to wait 1h0m0s (Retry-After), longer than the 1m0s that tagline waits"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				next := &script{answers: []scripted{{status: tt.status, retryAfter: tt.header}, {status: 200}}}
				start := time.Now()
				_, err := newRetries(next).RoundTrip(request(t, http.MethodGet, someManifest, nil))
				if tt.err != "" {
					if err == nil || err.Error() != tt.err {
						t.Errorf("error %v, want %s", err, tt.err)
					}
					if wait := time.Since(start); wait > 0 {
						t.Errorf("failed after %v, not at once", wait)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if wait := time.Since(start); wait < tt.from || wait >= tt.to {
					t.Errorf("waited %v, want %v to %v", wait, tt.from, tt.to)
				}
			})
		})
	}
}

// A Retry-After holds for all requests to that host, and for no other host.
// A limit that is used up says when it is renewed. Any other 403 is final.
func TestRateLimitReset(t *testing.T) {
	const start = 946684800 // where the clock of a synctest bubble starts
	for name, test := range map[string]struct {
		remaining string
		reset     int
		date      string
		from, to  time.Duration
		final     bool
	}{
		"used up":                {"0", start + 9, "", 9 * time.Second, 10 * time.Second, false},
		"by the registry's date": {"0", start + 3609, time.Unix(start+3600, 0).UTC().Format(http.TimeFormat), 9 * time.Second, 10 * time.Second, false},
		"renewed by now":         {"0", start - 9, "", 0, time.Second, false},
		"not used up":            {"12", start + 9, "", 0, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				header := map[string]string{"X-RateLimit-Remaining": test.remaining, "X-RateLimit-Reset": strconv.Itoa(test.reset), "Date": test.date}
				next := &script{answers: []scripted{{status: 403, header: header}, {status: 200}}}
				begin := time.Now()
				resp, err := newRetries(next).RoundTrip(request(t, http.MethodDelete, someManifest, nil))
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = resp.Body.Close() }()
				if wait := time.Since(begin); wait < test.from || wait >= test.to || (resp.StatusCode == 403) != test.final {
					t.Errorf("%d after %v, want it after %v", resp.StatusCode, wait, test.from)
				}
			})
		})
	}
}

func TestRetryAfterIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := &script{answers: []scripted{{status: 429, retryAfter: "30"}, {status: 200}}}
		r := newRetries(next)
		start := time.Now()
		var wait sync.WaitGroup
		get := func(url string, after time.Duration) {
			wait.Go(func() {
				if _, err := r.RoundTrip(request(t, http.MethodGet, url, nil)); err != nil {
					t.Error(err)
				}
				if d := time.Since(start); d < after || d > after+time.Second {
					t.Errorf("%s answered after %v, want %v", url, d, after)
				}
			})
		}
		get(someManifest, 30*time.Second)
		synctest.Wait()
		get("https://ghcr.io/v2/other/manifests/1", 30*time.Second)
		get("https://quay.io/v2/app/manifests/10", 0)
		wait.Wait()
	})
}

// A pause that is too long also fails later requests, without sending them.
func TestRetryAfterTooLongIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := &script{answers: []scripted{{status: 429, retryAfter: "3600"}}}
		r := newRetries(next)
		for range 3 {
			if _, err := r.RoundTrip(request(t, http.MethodGet, someManifest, nil)); err == nil {
				t.Error("no error")
			}
		}
		if next.count() != 1 {
			t.Errorf("%d requests, want 1", next.count())
		}
	})
}

func TestHostThatIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := errors.New("connection refused")
		next := &script{answers: []scripted{{err: refused}}}
		r := newRetries(next)
		get := func(want int) {
			t.Helper()
			before := next.count()
			_, _ = r.RoundTrip(request(t, http.MethodGet, someManifest, nil))
			if n := next.count() - before; n != want {
				t.Errorf("%d requests, want %d", n, want)
			}
		}
		get(5)
		for range 200 {
			get(1)
		}
		next.answers = []scripted{{status: 404}} // it is up again
		get(1)
		next.answers = []scripted{{err: refused}}
		get(5)
	})
}

func TestRetriesHonourTheContext(t *testing.T) {
	for name, answers := range map[string][]scripted{
		"back-off":    {{status: 503}},
		"Retry-After": {{status: 429, retryAfter: "50"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
				defer cancel()
				next := &script{answers: answers}
				start := time.Now()
				_, err := newRetries(next).RoundTrip(request(t, http.MethodGet, someManifest, nil).WithContext(ctx))
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("error %v, want the context's", err)
				}
				if d := time.Since(start); d != 100*time.Millisecond {
					t.Errorf("gave up after %v", d)
				}
			})
		})
	}
}

func TestEveryAttemptHasTheWholeBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := &script{answers: []scripted{{status: 503}, {status: 401}, {status: 201}}}
		r := newRetries(next)
		const index = "{}"
		req := request(t, http.MethodPut, someManifest, strings.NewReader(index))
		for range 2 { // go-containerregistry repeats a request with a new token
			if _, err := r.RoundTrip(req); err != nil {
				t.Fatal(err)
			}
		}
		for i, body := range next.bodies {
			if body != index {
				t.Errorf("attempt %d sent %q", i+1, body)
			}
		}
		if len(next.bodies) != 3 {
			t.Errorf("%d attempts, want 3", len(next.bodies))
		}
	})
}

func TestBodiesThatCannotBeRepeatedLoseGetBody(t *testing.T) {
	var sent *http.Request
	r := newRetries(roundTripper(func(req *http.Request) (*http.Response, error) {
		sent = req
		return &http.Response{StatusCode: 202, Body: http.NoBody}, nil
	}))
	if _, err := r.RoundTrip(request(t, http.MethodPatch, "https://ghcr.io/v2/app/blobs/uploads/1", strings.NewReader("blob"))); err != nil {
		t.Fatal(err)
	}
	if sent.GetBody != nil {
		t.Error("a PATCH could be sent again by net/http")
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
