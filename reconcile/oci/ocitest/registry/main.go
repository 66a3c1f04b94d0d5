// Command registry is CNCF distribution with what the tests need of it: it
// stores in folders, and checks passwords and tokens. Without the drivers for
// clouds, its modules are a fifth of what distribution's own command takes.
//
// It is a module of its own, so that tagline has none of them in its go.mod.
package main

import (
	"os"

	"github.com/distribution/distribution/v3/registry"
	_ "github.com/distribution/distribution/v3/registry/auth/htpasswd"
	_ "github.com/distribution/distribution/v3/registry/auth/token"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem"
)

func main() {
	if err := registry.RootCmd.Execute(); err != nil {
		os.Exit(1) // it has printed the error
	}
}
