package ecr

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"tagline/config"
	"tagline/reconcile/registry"
)

// repository is one repository of an account.
type repository struct {
	*account
	config.Repository
}

// interrupted returns the error of a context that has ended. Then nothing is
// answered, not even from memory.
func (r *repository) interrupted(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return r.failure(r.String(), err)
	}
	return nil
}

// refusal returns the error of one failure in a batch (API_ImageFailure).
func (r *repository) refusal(id string, f types.ImageFailure) error {
	if f.FailureCode == types.ImageFailureCodeImageNotFound {
		return r.absent(id)
	}
	return fmt.Errorf("%s: %s: %s", r.subject(id), f.FailureCode, aws.ToString(f.FailureReason))
}

func (r *repository) absent(id string) error {
	return fmt.Errorf("%s: %w", r.subject(id), registry.ErrNotFound)
}

func (r *repository) archived(id string) error {
	return fmt.Errorf("%s: %w", r.subject(id), registry.ErrArchived)
}

// subject names what an error is about.
func (r *repository) subject(id string) string { return r.Reference(id) }
