package ecr

import (
	"fmt"
	"testing"

	"github.com/aws/smithy-go"

	"tagline/config"
	"tagline/reconcile/registry"
)

// The image that ECR names in its message is no part of the cause.
func TestCause(t *testing.T) {
	const host = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"
	for _, path := range []string{"app", "team/other"} {
		r := &reader{account: &account{}, Repository: config.Repository{Host: host, Path: path}}
		err := r.failure(r.subject("1"), &smithy.OperationError{OperationName: "BatchGetImage", Err: &smithy.GenericAPIError{
			Code: "AccessDeniedException", Message: "not authorized to perform ecr:BatchGetImage on repository/" + path,
		}})
		const want = host + ": BatchGetImage: AccessDeniedException; allow ecr:BatchGetImage to whoever runs tagline, and if the registry is another account's, in the repository's policy"
		if got := registry.Cause(fmt.Errorf("source: %w", err)); got != want {
			t.Errorf("%v is caused by %q, want %q", err, got, want)
		}
	}
}
