package ecr

import (
	"io"
	"maps"
	"net/http"
	"sync"

	"tagline/config"
	"tagline/reconcile/oci/transport"
)

// counts are the counts of the calls to ECR.
type counts struct {
	mu       sync.Mutex
	by       map[transport.Count]int64
	calls    int64
	retries  int64
	received int64
}

// Stats returns the counts so far. Each call to ECR is a request.
func (c *Client) Stats() transport.Stats {
	s := c.oci.Stats()
	c.counts.mu.Lock()
	defer c.counts.mu.Unlock()
	s.Requests += c.counts.calls
	s.Retries += c.counts.retries
	s.BytesReceived += c.counts.received
	return s
}

// Sent returns the bytes of blobs that were sent to a repository so far.
func (c *Client) Sent(to config.Repository) int64 { return c.oci.Sent(to) }

// Counts returns the numbers of requests so far. The kind of a call to ECR is
// the name of its operation.
func (c *Client) Counts() map[transport.Count]int64 {
	all := c.oci.Counts()
	c.counts.mu.Lock()
	defer c.counts.mu.Unlock()
	maps.Copy(all, c.counts.by)
	return all
}

// add counts an attempt; again means that it is a retry.
func (c *counts) add(operation string, resp *http.Response, again bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by == nil {
		c.by = map[transport.Count]int64{}
	}
	kind := transport.Count{Method: http.MethodPost, Kind: operation}
	if resp != nil {
		kind.Status = resp.StatusCode
		resp.Body = &countedBody{resp.Body, c}
	}
	c.by[kind]++
	c.calls++
	if again {
		c.retries++
	}
}

type countedBody struct {
	io.ReadCloser
	counts *counts
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.counts.mu.Lock()
	defer b.counts.mu.Unlock()
	b.counts.received += int64(n)
	return n, err
}
