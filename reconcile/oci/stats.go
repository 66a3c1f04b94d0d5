package oci

import (
	"net/http"
	"sync/atomic"
)

// Stats are counts since [New].
type Stats struct {
	Requests      int64 // sent, the repeated ones and those for tokens included
	Retries       int64 // of them, those that were asked again
	BytesSent     int64 // of blobs, for copies
	BytesReceived int64 // of all bodies
}

// Count is one kind of request and how it was answered.
type Count struct {
	Method string
	Kind   string // "manifests", "blobs", "uploads", "tags", "referrers", "ping", or "token" for whatever else there is
	Status int    // 0 without an answer
}

// Stats may be called at any time, for a display of progress.
func (c *Client) Stats() Stats {
	return Stats{
		Requests: c.requests.Load(), Retries: c.hosts.retried.Load(),
		BytesSent: c.bytesSent.Load(), BytesReceived: c.bytesReceived.Load(),
	}
}

// Counts may be called at any time, and add up to the requests that have been
// answered.
func (c *Client) Counts() map[Count]int64 {
	counts := map[Count]int64{}
	c.counts.Range(func(kind, n any) bool {
		counts[kind.(Count)] = n.(*atomic.Int64).Load()
		return true
	})
	return counts
}

// count notes a request that has been answered, or has failed.
func (c *Client) count(req *http.Request, status int) {
	kind := Count{Method: req.Method, Kind: routeOf(req).resource, Status: status}
	switch kind.Kind {
	case "manifests", "blobs", "uploads", "tags", "referrers":
	default: // by its path, which may be any
		kind.Kind = "token"
		if req.URL.Path == "/v2/" {
			kind.Kind = "ping"
		}
	}
	n, ok := c.counts.Load(kind)
	if !ok {
		n, _ = c.counts.LoadOrStore(kind, new(atomic.Int64))
	}
	n.(*atomic.Int64).Add(1)
}
