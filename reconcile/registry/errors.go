package registry

import "errors"

// The answers of a registry that are not failures to know.
var (
	// ErrNotFound means that the registry answered, and that what was asked
	// for does not exist: a real 404. It never stands for a 401, a 403, a
	// page of HTML or a time-out.
	ErrNotFound = errors.New("not found")
	// ErrNoRepository goes with ErrNotFound where a registry says that not even
	// the repository exists. Many don't.
	ErrNoRepository = errors.New("no such repository")
	// ErrUnsupported means that this registry does not offer the operation at
	// all, as many do not delete by tag (OCI distribution-spec 1.1, "Deleting
	// tags": 400 or 405).
	ErrUnsupported = errors.New("not supported by this registry")
	// ErrArchived means that a manifest exists and cannot be pulled: Amazon ECR
	// keeps archived images so.
	ErrArchived = errors.New("archived")
)

// HostError is among the causes of a failure that is the host's own, whatever it
// is asked: nobody answers there, or nobody is let in.
type HostError struct {
	Host   string
	Reason string // and what to do, if that is known
}

func (e *HostError) Error() string { return e.Host + ": " + e.Reason }
