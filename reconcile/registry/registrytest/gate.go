package registrytest

import (
	"sync"
	"sync/atomic"
)

// Gate counts how many requests are in flight. It lets none end until as many are as
// it was made for, so that a client that sends fewer hangs.
type Gate struct {
	full      int64
	now, most atomic.Int64
	open      func()
	opened    chan struct{}
}

// NewGate returns a gate that opens at so many requests in flight.
func NewGate(full int) *Gate {
	g := &Gate{full: int64(full), opened: make(chan struct{})}
	g.open = sync.OnceFunc(func() { close(g.opened) })
	return g
}

// Enter waits until the gate is open. The caller leaves when the request ends.
func (g *Gate) Enter() (leave func()) {
	n := g.now.Add(1)
	for old := g.most.Load(); n > old && !g.most.CompareAndSwap(old, n); old = g.most.Load() {
	}
	if n >= g.full {
		g.open()
	}
	<-g.opened
	return func() { g.now.Add(-1) }
}

// Most is the largest number of requests that were in flight at once.
func (g *Gate) Most() int { return int(g.most.Load()) }
