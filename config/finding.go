package config

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/go-multierror"

	"tagline/config/findings"
)

// Pos is a place in images.yaml. Line and Column count from 1, columns in
// characters; both are 0 for the file as a whole.
type Pos struct {
	File   string
	Line   int
	Column int
}

// String returns "images.yaml:12:7", or the file alone.
func (p Pos) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Finding is something that is wrong and where: a problem of images.yaml, or
// a violation, where a registry's content or a policy forbids an action.
type Finding struct {
	ID      findings.ID
	Alias   string // the alias tag it is about, if any
	Pos     Pos
	Warning bool   // nothing is refused for it
	Message string // what was found, what was expected, what to do
}

// Error is "images.yaml:12:7: error[unknown-field]: …", or without line and
// column for a problem of the whole file.
func (f *Finding) Error() string {
	severity := "error"
	if f.Warning {
		severity = "warning"
	}
	return fmt.Sprintf("%s: %s[%s]: %s", f.Pos, severity, f.ID, f.Message)
}

// join makes one error of the findings, in the order of their places and with
// a line for each; nil if there are none.
func join(findings []*Finding) error {
	slices.SortStableFunc(findings, func(a, b *Finding) int {
		return cmp.Or(cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Column, b.Pos.Column))
	})
	all := &multierror.Error{ErrorFormat: func(errs []error) string {
		lines := make([]string, len(errs))
		for i, err := range errs {
			lines[i] = err.Error()
		}
		return strings.Join(lines, "\n")
	}}
	for _, f := range findings {
		all.Errors = append(all.Errors, f)
	}
	return all.ErrorOrNil()
}

// maxQuoted is how much of a value a message repeats, in characters.
const maxQuoted = 60

// quote makes a value safe to print: on one line, control characters escaped,
// cut where it is long.
func quote(s string) string {
	count := 0
	for i := range s {
		if count++; count > maxQuoted {
			return strconv.Quote(s[:i] + "…")
		}
	}
	return strconv.Quote(s)
}
