package registry

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"
)

// Errors that are answers of a registry. Every other error means that the answer
// is not known.
var (
	// ErrNotFound means that the registry answered, and that what was asked
	// for does not exist: a real 404. It never stands for a 401, a 403, a
	// page of HTML or a time-out.
	ErrNotFound = errors.New("not found")
	// ErrNoRepository accompanies ErrNotFound if the registry says that the
	// repository does not exist. Many registries don't say it; CNCF distribution
	// also says it about the tags of a repository that has none.
	ErrNoRepository = errors.New("no such repository")
	// ErrUnsupported means that the registry does not have the operation. Many
	// don't delete by tag (OCI distribution-spec 1.1, "Deleting tags": 400 or
	// 405).
	ErrUnsupported = errors.New("not supported by this registry")
	// ErrMoved means that a tag names another manifest than the caller says, and
	// that both were left alone. See [MovedError] and [TaggedError].
	ErrMoved = errors.New("moved")
	// ErrRefused means that the registry answered, and did not do what it was asked
	// for: it does not allow it, or has too many requests. An answer to a later
	// attempt does not count if an earlier one had none.
	ErrRefused = errors.New("refused")
	// ErrArchived means that a manifest exists and can't be pulled, like an
	// archived image of Amazon ECR.
	ErrArchived = errors.New("archived")
)

// HostError is among the causes of a failure that concerns a host, whatever it
// is asked: it can't be reached, or refuses the login.
type HostError struct {
	Host   string
	Reason string // and what to do, if that is known
}

func (e *HostError) Error() string { return e.Host + ": " + e.Reason }

// Cause is what is behind an error, without what was asked for: the host, and its
// status or what is wrong with it. Errors with the same text have the same cause.
// The text is "" for an error that does not know.
func Cause(err error) string {
	var known interface {
		error
		Cause() string
	}
	if errors.As(err, &known) {
		return known.Cause()
	}
	return ""
}

// Explained is an error that prints as one line, whatever its causes would print.
type Explained struct {
	text, cause string
	causes      []error
}

// Explain makes an error with a text of its own. cause is "" if it is not known.
func Explain(text, cause string, causes ...error) *Explained {
	return &Explained{text, cause, causes}
}

func (e *Explained) Error() string   { return e.text }
func (e *Explained) Unwrap() []error { return e.causes }

// Cause is what [Cause] returns.
func (e *Explained) Cause() string { return e.cause }

// Line is the text of an error in one line.
func Line(err error) string { return strings.Join(Lines(err.Error()), "; ") }

// Lines are the lines of a text, each once and without the space around it: an
// [errors.Join] puts every error on a line of its own, and several may have one cause.
func Lines(text string) []string {
	var all []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !slices.Contains(all, line) {
			all = append(all, line)
		}
	}
	return all
}

// MovedError is an [ErrMoved] that says what the tag names now, "" for nothing.
type MovedError struct{ Now string }

func (e *MovedError) Error() string { return "it now names " + cmp.Or(e.Now, "nothing") }
func (e *MovedError) Unwrap() error { return ErrMoved }

// TaggedError is an [ErrMoved] that says which tags a manifest has that were not to
// go with it.
type TaggedError struct{ Tags []string }

func (e *TaggedError) Error() string {
	quoted := make([]string, len(e.Tags))
	for i, tag := range e.Tags {
		quoted[i] = strconv.Quote(tag)
	}
	if len(quoted) == 1 {
		return "it now has the tag " + quoted[0]
	}
	return "it now has the tags " + strings.Join(quoted, ", ")
}

func (e *TaggedError) Unwrap() error { return ErrMoved }
