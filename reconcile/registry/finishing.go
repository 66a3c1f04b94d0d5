package registry

import (
	"context"
	"time"
)

// graceAfterCancel is how long a write in flight may go on once the run is
// interrupted: a write that is cut off leaves open whether it was done.
const graceAfterCancel = 5 * time.Second

// Finishing is the context for a write that has begun, and for reading it
// back: it outlives the cancellation of its parent for five seconds.
func Finishing(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(parent))
	stop := context.AfterFunc(parent, func() { time.AfterFunc(graceAfterCancel, cancel) })
	return ctx, func() { stop(); cancel() }
}
