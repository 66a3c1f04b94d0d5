package transport

import (
	"net/http"
	"sync"
	"sync/atomic"
)

// Stats are counts since [New].
type Stats struct {
	Requests      int64 // sent, including retries and requests for tokens
	Retries       int64 // requests that were sent again
	BytesSent     int64 // of blobs, for copies
	BytesReceived int64 // of all bodies
}

// Count is a kind of request and the status of its answer.
type Count struct {
	Method string
	Kind   string // "manifests", "blobs", "uploads", "tags", "referrers", "ping", or "token" for all others
	Status int    // 0 without an answer
}

// counters count what a transport does.
type counters struct {
	requests, retries, bytesSent, bytesReceived atomic.Int64
	sent                                        sync.Map // "host/path" -> *atomic.Int64, bytes of blobs
	kinds                                       sync.Map // Count -> *atomic.Int64
}

// Stats returns the counts so far. It may be called at any time, for a display
// of progress.
func (c *counters) Stats() Stats {
	return Stats{
		Requests: c.requests.Load(), Retries: c.retries.Load(),
		BytesSent: c.bytesSent.Load(), BytesReceived: c.bytesReceived.Load(),
	}
}

// Sent returns the bytes of blobs that were sent to a repository so far, by its host
// and path on the wire. Uploads to a URL of the registry's choice that does not name
// the repository are not among them.
func (c *counters) Sent(to string) int64 {
	n, ok := c.sent.Load(to)
	if !ok {
		return 0
	}
	return n.(*atomic.Int64).Load()
}

// Counts returns the numbers of requests so far, by kind. It may be called at
// any time. Their sum is the number of requests that have been answered or have
// failed.
func (c *counters) Counts() map[Count]int64 {
	counts := map[Count]int64{}
	c.kinds.Range(func(kind, n any) bool {
		counts[kind.(Count)] = n.(*atomic.Int64).Load()
		return true
	})
	return counts
}

// count counts a request that has been answered or has failed.
func (c *counters) count(req *http.Request, status int) {
	kind := Count{Method: req.Method, Kind: RouteOf(req).Resource, Status: status}
	switch kind.Kind {
	case "manifests", "blobs", "uploads", "tags", "referrers":
	default: // the path of a token service may be anything
		kind.Kind = "token"
		if req.URL.Path == "/v2/" {
			kind.Kind = "ping"
		}
	}
	n, ok := c.kinds.Load(kind)
	if !ok {
		n, _ = c.kinds.LoadOrStore(kind, new(atomic.Int64))
	}
	n.(*atomic.Int64).Add(1)
}
