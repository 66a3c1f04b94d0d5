package ecr

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"tagline/reconcile/registry"
)

// repositories are those of a run, described together.
type repositories struct {
	expected  []string // paths
	once      sync.Once
	described sync.Map // path -> types.Repository
}

// Facts costs one call for a hundred repositories of the run, and one for the
// lifecycle policy of each that is asked about.
func (r *reader) Facts(ctx context.Context) (registry.Facts, error) {
	repository, err := r.describe(ctx)
	if isAbsent(err) {
		return registry.Facts{Missing: true}, nil
	}
	if err != nil {
		return registry.Facts{}, err
	}
	expiries, err := r.expiries(ctx)
	return registry.Facts{Tags: mutabilityOf(repository), Expiries: expiries, LastTag: true, KeepsChildren: true}, err // API_BatchDeleteImage
}

// describe tells of the repository. One that is missing or forbidden fails the
// call for all (API_DescribeRepositories); then each is asked for alone.
func (r *reader) describe(ctx context.Context) (types.Repository, error) {
	if err := r.interrupted(ctx); err != nil { // or else no other image of the run would be described
		return types.Repository{}, err
	}
	api, err := r.reads(ctx)
	if err != nil {
		return types.Repository{}, err
	}
	ask := func(paths []string) ([]types.Repository, error) {
		out, err := api.DescribeRepositories(ctx, &ecr.DescribeRepositoriesInput{RegistryId: r.id(), RepositoryNames: paths})
		if err != nil {
			return nil, r.failure(r.String(), err)
		}
		return out.Repositories, nil
	}
	known := &r.repositories
	known.once.Do(func() {
		r.all(known.expected, func(batch []string) {
			got, err := ask(batch)
			for _, repository := range got {
				if err == nil {
					known.described.Store(aws.ToString(repository.RepositoryName), repository)
				}
			}
		})
	})
	if repository, ok := known.described.Load(r.Path); ok {
		return repository.(types.Repository), nil
	}
	got, err := ask([]string{r.Path})
	if err != nil {
		return types.Repository{}, err
	}
	if len(got) != 1 {
		return types.Repository{}, fmt.Errorf("%s: ECR described %d repositories, not this one", r, len(got))
	}
	return got[0], nil
}

// mutabilityOf: the filters of "…_WITH_EXCLUSION" are wildcards with * alone
// (API_PutImageTagMutability, user guide image-tag-mutability).
func mutabilityOf(repository types.Repository) registry.Mutability {
	m := registry.Mutability{Immutable: repository.ImageTagMutability == types.ImageTagMutabilityImmutable ||
		repository.ImageTagMutability == types.ImageTagMutabilityImmutableWithExclusion}
	for _, f := range repository.ImageTagMutabilityExclusionFilters {
		m.Except = append(m.Except, aws.ToString(f.Filter))
	}
	return m
}

// expiries are the rules of the lifecycle policy that may expire or archive a
// tagged image. Whether there are any is good to know and no more, so a missing
// permission is not an error.
func (r *reader) expiries(ctx context.Context) ([]registry.Expiry, error) {
	api, err := r.reads(ctx)
	if err != nil {
		return nil, err
	}
	out, err := api.GetLifecyclePolicy(ctx, &ecr.GetLifecyclePolicyInput{RegistryId: r.id(), RepositoryName: &r.Path})
	var none *types.LifecyclePolicyNotFoundException
	switch {
	case errors.As(err, &none) || isDenied(err):
		return nil, nil
	case err != nil:
		return nil, r.failure("lifecycle policy of "+r.String(), err)
	}
	return parseLifecycle(aws.ToString(out.LifecyclePolicyText)), nil
}

// parseLifecycle reads a lifecycle policy (user guide,
// lifecycle_policy_parameters). One that it can't read has no rules to warn of.
func parseLifecycle(text string) []registry.Expiry {
	var policy struct {
		Rules []struct {
			Priority    int    `json:"rulePriority"`
			Description string `json:"description"`
			Selection   struct {
				TagStatus string   `json:"tagStatus"` // tagged, untagged or any
				Prefixes  []string `json:"tagPrefixList"`
				Patterns  []string `json:"tagPatternList"`
			} `json:"selection"`
		} `json:"rules"`
	}
	if json.Unmarshal([]byte(text), &policy) != nil {
		return nil
	}
	var expiries []registry.Expiry
	for _, rule := range policy.Rules {
		e := registry.Expiry{Rule: fmt.Sprintf("lifecycle rule %d", rule.Priority)}
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
	slices.SortStableFunc(expiries, func(a, b registry.Expiry) int { return cmp.Compare(a.Rule, b.Rule) })
	return expiries
}
