package ecr

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
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

	"tagline/config"
	"tagline/reconcile/oci/transport"
)

// identity is who logs in to a registry, or who assumes the role for it.
type identity struct {
	profile   string // that images.yaml names; empty: the job's own
	partition string // where it is used: its STS is asked, if any
	region    string // of the STS that a profile asks, if images.yaml names one
}

func (i identity) String() string {
	if i.profile == "" {
		return "the job's own identity"
	}
	return fmt.Sprintf("profile %q", i.profile)
}

// session is the AWS configuration of an identity: files, environment,
// credentials. It is loaded at the first call. If that fails, it fails for all
// registries of the identity.
type session struct {
	client   *Client
	identity identity
	once     sync.Once
	http     *awshttp.BuildableClient
	config   aws.Config
	err      error

	underWay atomic.Value // string: the service that is being asked for credentials
}

// Limits of one attempt. Answers have at most a few MB.
const (
	headersTimeout = 30 * time.Second
	attemptTimeout = 2 * time.Minute
)

// Limits for credentials. A login helper or STS may take some time; the
// metadata service answers within milliseconds, or not at all.
const (
	credentialsTimeout = 30 * time.Second
	metadataTimeout    = 3 * time.Second
)

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
			awsconfig.WithHTTPClient(s.http), awsconfig.WithDefaultRegion(region), awsconfig.WithLogger(s.client.log()),
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
		patience := s.client.patience()
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

// onlyMetadata reports whether no source of credentials is configured, so that
// only EC2's metadata service is left.
func (s *session) onlyMetadata() bool {
	return aws.IsCredentialsProvider(s.config.Credentials, (*ec2rolecreds.Provider)(nil))
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

// credentials returns the configuration of AWS for a registry, with the
// credentials that images.yaml says, or else those of the job.
func (c *Client) credentials(ctx context.Context, r *account) (*session, aws.Config, error) {
	who := identity{profile: r.said.AWSProfile, partition: r.host.Partition()}
	if who.profile != "" {
		who.region = r.said.Region
	}
	known, _ := c.sessions.LoadOrStore(who, &session{client: c, identity: who})
	s := known.(*session)
	cfg, err := s.load(ctx, r.host.Region)
	if err == nil && r.said.RoleARN != "" {
		cfg.Credentials, err = c.assume(ctx, cfg, roleKey{who, r.said.RoleARN, r.said.ExternalID, c.stsRegion(r)})
	}
	return s, cfg, err
}

// stsRegion is the region whose STS is asked for a registry's role: the one that
// images.yaml names, or else the registry's own. Registries of several regions with
// one role share a call, so it is the first of their regions.
func (c *Client) stsRegion(r *account) string {
	if r.said.Region != "" {
		return r.said.Region
	}
	region := r.host.Region
	for name, said := range c.options.Registries {
		said.Concurrency, said.Kind = r.said.Concurrency, r.said.Kind
		if host, ok := config.ParseECRHost(name); ok && said == r.said {
			region = min(region, host.Region)
		}
	}
	return region
}

// connect returns the SDK's client for a registry, and its connections.
func (c *Client) connect(ctx context.Context, r *account) (*ecr.Client, *http.Client, error) {
	s, cfg, err := c.credentials(ctx, r)
	if err != nil {
		if r.said.AWSProfile != "" || r.said.RoleARN != "" {
			err = r.refused(err)
		}
		return nil, nil, err
	}
	network := s.network(r.atOnce())
	return ecr.NewFromConfig(cfg, func(o *ecr.Options) {
		o.Region = r.host.Region
		o.EndpointOptions = endpointOptions(o.EndpointOptions, r.host, o.BaseEndpoint != nil)
		w := &wire{next: network, client: c, slots: make(transport.Slots, r.atOnce())}
		o.HTTPClient = w
		o.Retryer = c.retryer(w)
		o.APIOptions = append(o.APIOptions, c.userAgent()...)
	}), network, nil
}

// userAgent adds tagline's name and version to those of the SDK.
func (c *Client) userAgent() (options []func(*middleware.Stack) error) {
	if name, version, ok := strings.Cut(c.options.OCI.UserAgent, "/"); ok {
		options = append(options, awsmiddleware.AddUserAgentKeyValue(name, version))
	}
	return options
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

// attempts is how often a call is tried. ECR does not publish most of its
// rates, so throttling is only found by calls.
const attempts = 8

// The longest waits between two attempts: after throttling, and after anything
// else.
const (
	throttledBackoff = 20 * time.Second
	otherBackoff     = 2 * time.Second
)

// retryer is the SDK's, with more attempts. The SDK retries LimitExceeded like
// a throttle; in ECR it means a full quota, which stays full (API_PutImage,
// Errors). If a host has left as many attempts in a row unanswered, whatever
// the calls, no call is retried.
//
// The SDK's limit on retries across calls is removed: with so many calls in
// flight, one throttled second would use it up.
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
			if errors.As(err, &full) || errors.As(err, new(*unsentError)) || transport.ByProxy(err) != nil || w.unanswered.Load() >= int64(o.MaxAttempts) {
				return aws.FalseTernary
			}
			return aws.UnknownTernary
		})}, o.Retryables...)
	})
}

// backoff waits longer after throttling than after other errors.
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

// wire is between the SDK and the network. It limits the requests in flight,
// and counts and logs each attempt, but never its contents.
//
// It gives net/http its own copy of the body. The SDK closes its body as soon
// as an answer begins. If net/http has not read the body's end by then, it
// takes that for a failed write and cuts the connection while the answer
// arrives (smithy-go v1.28.8, transport/http/internal/io/safe.go).
type wire struct {
	next   ecr.HTTPClient
	client *Client
	slots  transport.Slots
	// unanswered counts the attempts since the last one that was answered.
	unanswered atomic.Int64
	told       atomic.Bool // whether a retry has been logged as a warning
}

// checkKey is where the context of a PutImage has what to ask before the SDK sends it
// again.
type checkKey struct{}

// withCheck returns a context for a PutImage or a BatchDeleteImage. ask is called before that is sent again, and
// before it is sent at all if it had to wait for a second. If ask returns an error, it is
// not sent.
func withCheck(ctx context.Context, ask func(context.Context) error) context.Context {
	return context.WithValue(ctx, checkKey{}, ask)
}

// unsentError is why a call was not sent again.
type unsentError struct{ error }

func (e *unsentError) Unwrap() error { return e.error }

// Do implements [ecr.HTTPClient].
func (w *wire) Do(req *http.Request) (*http.Response, error) {
	_, operation, _ := strings.Cut(req.Header.Get("X-Amz-Target"), ".")
	attempt, _, again := strings.Cut(strings.TrimPrefix(req.Header.Get("Amz-Sdk-Request"), "attempt="), ";")
	again = again && attempt != "1"
	var check func(context.Context) error
	if operation == "PutImage" || operation == "BatchDeleteImage" {
		check, _ = req.Context().Value(checkKey{}).(func(context.Context) error)
	}
	if check != nil && again {
		if err := check(req.Context()); err != nil {
			return nil, &unsentError{err}
		}
	}
	leave, err := w.slots.Enter(req.Context(), check)
	if req.Context().Err() != nil && err != nil {
		return nil, req.Context().Err()
	}
	if err != nil {
		return nil, &unsentError{err}
	}
	defer leave()
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
	if again {
		level, note := slog.LevelDebug, "asking again"
		if !w.told.Swap(true) { // once: in a throttled run they would fill the log
			level, note = slog.LevelWarn, "asking again; -vv logs every time"
		}
		w.client.options.OCI.Logger.Log(req.Context(), level, note, append([]any{"operation", operation, "host", req.URL.Host, "attempt", attempt}, subject(body)...)...)
	}
	resp, err := w.next.Do(sent)
	w.client.counts.add(operation, resp, again)
	if err == nil {
		w.unanswered.Store(0)
	} else if req.Context().Err() == nil {
		w.unanswered.Add(1)
	}
	log := w.client.options.OCI.Logger.With("operation", operation, "host", req.URL.Host, "duration_seconds", time.Since(began).Round(time.Microsecond).Seconds()).With(subject(body)...)
	if err != nil {
		log.DebugContext(req.Context(), "request", "error", root(err).Error())
	} else {
		log.DebugContext(req.Context(), "request", "status", resp.StatusCode)
	}
	return resp, err
}

// subject is the repository of a call, and the tag of an image that it writes, for
// the log.
func subject(body []byte) []any {
	var call struct{ RepositoryName, ImageTag string }
	if err := json.Unmarshal(body, &call); err != nil || call.RepositoryName == "" {
		return nil
	}
	about := []any{"repository", call.RepositoryName}
	if call.ImageTag != "" {
		about = append(about, "reference", call.ImageTag)
	}
	return about
}

// log logs the SDK's own messages, such as a metadata service that does not
// answer, at debug level.
func (c *Client) log() logging.Logger {
	return logging.LoggerFunc(func(class logging.Classification, format string, args ...any) {
		c.options.OCI.Logger.Debug("aws", "class", string(class), "message", fmt.Sprintf(format, args...))
	})
}
