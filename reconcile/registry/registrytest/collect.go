package registrytest

import (
	"os"
	"runtime/debug"
)

// Tests allocate a lot and keep little. If garbage is collected less often, they
// take up to a third less processor time. The variable GOGC has the last word.
var _ = collectLess()

func collectLess() bool {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	return true
}
