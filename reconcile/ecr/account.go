package ecr

import (
	"context"
	"net/http"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"tagline/config"
	"tagline/reconcile/registry"
)

// reads are the operations that change nothing, as an interface.
type reads interface {
	BatchCheckLayerAvailability(context.Context, *ecr.BatchCheckLayerAvailabilityInput, ...func(*ecr.Options)) (*ecr.BatchCheckLayerAvailabilityOutput, error)
	BatchGetImage(context.Context, *ecr.BatchGetImageInput, ...func(*ecr.Options)) (*ecr.BatchGetImageOutput, error)
	DescribeImages(context.Context, *ecr.DescribeImagesInput, ...func(*ecr.Options)) (*ecr.DescribeImagesOutput, error)
	DescribeRepositories(context.Context, *ecr.DescribeRepositoriesInput, ...func(*ecr.Options)) (*ecr.DescribeRepositoriesOutput, error)
	GetAuthorizationToken(context.Context, *ecr.GetAuthorizationTokenInput, ...func(*ecr.Options)) (*ecr.GetAuthorizationTokenOutput, error)
	GetLifecyclePolicy(context.Context, *ecr.GetLifecyclePolicyInput, ...func(*ecr.Options)) (*ecr.GetLifecyclePolicyOutput, error)
	ListImageReferrers(context.Context, *ecr.ListImageReferrersInput, ...func(*ecr.Options)) (*ecr.ListImageReferrersOutput, error)
}

// writes are the operations that change a repository, as an interface.
type writes interface {
	BatchDeleteImage(context.Context, *ecr.BatchDeleteImageInput, ...func(*ecr.Options)) (*ecr.BatchDeleteImageOutput, error)
	PutImage(context.Context, *ecr.PutImageInput, ...func(*ecr.Options)) (*ecr.PutImageOutput, error)
}

// account is the ECR of one account in one region. All readers and writers of
// its repositories share it.
type account struct {
	client *Client
	name   string // its host
	host   config.ECRHost
	said   config.Registry // what images.yaml says of it
	pushes *rate.Limiter
	turn   chan struct{} // full while a batch of tags is read and pushed

	connecting sync.Once
	api        *ecr.Client
	network    *http.Client
	err        error // why api is nil

	token        tokens
	repositories repositories
	listings     sync.Map // repository -> *listing
}

func newAccount(c *Client, name string, host config.ECRHost) *account {
	r := &account{
		client: c, name: name, host: host, said: c.options.Registries[name],
		// Two at once make up for the reads between batches.
		pushes: rate.NewLimiter(rate.Limit(c.options.PushRate), 2), turn: make(chan struct{}, 1),
	}
	for _, repository := range c.options.Repositories {
		if repository.Host == name {
			r.repositories.expected = append(r.repositories.expected, repository.Path)
		}
	}
	return r
}

// connect loads the credentials at the first call.
func (r *account) connect(ctx context.Context) error {
	r.connecting.Do(func() { r.api, r.network, r.err = r.client.connect(ctx, r) })
	return r.err
}

// refused says which registry could not be entered. The error is the same for all
// repositories of it.
func (r *account) refused(err error) error {
	return registry.Explain(r.name+": "+err.Error(), "", err)
}

// atOnce is how many requests may be in flight.
func (r *account) atOnce() int { return r.client.options.OCI.AtOnce(r.name) }

func (r *account) close() {
	r.connecting.Do(func() {}) // after a connect that is under way
	if r.network != nil {
		r.network.CloseIdleConnections()
	}
}

func (r *account) reads(ctx context.Context) (reads, error) {
	if err := r.connect(ctx); err != nil {
		return nil, err
	}
	return r.api, nil
}

func (r *account) writes(ctx context.Context) (writes, error) {
	if err := r.connect(ctx); err != nil {
		return nil, err
	}
	return r.api, nil
}

// id is the RegistryId of every call. Without it, ECR uses the caller's
// account.
func (r *account) id() *string { return &r.host.Account }

// idsPerCall is the limit of every operation that takes image ids or repository
// names (API_BatchGetImage, API_DescribeRepositories).
const idsPerCall = 100

// all calls do with the ids in batches of a hundred, several at a time.
func (r *account) all(ids []string, do func(batch []string)) {
	var group errgroup.Group
	group.SetLimit(r.atOnce())
	for batch := range slices.Chunk(ids, idsPerCall) {
		group.Go(func() error {
			do(batch)
			return nil
		})
	}
	_ = group.Wait()
}

// fail sets the same error in every answer.
func fail[T any](answers []registry.Answer[T], err error) []registry.Answer[T] {
	for i := range answers {
		answers[i].Err = err
	}
	return answers
}
