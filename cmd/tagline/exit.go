package main

import (
	"errors"
	"fmt"
)

// Exit codes. 1 wins over 3, 3 over 2.
const (
	exitDone    = 0 // done, or in sync
	exitFailed  = 1 // something failed, or was applied only in part
	exitChanges = 2 // --detailed-exitcode: changes are pending, or were made
	exitBlocked = 3 // nothing failed, but something is forbidden
)

// exitCode is the error of a command that has printed its messages already.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

// codeOf returns the exit code of a command that ends with an error, or with nil.
func codeOf(err error) int {
	code := exitCode(exitFailed)
	if err == nil {
		return exitDone
	}
	_ = errors.As(err, &code)
	return int(code)
}
