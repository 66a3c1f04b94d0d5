package config

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

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

// String returns "images.yaml:12:7", or the file alone for a place without a line. It
// is one line: a name with a line break or another control character is quoted.
func (p Pos) String() string {
	if strings.ContainsFunc(p.File, unicode.IsControl) {
		p.File = strconv.Quote(p.File)
	}
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
	Source  string // that it is about, as images.yaml spells it; "" if it is about no source, or about several
	Message string // what was found, what was expected, what to do
	More    int    // how many problems or warnings it counts that are not told; 0 for all but more-problems

	ending ending // of Message, until it is told; nil for none
}

// ending is the end of a message that takes long to work out. It must be comparable.
type ending interface{ text() string }

// Error is "images.yaml:12:7: error[unknown-field]: …", or without line and
// column for a problem of the whole file.
func (f *Finding) Error() string {
	severity := "error"
	if f.Warning {
		severity = "warning"
	}
	return fmt.Sprintf("%s: %s[%s]: %s", f.Pos, severity, f.ID, f.Message)
}

// maxFindings is how many problems, and how many warnings, of images.yaml are
// told at once.
const maxFindings = 100

// found collects findings: the first in the order of their places, and the number
// of all. So a million problems take no more memory than a hundred.
type found struct {
	first []*Finding
	all   int
	order map[string]int // of files; those that are not in it come first
}

func (c *found) add(f *Finding) {
	c.all++
	c.keep(f)
}

// join adds what was found elsewhere.
func (c *found) join(o found) {
	c.all += o.all
	c.keep(o.first...)
}

func (c *found) keep(more ...*Finding) {
	if c.first = append(c.first, more...); len(c.first) > 4*maxFindings {
		c.sort()
		clear(c.first[maxFindings+1:])
		c.first = c.first[:maxFindings+1]
	}
}

func (c *found) sort() {
	slices.SortStableFunc(c.first, func(a, b *Finding) int {
		return cmp.Or(cmp.Compare(c.order[a.Pos.File], c.order[b.Pos.File]), cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Column, b.Pos.Column))
	})
}

// told returns the findings to tell, in the order of their places. If there are
// too many, the last one counts the others.
func (c *found) told() []*Finding {
	c.sort()
	for _, f := range c.first[:min(maxFindings, len(c.first))] {
		if f.ending != nil {
			f.Message += f.ending.text()
			f.ending = nil
		}
	}
	if c.all <= maxFindings {
		return c.first
	}
	next := c.first[maxFindings]
	what := "problems"
	if next.Warning {
		what = "warnings"
	}
	return append(c.first[:maxFindings:maxFindings], &Finding{ID: findings.MoreProblems, Pos: next.Pos, Warning: next.Warning, More: c.all - maxFindings,
		Message: fmt.Sprintf("%d more %s, from here on, are not shown; correct those above first", c.all-maxFindings, what)})
}

// err makes one error of the findings, with a line for each; nil if there are
// none.
func (c *found) err() error {
	all := &multierror.Error{ErrorFormat: func(errs []error) string {
		lines := make([]string, len(errs))
		for i, err := range errs {
			lines[i] = err.Error()
		}
		return strings.Join(lines, "\n")
	}}
	for _, f := range c.told() {
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
