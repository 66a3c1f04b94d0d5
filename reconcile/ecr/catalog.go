package ecr

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
)

// Repositories returns the names of a host's repositories: of an ECR by
// DescribeRepositories, and of any other host as [oci.Client.Repositories] does.
func (c *Client) Repositories(ctx context.Context, host string) ([]string, error) {
	a := c.account(host)
	if a == nil {
		return c.oci.Repositories(ctx, host)
	}
	failed := func(err error) error {
		return a.failure("list of repositories of "+host, err)
	}
	api, err := a.reads(ctx)
	if err != nil {
		return nil, failed(err)
	}
	pages := ecr.NewDescribeRepositoriesPaginator(api, &ecr.DescribeRepositoriesInput{RegistryId: a.id(), MaxResults: aws.Int32(1000)})
	var names []string
	seen := pageTokens{}
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err == nil {
			err = seen.add(page.NextToken)
		}
		if err != nil {
			return nil, failed(err)
		}
		for _, repository := range page.Repositories {
			names = append(names, aws.ToString(repository.RepositoryName))
		}
	}
	return names, nil
}
