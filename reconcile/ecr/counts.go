package ecr

import (
	"io"
	"net/http"
	"sync"

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
