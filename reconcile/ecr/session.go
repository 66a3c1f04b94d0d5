package ecr

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/middleware"

	"tagline/config"
	"tagline/reconcile/oci/transport"
)

// session is the AWS configuration of an identity: files, environment,
// credentials. It is loaded at the first call. If that fails, it fails for all
// registries of the identity.
type session struct {
	sources
	run  *run
	once sync.Once
	http *awshttp.BuildableClient
	err  error
}

// Limits of one attempt. Answers have at most a few MB.
const (
	headersTimeout = 30 * time.Second
	attemptTimeout = 2 * time.Minute
)

// metadataTimeout is how long EC2's metadata service may take. It answers within
// milliseconds, or not at all.
const metadataTimeout = 3 * time.Second

// load loads the usual sources of the AWS SDK. The host of each registry has
// its region. The given region is for credentials, if nothing else names one of
// the partition.
func (s *session) load(ctx context.Context, region string) (aws.Config, error) {
	s.once.Do(func() {
		s.http = awshttp.NewBuildableClient().WithTimeout(attemptTimeout).WithTransportOptions(func(t *http.Transport) {
			t.ResponseHeaderTimeout = headersTimeout
			t.OnProxyConnectResponse = transport.ProxyAnswer
		})
		if s.err = checkEndpoints(); s.err != nil {
			return
		}
		ctx = context.WithoutCancel(ctx) // the session serves the whole run, not only the first image
		options := []func(*awsconfig.LoadOptions) error{
			awsconfig.WithHTTPClient(s.http), awsconfig.WithDefaultRegion(region), awsconfig.WithLogger(s.run.log()),
			awsconfig.WithAPIOptions([]func(*middleware.Stack) error{s.asked}),
			awsconfig.WithSharedConfigProfile(s.identity.profile), awsconfig.WithRegion(s.identity.region), // empty: ignored
		}
		s.config, s.err = awsconfig.LoadDefaultConfig(ctx, options...)
		if s.err == nil && config.Partition(s.config.Region) != s.identity.partition { // such as AWS_REGION for a registry in China
			s.config, s.err = awsconfig.LoadDefaultConfig(ctx, append(options, awsconfig.WithRegion(region))...)
		}
		if s.err != nil {
			s.err = s.noConfiguration(s.err)
			return
		}
		if with, ok := s.config.HTTPClient.(*awshttp.BuildableClient); ok { // with AWS_CA_BUNDLE
			s.http = with
		}
		patience := s.run.patience()
		if s.onlyMetadata() {
			patience = min(patience, metadataTimeout)
		}
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		if _, err := s.config.Credentials.Retrieve(ctx); err != nil {
			s.err = s.noCredentials(ctx, err, patience)
		}
	})
	return s.config, s.err
}

// checkEndpoints refuses values that the SDK would accept as a URL and never
// reach.
func checkEndpoints() error {
	for _, name := range []string{"AWS_ENDPOINT_URL_ECR", "AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL"} {
		value := os.Getenv(name)
		if u, err := url.Parse(value); value != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
			return fmt.Errorf("%s is %q, which is no URL; write it as https://host", name, value)
		}
	}
	return nil
}

// network returns an HTTP client with connections of its own. All registries of a
// region have one host for the API, and each keeps as many connections as it may
// have requests in flight.
func (s *session) network(atOnce int) *http.Client {
	transport := s.http.GetTransport() // a copy
	transport.MaxIdleConnsPerHost = atOnce
	return &http.Client{
		Transport: transport, Timeout: s.http.GetTimeout(),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // no API redirects
	}
}
