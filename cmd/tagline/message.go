package main

import (
	"errors"
	"strings"

	"github.com/hashicorp/go-multierror"

	"tagline/reconcile/registry"
	"tagline/reconcile/report"
)

// message formats an error for the reader. Findings have their own position and a
// line each. Other errors begin with "tagline: error: ".
func message(err error) string {
	var all *multierror.Error
	if errors.As(err, &all) {
		lines := strings.Split(err.Error(), "\n")
		for i, line := range lines {
			lines[i] = report.Printable(line)
		}
		return strings.Join(lines, "\n")
	}
	return "tagline: error: " + report.Printable(registry.Line(err))
}

// inLines makes one error of several, each in its own line; nil if there are none.
func inLines(errs []error) error {
	all := &multierror.Error{Errors: errs, ErrorFormat: func(errs []error) string {
		lines := make([]string, len(errs))
		for i, err := range errs {
			lines[i] = report.Printable(err.Error())
		}
		return strings.Join(lines, "\n")
	}}
	return all.ErrorOrNil()
}
