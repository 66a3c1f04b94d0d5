package transport

import (
	"cmp"
	"time"
)

// Patience is how often tagline retries and how long it waits for a registry.
// Zero fields take their defaults.
type Patience struct {
	Attempts      int           // attempts of a request that may be repeated; 5
	Backoff       time.Duration // before the second attempt, doubled before each later one; 500 ms
	MaxRetryAfter time.Duration // the longest Retry-After that is honored; 1 min
	Headers       time.Duration // from the end of a request to the headers of its answer, and for a credential helper; 30 s
	Idle          time.Duration // between two reads of a body; 1 min
	Body          time.Duration // for a whole body that is not a blob; 1 min
}

// WithDefaults fills in zero fields.
func (p Patience) WithDefaults() Patience {
	return Patience{
		Attempts:      cmp.Or(p.Attempts, 5),
		Backoff:       cmp.Or(p.Backoff, 500*time.Millisecond),
		MaxRetryAfter: cmp.Or(p.MaxRetryAfter, time.Minute),
		Headers:       cmp.Or(p.Headers, 30*time.Second),
		Idle:          cmp.Or(p.Idle, time.Minute),
		Body:          cmp.Or(p.Body, time.Minute),
	}
}
