package ecrtest

import "time"

// bucket holds how many calls of an operation may come now. It fills at the rate of the
// operation, up to one second's worth.
type bucket struct {
	calls float64
	at    time.Time
}

func newBucket(rate float64, now time.Time) *bucket {
	return &bucket{calls: max(1, rate), at: now}
}

// take reports whether a call may come now, and counts it.
func (b *bucket) take(rate float64, now time.Time) bool {
	b.calls = min(max(1, rate), b.calls+rate*now.Sub(b.at).Seconds())
	b.at = now
	if b.calls < 1 {
		return false
	}
	b.calls--
	return true
}
