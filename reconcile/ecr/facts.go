package ecr

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"tagline/reconcile/registry"
)

// Facts costs one call per hundred repositories of the run, and one per
// repository for its lifecycle policy. A repository that does not exist is
// Facts.Missing. It returns no sentinel error.
func (r *reader) Facts(ctx context.Context) (registry.Facts, error) {
	repository, err := r.descriptions.of(ctx, r.Repository)
	if isAbsent(err) {
		return registry.Facts{Missing: true}, nil
	}
	if err != nil {
		return registry.Facts{}, err
	}
	return registry.Facts{Tags: mutabilityOf(repository), Expiries: r.expiries(ctx), LastTag: true, KeepsChildren: true}, nil // API_BatchDeleteImage
}

// mutabilityOf returns which tags can be moved. The filters of
// "…_WITH_EXCLUSION" are patterns with * as the only wildcard
// (API_PutImageTagMutability, user guide image-tag-mutability).
func mutabilityOf(repository types.Repository) registry.Mutability {
	m := registry.Mutability{Immutable: repository.ImageTagMutability == types.ImageTagMutabilityImmutable ||
		repository.ImageTagMutability == types.ImageTagMutabilityImmutableWithExclusion}
	for _, f := range repository.ImageTagMutabilityExclusionFilters {
		m.Except = append(m.Except, aws.ToString(f.Filter))
	}
	return m
}

// policyAttempts is how often a lifecycle policy is asked for. It serves only a
// warning.
const policyAttempts = 3

// expiries returns the rules of the lifecycle policy that may expire or archive
// a tagged image. They serve only a warning, so a failure stops no run. It is
// logged, unless the role of the run lacks the permission.
func (r *reader) expiries(ctx context.Context) []registry.Expiry {
	api, err := r.reads(ctx)
	if err != nil {
		return nil
	}
	out, err := api.GetLifecyclePolicy(ctx, &ecr.GetLifecyclePolicyInput{RegistryId: r.id(), RepositoryName: &r.Path},
		func(o *ecr.Options) { o.RetryMaxAttempts = min(policyAttempts, o.Retryer.MaxAttempts()) })
	var none *types.LifecyclePolicyNotFoundException
	if err == nil {
		var expiries []registry.Expiry
		if expiries, err = parseLifecycle(aws.ToString(out.LifecyclePolicyText)); err == nil {
			return expiries
		}
	}
	if !errors.As(err, &none) && !isDenied(err) && ctx.Err() == nil {
		r.run.options.OCI.Logger.WarnContext(ctx, "the lifecycle policy can't be read, so no alias is said to expire",
			"repository", r.String(), "error", r.failure("lifecycle policy of "+r.String(), err).Error())
	}
	return nil
}

// parseLifecycle parses a lifecycle policy (user guide,
// lifecycle_policy_parameters).
func parseLifecycle(text string) ([]registry.Expiry, error) {
	type rule struct {
		Priority    int    `json:"rulePriority"`
		Description string `json:"description"`
		Selection   struct {
			TagStatus string   `json:"tagStatus"` // tagged, untagged or any
			Prefixes  []string `json:"tagPrefixList"`
			Patterns  []string `json:"tagPatternList"`
			Class     string   `json:"storageClass"` // archive: only images that are already archived
		} `json:"selection"`
		Action struct {
			Type string `json:"type"` // expire, or transition to the storage class archive
		} `json:"action"`
	}
	var policy struct {
		Rules []rule `json:"rules"`
	}
	if err := json.Unmarshal([]byte(text), &policy); err != nil {
		return nil, err
	}
	slices.SortStableFunc(policy.Rules, func(a, b rule) int { return cmp.Compare(a.Priority, b.Priority) })
	var expiries []registry.Expiry
	for _, rule := range policy.Rules {
		if rule.Selection.Class == "archive" {
			continue
		}
		e := registry.Expiry{Rule: fmt.Sprintf("lifecycle rule %d", rule.Priority), Archives: rule.Action.Type == "transition"}
		if about := strings.TrimSpace(rule.Description); about != "" {
			e.Rule += " (" + about + ")"
		}
		switch rule.Selection.TagStatus {
		case "any":
			e.Tags = []string{"*"}
		case "tagged":
			e.Tags = slices.Clone(rule.Selection.Patterns)
			for _, prefix := range rule.Selection.Prefixes {
				e.Tags = append(e.Tags, prefix+"*")
			}
		}
		if len(e.Tags) > 0 {
			expiries = append(expiries, e)
		}
	}
	return expiries, nil
}
