package registry

import "context"

// A registry that keeps for a while what was deleted has a [Reader] and a [Writer]
// with one more method each. See [Deleted] and [Undelete].
type (
	keepsDeleted interface {
		Deleted(ctx context.Context, digests []string) []Answer[bool]
	}
	undeletes interface {
		Undelete(ctx context.Context, digests []string) []error
	}
)

// Deleted reports which manifests were deleted and can be brought back as they
// were, with all that they need. No tag moves then.
func Deleted(ctx context.Context, r Reader, digests []string) []Answer[bool] {
	if k, is := r.(keepsDeleted); is && len(digests) > 0 {
		return k.Deleted(ctx, digests)
	}
	return make([]Answer[bool], len(digests))
}

// Undelete brings manifests back that [Deleted] has reported.
//
// Errors: ErrUnsupported if the registry can't.
func Undelete(ctx context.Context, w Writer, digests []string) []error {
	if u, is := w.(undeletes); is {
		return u.Undelete(ctx, digests)
	}
	errs := make([]error, len(digests))
	for i := range errs {
		errs[i] = ErrUnsupported
	}
	return errs
}
