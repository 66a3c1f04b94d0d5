package ecr

import (
	"context"
	"fmt"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"tagline/config"
)

// descriptions are what ECR says of an account's repositories. One call describes a
// hundred of those that the run is expected to ask for.
type descriptions struct {
	*connection
	expected []string // paths
	once     sync.Once
	known    sync.Map // path -> types.Repository
}

// of returns the description of a repository. A repository that is missing or
// forbidden fails the call for all (API_DescribeRepositories); then each is asked for
// alone.
func (d *descriptions) of(ctx context.Context, repository config.Repository) (types.Repository, error) {
	if err := ctx.Err(); err != nil { // otherwise an ended context would fail the description for every other image of the run
		return types.Repository{}, d.failure(repository.String(), err)
	}
	api, err := d.reads(ctx)
	if err != nil {
		return types.Repository{}, err
	}
	ask := func(paths []string) ([]types.Repository, error) {
		out, err := api.DescribeRepositories(ctx, &ecr.DescribeRepositoriesInput{RegistryId: d.id(), RepositoryNames: paths})
		if err != nil {
			return nil, d.failure(repository.String(), err)
		}
		return out.Repositories, nil
	}
	d.once.Do(func() {
		d.all(d.expected, func(batch []string) {
			got, err := ask(batch)
			for _, one := range got {
				if err == nil {
					d.known.Store(aws.ToString(one.RepositoryName), one)
				}
			}
		})
	})
	if known, ok := d.known.Load(repository.Path); ok {
		return known.(types.Repository), nil
	}
	got, err := ask([]string{repository.Path})
	if err != nil {
		return types.Repository{}, err
	}
	if len(got) != 1 {
		return types.Repository{}, fmt.Errorf("%s: ECR described %d repositories, not this one", repository, len(got))
	}
	return got[0], nil
}
