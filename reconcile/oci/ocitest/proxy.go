package ocitest

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"
)

// RegistryProxy stands between a client and a registry. It notes every
// request, adds latency, and breaks what its script of faults says. A new one
// is transparent.
type RegistryProxy struct {
	Host     string
	upstream http.Handler

	mu          sync.Mutex
	requests    []*Request
	inFlight    int
	maxInFlight int
	latency     time.Duration
	script      []*line
}

// Request is a request that a [RegistryProxy] has seen.
type Request struct {
	Method string
	Path   string      // "/v2/my-image/tags/list"
	Query  string      // "n=1000"
	Header http.Header // as the client sent it
	Status int         // 0: no answer, or not yet
	Faulty bool        // a line of the script had it
	Kind   string      // "v2", "tags", "manifest(tag)", "manifest(digest)", "blob", "upload", "referrers", "token" or "other"
}

// Proxy starts a proxy in front of the upstream registry.
func Proxy(t testing.TB, upstream string) *RegistryProxy {
	t.Helper()
	p := &RegistryProxy{upstream: forward(t, upstream)}
	p.Host = serve(t, http.HandlerFunc(p.serve))
	return p
}

// Count tells how many requests there were of each method and kind: "GET
// manifest(tag)". Failed ones count too.
func (p *RegistryProxy) Count() map[string]int {
	counts := map[string]int{}
	for _, r := range p.Trace() {
		counts[r.Method+" "+r.Kind]++
	}
	return counts
}

// Faults is how many requests had a line of the script.
func (p *RegistryProxy) Faults() int {
	n := 0
	for _, r := range p.Trace() {
		if r.Faulty {
			n++
		}
	}
	return n
}

// Total is the number of requests of all kinds.
func (p *RegistryProxy) Total() int { return len(p.Trace()) }

// Trace returns the requests in the order of their arrival.
func (p *RegistryProxy) Trace() []Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	trace := make([]Request, len(p.requests))
	for i, r := range p.requests {
		trace[i] = *r
	}
	return trace
}

// MaxInFlight is the highest number of requests that were open at once.
func (p *RegistryProxy) MaxInFlight() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.maxInFlight
}

// Reset forgets the requests so far. Latency and faults stay.
func (p *RegistryProxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests, p.maxInFlight = nil, p.inFlight
}

// SetLatency delays every request from now on.
func (p *RegistryProxy) SetLatency(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.latency = d
}

func (p *RegistryProxy) serve(w http.ResponseWriter, r *http.Request) {
	request := &Request{
		Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery,
		Header: r.Header.Clone(), Kind: parseEndpoint(r.URL.Path).kind,
	}
	p.mu.Lock()
	p.requests = append(p.requests, request)
	p.inFlight++
	p.maxInFlight = max(p.maxInFlight, p.inFlight)
	latency, do := p.latency, p.fault(r)
	if request.Faulty = do != nil; !request.Faulty {
		do = pass
	}
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		p.inFlight--
		p.mu.Unlock()
	}()

	sleep(r.Context(), latency)
	do(&statusWriter{ResponseWriter: w, mu: &p.mu, request: request}, r, p.upstream)
}

// statusWriter notes the status before the client can see it.
type statusWriter struct {
	http.ResponseWriter
	mu      *sync.Mutex
	request *Request
}

func (w *statusWriter) WriteHeader(status int) {
	w.mu.Lock()
	w.request.Status = status
	w.mu.Unlock()
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap gives http.ResponseController what lies below.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// sleep ends early with the request.
func sleep(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
