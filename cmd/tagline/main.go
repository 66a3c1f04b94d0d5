package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends it at once
	// If the reader of stdout goes away, as head does, the run goes on, and the
	// report has an error.
	signal.Ignore(syscall.SIGPIPE)
	if os.Getenv("GOGC") == "" {
		// A run mostly waits for registries, so it can afford to collect garbage
		// twice as often. Ten thousand aliases take a fifth less memory.
		debug.SetGCPercent(50)
	}
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is tagline without the process around it.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot(stdout, stderr, args)
	err := root.ExecuteContext(ctx)
	if unknown := unknownCommand(root, args); err != nil && unknown != nil {
		err = unknown
	}
	if code := exitCode(0); err != nil && !errors.As(err, &code) {
		_, _ = fmt.Fprintln(stderr, message(err))
	}
	return codeOf(err)
}
