package ocitest

import (
	"net/http"
	"sync"
	"testing"
	"time"
)

// RegistryProxy stands between a client and a registry. It notes every request,
// adds latency, and applies its script of faults. A new one is transparent.
type RegistryProxy struct {
	Host     string
	upstream http.Handler

	mu          sync.Mutex
	requests    []*Request
	inFlight    int
	maxInFlight int
	latency     time.Duration
	script      script
}

// Request is a request that a [RegistryProxy] has seen.
type Request struct {
	Method string
	Path   string      // "/v2/my-image/tags/list"
	Query  string      // "n=1000"
	Header http.Header // as the client sent it
	Status int         // 0: no answer yet, or none at all
	Faulty bool        // a line of the script acted on it
	Kind   string      // "v2", "tags", "manifest(tag)", "manifest(digest)", "blob", "upload", "referrers", "token" or "other"
}

// Proxy starts a proxy in front of the upstream registry.
func Proxy(t testing.TB, upstream string) *RegistryProxy {
	t.Helper()
	return start(t, forward(t, upstream))
}

// Front starts a proxy in front of a registry of this process.
func Front(t testing.TB, registry http.Handler) *RegistryProxy {
	t.Helper()
	return start(t, whole(registry))
}

func start(t testing.TB, upstream http.Handler) *RegistryProxy {
	p := &RegistryProxy{upstream: upstream}
	p.Host = serve(t, http.HandlerFunc(p.serve))
	return p
}

// Count returns the number of requests by method and kind: "GET manifest(tag)".
// It includes failed ones.
func (p *RegistryProxy) Count() map[string]int {
	counts := map[string]int{}
	for _, r := range p.Trace() {
		counts[r.Method+" "+r.Kind]++
	}
	return counts
}

// Faults returns the number of requests that a line of the script acted on.
func (p *RegistryProxy) Faults() int {
	n := 0
	for _, r := range p.Trace() {
		if r.Faulty {
			n++
		}
	}
	return n
}

// Total returns the number of all requests.
func (p *RegistryProxy) Total() int { return len(p.Trace()) }

// Trace returns the requests in the order in which they arrived.
func (p *RegistryProxy) Trace() []Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	trace := make([]Request, len(p.requests))
	for i, r := range p.requests {
		trace[i] = *r
	}
	return trace
}

// MaxInFlight returns the highest number of requests that were open at once.
func (p *RegistryProxy) MaxInFlight() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.maxInFlight
}

// Reset forgets the requests so far, and keeps the latency and the faults.
func (p *RegistryProxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests, p.maxInFlight = nil, p.inFlight
}

// SetLatency delays every later request.
func (p *RegistryProxy) SetLatency(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.latency = d
}

// Script replaces the faults. Without arguments the proxy is transparent again.
// The first line that matches a request, and neither skips it nor is used up,
// acts on it.
func (p *RegistryProxy) Script(faults ...Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.script = newScript(faults)
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
	latency, do := p.latency, p.script.action(r)
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

// statusWriter notes the status before the client sees it.
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

// Unwrap returns the wrapped writer, for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
