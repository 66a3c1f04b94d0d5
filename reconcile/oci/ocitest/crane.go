package ocitest

import (
	"context"
	"os"

	"github.com/google/go-containerregistry/cmd/crane/cmd"
)

// Crane is the crane command, for TestMain: a test binary that runs under this
// name becomes crane.
func Crane() {
	if err := cmd.Root.ExecuteContext(context.Background()); err != nil {
		os.Exit(1) // crane has printed the error
	}
}
