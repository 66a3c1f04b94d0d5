package transport

import (
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"
)

// meter counts requests and the bytes of blobs, and logs each request.
type meter struct {
	next   http.RoundTripper
	counts *counters
	log    *slog.Logger
}

func (m *meter) RoundTrip(req *http.Request) (*http.Response, error) {
	m.counts.requests.Add(1)
	if IsUpload(req) && req.Body != nil && req.Body != http.NoBody {
		req = req.Clone(req.Context())
		req.Body = &countedBody{ReadCloser: req.Body, count: &m.counts.bytesSent}
		if of := uploadedTo(req); of != "" {
			count, _ := m.counts.sent.LoadOrStore(of, new(atomic.Int64))
			req.Body = &countedBody{ReadCloser: req.Body, count: count.(*atomic.Int64)}
		}
	}
	start := time.Now()
	resp, err := m.next.RoundTrip(req)
	if err != nil {
		resp = nil
	}
	log := func(how string, value any) {
		if m.log.Enabled(req.Context(), slog.LevelDebug) { // most runs don't log at this level
			args := append([]any{"method", req.Method, "url", loggable(req.URL)}, subject(req)...)
			args = append(args, "duration_seconds", time.Since(start).Round(time.Microsecond).Seconds(), how, value)
			if resp != nil && resp.StatusCode >= 400 {
				args = append(args, bodyOf(resp, req)...)
			}
			m.log.DebugContext(req.Context(), "request", args...)
		}
	}
	if err != nil {
		m.counts.count(req, 0)
		log("error", Printable(err.Error()))
		return nil, err
	}
	m.counts.count(req, resp.StatusCode)
	log("status", resp.StatusCode)
	resp.Body = &countedBody{ReadCloser: resp.Body, count: &m.counts.bytesReceived}
	return resp, nil
}

type countedBody struct {
	io.ReadCloser
	count *atomic.Int64
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.count.Add(int64(n))
	return n, err
}
