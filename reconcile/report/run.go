package report

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"

	"tagline/config"
	"tagline/reconcile"
)

// Run is a whole run, for the formats that need all of it at once: JSON,
// Markdown, GitHub, SARIF and GitLab.
type Run struct {
	Version      string // of tagline
	ConfigSHA256 string // hex digest of the bytes of images.yaml, "" if that is not valid
	DryRun       bool   // there are no results: nothing was applied
	ExitCode     int
	Images       []config.Image // for the places of aliases
	Repositories []Repository
	Findings     []*config.Finding // of images.yaml and compose files, as they stand
	Failures     []string          // why the run went no further
	// Folder is where the files of the findings are, inside the checkout that
	// a forge shows; "" for its root.
	Folder string
}

// Repository is what was planned for one repository, and what became of it.
type Repository struct {
	reconcile.Plan
	reconcile.Result
}

// Outcomes as programs read them.
const (
	done        = "done"
	stale       = "stale"       // the registry is not what the plan saw
	skipped     = "skipped"     // not begun, because something it relies on was not done
	unsupported = "unsupported" // the registry can't do it at all
	failed      = "failed"
)

func outcome(err error) string {
	switch {
	case err == nil:
		return done
	case errors.Is(err, reconcile.ErrStale):
		return stale
	case errors.Is(err, reconcile.ErrSkipped):
		return skipped
	case errors.Is(err, reconcile.ErrUnsupported):
		return unsupported
	}
	return failed
}

// tried is what became of an action, by its place in the plan; false for one
// of a dry run.
func tried(outcomes []reconcile.Outcome, i int) (err error, yes bool) {
	if i < len(outcomes) {
		return outcomes[i].Err, true
	}
	return nil, false
}

// inert is JSON whose bytes are safe to print: control characters are escaped
// also where JSON does not ask for it (DEL, C1, marks that reorder text), and
// nothing in it looks like a command to a build server, such as ##[error].
func inert(encoded string) []byte {
	var b strings.Builder
	for _, r := range encoded {
		switch {
		case r == '\n' || r != '#' && unicode.IsPrint(r):
			b.WriteRune(r)
		case r > 0xFFFF:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return []byte(b.String())
}
