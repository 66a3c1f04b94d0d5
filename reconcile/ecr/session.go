package ecr

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"tagline/config"
	"tagline/reconcile/oci"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"
)

// session is the AWS configuration of a run: files, environment, credentials.
// It is loaded with the first call, and a failure is that of the whole run.
type session struct {
	client *Client
	once   sync.Once
	http   *awshttp.BuildableClient
	config aws.Config
	err    error

	underWay atomic.Value // string: the service that is being asked for credentials
}

// Of one attempt. Answers are at most a few MB.
const (
	headersTimeout = 30 * time.Second
	attemptTimeout = 2 * time.Minute
)

// For credentials: a login helper or STS may take its time; the metadata
// service answers within milliseconds, or not at all.
const (
	credentialsTimeout = 30 * time.Second
	metadataTimeout    = 3 * time.Second
)

// load takes the usual sources of the AWS SDK. The region of each registry is
// in its host; the one that is passed serves what credentials need, where
// nothing else names a region.
func (s *session) load(ctx context.Context, region string) (aws.Config, error) {
	s.once.Do(func() {
		s.http = awshttp.NewBuildableClient().WithTimeout(attemptTimeout).WithTransportOptions(func(t *http.Transport) {
			t.ResponseHeaderTimeout = headersTimeout
			t.OnProxyConnectResponse = oci.ProxyAnswer
			t.MaxIdleConnsPerHost = s.client.options.OCI.Concurrency
		})
		if s.err = checkEndpoints(); s.err != nil {
			return
		}
		ctx = context.WithoutCancel(ctx) // for all of the run, whichever image comes first
		s.config, s.err = awsconfig.LoadDefaultConfig(ctx,
			awsconfig.WithHTTPClient(s.http), awsconfig.WithDefaultRegion(region), awsconfig.WithLogger(s.client.log()),
			awsconfig.WithAPIOptions([]func(*middleware.Stack) error{s.asked}))
		if s.err != nil {
			s.err = fmt.Errorf("AWS configuration: %w", s.err)
			return
		}
		patience := cmp.Or(s.client.options.OCI.Patience.Headers, credentialsTimeout)
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

// checkEndpoints refuses what the SDK would take for a URL and never reach.
func checkEndpoints() error {
	for _, name := range []string{"AWS_ENDPOINT_URL_ECR", "AWS_ENDPOINT_URL"} {
		value := os.Getenv(name)
		if u, err := url.Parse(value); value != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
			return fmt.Errorf("%s is %q, which is no URL; write it as https://host", name, value)
		}
	}
	return nil
}

// onlyMetadata tells whether nothing is set up, so that the metadata service of
// EC2 is all that is left to ask.
func (s *session) onlyMetadata() bool {
	return aws.IsCredentialsProvider(s.config.Credentials, (*ec2rolecreds.Provider)(nil))
}

func (s *session) close() {
	if s.http != nil {
		s.http.GetTransport().CloseIdleConnections()
	}
}

// connect makes the SDK's client for a registry.
func (c *Client) connect(ctx context.Context, host config.ECRHost) (*ecr.Client, error) {
	cfg, err := c.session.load(ctx, host.Region)
	if err != nil {
		return nil, err
	}
	return ecr.NewFromConfig(cfg, func(o *ecr.Options) {
		o.Region = host.Region
		o.EndpointOptions = endpointOptions(o.EndpointOptions, host, o.BaseEndpoint != nil)
		w := &wire{next: cfg.HTTPClient, client: c, slots: make(chan struct{}, c.options.OCI.Concurrency)}
		o.HTTPClient = w
		o.Retryer = c.retryer(w)
		if name, version, ok := strings.Cut(c.options.OCI.UserAgent, "/"); ok {
			o.APIOptions = append(o.APIOptions, awsmiddleware.AddUserAgentKeyValue(name, version))
		}
	}), nil
}

// endpointOptions choose one of AWS's endpoints. An endpoint that is given by its
// URL is used as it is: the SDK refuses to look for its FIPS or dual-stack twin,
// whether the host asks for that or AWS_USE_FIPS_ENDPOINT.
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

// attempts is how often a call is made: ECR does not publish most of its rates,
// and throttling is met in practice.
const attempts = 8

// What an attempt waits for the one before it, at most: for an operation above
// its rate, and for anything else.
const (
	throttledBackoff = 20 * time.Second
	otherBackoff     = 2 * time.Second
)

// retryer is the SDK's, with more attempts. The SDK takes LimitExceeded for a
// throttle; in ECR it is a quota that is full, and stays so (API_PutImage,
// Errors). To a host that has not answered in so many attempts, whatever they
// were for, there are no more.
//
// The SDK's own bound on retries over all calls is taken away: with so many
// calls under way, one throttled second would use it up.
func (c *Client) retryer(w *wire) aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = cmp.Or(c.options.OCI.Patience.Attempts, attempts)
		o.RateLimiter = ratelimit.None
		o.Backoff = backoff{
			throttled: retry.NewExponentialJitterBackoff(cmp.Or(c.options.OCI.Patience.Backoff, throttledBackoff)),
			other:     retry.NewExponentialJitterBackoff(cmp.Or(c.options.OCI.Patience.Backoff, otherBackoff)),
		}
		o.Retryables = append([]retry.IsErrorRetryable{retry.IsErrorRetryableFunc(func(err error) aws.Ternary {
			var full *types.LimitExceededException
			if errors.As(err, &full) || oci.ByProxy(err) != nil || w.unanswered.Load() >= int64(o.MaxAttempts) {
				return aws.FalseTernary
			}
			return aws.UnknownTernary
		})}, o.Retryables...)
	})
}

// backoff tells throttling from the rest.
type backoff struct {
	throttled, other *retry.ExponentialJitterBackoff
}

// BackoffDelay implements [retry.BackoffDelayer].
func (b backoff) BackoffDelay(attempt int, err error) (time.Duration, error) {
	if retry.IsErrorThrottles(retry.DefaultThrottles).IsErrorThrottle(err) == aws.TrueTernary {
		return b.throttled.BackoffDelay(attempt, err)
	}
	return b.other.BackoffDelay(attempt, err)
}

// wire is between the SDK and the network: it bounds what is in flight, counts
// and logs each attempt, and never logs what an attempt carries.
//
// It hands net/http a body that nobody closes. The SDK closes the one it made
// as soon as an answer begins; if net/http still waits to see that body's end
// by then, it takes that for a failed write and cuts the connection under the
// answer (smithy-go v1.28.8, transport/http/internal/io/safe.go).
type wire struct {
	next   ecr.HTTPClient
	client *Client
	slots  chan struct{}
	// unanswered counts the attempts since the last one that had any answer.
	unanswered atomic.Int64
	told       atomic.Bool // that a call is repeated
}

// Do implements [ecr.HTTPClient].
func (w *wire) Do(req *http.Request) (*http.Response, error) {
	select {
	case w.slots <- struct{}{}:
		defer func() { <-w.slots }()
	case <-req.Context().Done():
		return nil, req.Context().Err()
	}
	var body []byte
	if req.Body != nil {
		var err error
		if body, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
	}
	sent := req.Clone(req.Context())
	sent.Body = io.NopCloser(bytes.NewReader(body))

	began := time.Now()
	_, operation, _ := strings.Cut(req.Header.Get("X-Amz-Target"), ".")
	attempt, _, again := strings.Cut(strings.TrimPrefix(req.Header.Get("Amz-Sdk-Request"), "attempt="), ";")
	if again = again && attempt != "1"; again {
		level, note := slog.LevelDebug, "asking again"
		if !w.told.Swap(true) { // once: a throttled run would fill the log
			level, note = slog.LevelWarn, "asking again; -vv logs every time"
		}
		w.client.options.OCI.Logger.Log(req.Context(), level, note, "operation", operation, "host", req.URL.Host, "attempt", attempt)
	}
	resp, err := w.next.Do(sent)
	w.client.counts.add(operation, resp, again)
	if err == nil {
		w.unanswered.Store(0)
	} else if req.Context().Err() == nil {
		w.unanswered.Add(1)
	}
	log := w.client.options.OCI.Logger.With("operation", operation, "host", req.URL.Host, "duration", time.Since(began).Round(time.Microsecond).String())
	if err != nil {
		log.DebugContext(req.Context(), "request", "error", root(err).Error())
	} else {
		log.DebugContext(req.Context(), "request", "status", resp.StatusCode)
	}
	return resp, err
}

// log has what the SDK says of its own, such as a metadata service that does
// not answer, among the details.
func (c *Client) log() logging.Logger {
	return logging.LoggerFunc(func(class logging.Classification, format string, args ...any) {
		c.options.OCI.Logger.Debug("aws", "class", string(class), "message", fmt.Sprintf(format, args...))
	})
}
