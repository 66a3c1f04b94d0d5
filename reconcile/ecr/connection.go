package ecr

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"golang.org/x/sync/errgroup"

	"tagline/config"
	"tagline/reconcile/oci/transport"
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

// connection is how the API of one account in one region is called. It logs in at the
// first call.
type connection struct {
	run  *run
	name string // its host
	host config.ECRHost
	said config.Registry // what images.yaml says of it

	connecting sync.Once
	api        *ecr.Client
	network    *http.Client
	err        error // why api is nil
}

// connect makes the SDK's client at the first call, with its credentials.
func (c *connection) connect(ctx context.Context) error {
	c.connecting.Do(func() {
		s, cfg, err := c.credentials(ctx)
		if err != nil {
			if c.said.AWSProfile != "" || c.said.RoleARN != "" {
				err = c.refused(err)
			}
			c.err = err
			return
		}
		c.network = s.network(c.atOnce())
		c.api = ecr.NewFromConfig(cfg, func(o *ecr.Options) {
			o.Region = c.host.Region
			o.EndpointOptions = endpointOptions(o.EndpointOptions, c.host, o.BaseEndpoint != nil)
			w := &wire{next: c.network, run: c.run, slots: make(transport.Slots, c.atOnce())}
			o.HTTPClient = w
			o.Retryer = c.run.retryer(w)
			o.APIOptions = append(o.APIOptions, c.run.userAgent()...)
		})
	})
	return c.err
}

// credentials returns the SDK's configuration for the registry. It has the credentials
// that images.yaml asks for, or else those of the job.
func (c *connection) credentials(ctx context.Context) (*session, aws.Config, error) {
	who := identity{profile: c.said.AWSProfile, partition: c.host.Partition()}
	if who.profile != "" {
		who.region = c.said.Region
	}
	known, _ := c.run.sessions.LoadOrStore(who, &session{run: c.run, sources: sources{identity: who}})
	s := known.(*session)
	cfg, err := s.load(ctx, c.host.Region)
	if err == nil && c.said.RoleARN != "" {
		cfg.Credentials, err = c.run.assume(ctx, cfg, roleKey{who, c.said.RoleARN, c.said.ExternalID, c.stsRegion()})
	}
	return s, cfg, err
}

// stsRegion is the region whose STS is asked for a registry's role: the one that
// images.yaml names, or else the registry's own. Registries of several regions with
// one role share a call, so it is the first of their regions.
func (c *connection) stsRegion() string {
	if c.said.Region != "" {
		return c.said.Region
	}
	region := c.host.Region
	for name, said := range c.run.options.Registries {
		said.Concurrency, said.Kind = c.said.Concurrency, c.said.Kind
		if host, ok := config.ParseECRHost(name); ok && said == c.said {
			region = min(region, host.Region)
		}
	}
	return region
}

// endpointOptions chooses one of AWS's endpoints. It leaves an endpoint that
// the user gives as a URL unchanged: the SDK refuses to combine it with FIPS or
// dual stack, whether the host or AWS_USE_FIPS_ENDPOINT asks for that.
func endpointOptions(options ecr.EndpointResolverOptions, host config.ECRHost, given bool) ecr.EndpointResolverOptions {
	if given {
		options.UseFIPSEndpoint, options.UseDualStackEndpoint = aws.FIPSEndpointStateDisabled, aws.DualStackEndpointStateDisabled
		return options
	}
	if host.FIPS {
		options.UseFIPSEndpoint = aws.FIPSEndpointStateEnabled
	}
	if host.DualStack {
		options.UseDualStackEndpoint = aws.DualStackEndpointStateEnabled
	}
	return options
}

// refused says which registry could not be entered. The error is the same for all of
// its repositories.
func (c *connection) refused(err error) error {
	return registry.Explain(c.name+": "+err.Error(), "", err)
}

// failure says what went wrong with a subject, as [explained] does. An error that
// explains itself, or that is why nothing can be called, is returned as it is.
func (c *connection) failure(subject string, err error) error {
	var role *roleError // its credentials could not be renewed
	if errors.As(err, &role) {
		return c.refused(role)
	}
	var ours *registry.Explained
	if errors.As(err, &ours) || errors.Is(err, c.err) && c.err != nil {
		return err
	}
	return explained(c.name, subject, err)
}

// atOnce is how many requests may be in flight.
func (c *connection) atOnce() int { return c.run.options.OCI.AtOnce(c.name) }

func (c *connection) close() {
	c.connecting.Do(func() {}) // after a connect that is under way
	if c.network != nil {
		c.network.CloseIdleConnections()
	}
}

func (c *connection) reads(ctx context.Context) (reads, error) {
	if err := c.connect(ctx); err != nil {
		return nil, err
	}
	return c.api, nil
}

func (c *connection) writes(ctx context.Context) (writes, error) {
	if err := c.connect(ctx); err != nil {
		return nil, err
	}
	return c.api, nil
}

// id is the RegistryId of every call. Without it, ECR uses the caller's
// account.
func (c *connection) id() *string { return &c.host.Account }

// idsPerCall is the limit of every operation that takes image ids or repository
// names (API_BatchGetImage, API_DescribeRepositories).
const idsPerCall = 100

// all calls do with the ids in batches of a hundred, several at a time.
func (c *connection) all(ids []string, do func(batch []string)) {
	var group errgroup.Group
	group.SetLimit(c.atOnce())
	for batch := range slices.Chunk(ids, idsPerCall) {
		group.Go(func() error {
			do(batch)
			return nil
		})
	}
	_ = group.Wait()
}
