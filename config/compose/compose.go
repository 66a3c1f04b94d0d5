// Package compose reads compose projects and checks their images against the
// aliases of images.yaml.
//
// A compose file may come from a stranger's pull request, and compose-go, the
// library of docker compose, opens whatever a file names. So it gets each file
// as a tree in memory, and says whether docker compose would take it. tagline
// reads the files, in the workspace alone, and merges of them what it needs: the
// image, the platform and the build of services. Each keeps its place.
package compose

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"tagline/config"
	"tagline/config/findings"
)

// Service is what a compose file says of one service, with what it extends and
// includes. A field that is not there has the zero Text.
type Service struct {
	Name     string
	Image    Text
	Platform Text
	Build    bool // it has a build section
}

// Text is a value of a compose file.
type Text struct {
	Written string     // as the file spells it, variables and all
	Value   string     // with the variables' values; those of Unset are left empty
	Unset   []string   // the variables that have no value and no default
	Hidden  bool       // Value has that of a variable in it: not for a log
	Pos     config.Pos // zero if the text is not there

	marked string // Value with a mark where an unset variable stands
}

// shown is the text for a message: as it is written, and what it stands for
// unless that has the value of a variable in it: CI has secrets in some.
func (t Text) shown() string {
	if t.Hidden || t.Value == t.Written {
		return strconv.Quote(t.Written)
	}
	return fmt.Sprintf("%q (%q)", t.Written, t.Value)
}

// errorf is a problem of a file, at a place of it.
func errorf(pos config.Pos, id findings.ID, format string, args ...any) *config.Finding {
	return &config.Finding{ID: id, Pos: pos, Message: printable(fmt.Sprintf(format, args...))}
}

// warning is the same, and fails nothing.
func warning(pos config.Pos, id findings.ID, format string, args ...any) *config.Finding {
	f := errorf(pos, id, format, args...)
	f.Warning = true
	return f
}

// printable keeps what files and other people's messages say on one line, and cuts it
// where it is long.
func printable(s string) string {
	const most = 1000
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '\ufffd'
		}
		return r
	}, s)
}

func comparePos(a, b config.Pos) int {
	return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
}

// missing says of which variables the text has no value.
func (t Text) missing() string {
	if len(t.Unset) == 1 {
		return "variable " + t.Unset[0] + " is not set"
	}
	return "variables " + strings.Join(t.Unset, ", ") + " are not set"
}

// dockerHub is where docker compose looks for an image that names no registry.
const dockerHub = "docker.io"
