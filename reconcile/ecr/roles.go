package ecr

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"tagline/reconcile/oci/transport"
)

// sessionName is what CloudTrail and the role's policies see of tagline
// (sts:RoleSessionName).
const sessionName = "tagline"

// roleLife is how long a role's credentials live: the longest life that every role
// allows, also one that another role assumes (STS API reference, AssumeRole:
// DurationSeconds). They are renewed some time before their end.
const (
	roleLife        = time.Hour
	renewRoleBefore = 5 * time.Minute
)

// roleKey is a role that images.yaml names, and who assumes it where.
type roleKey struct {
	identity
	arn        string
	externalID string // empty: none
	stsRegion  string
}

// role is a role of a run. The registries that share it share its credentials.
type role struct {
	once        sync.Once
	credentials *aws.CredentialsCache
	err         error
}

// assume returns the credentials of a role. It asks for them at its first call, so
// that an error is known before any call to ECR. The error is a [*roleError].
func (r *run) assume(ctx context.Context, cfg aws.Config, key roleKey) (aws.CredentialsProvider, error) {
	known, _ := r.roles.LoadOrStore(key, &role{})
	one := known.(*role)
	one.once.Do(func() {
		api := sts.NewFromConfig(cfg, func(o *sts.Options) {
			o.Region = key.stsRegion
			if o.BaseEndpoint != nil { // see endpointOptions
				o.EndpointOptions.UseFIPSEndpoint, o.EndpointOptions.UseDualStackEndpoint = aws.FIPSEndpointStateDisabled, aws.DualStackEndpointStateDisabled
			}
			o.Retryer = retry.NewStandard(func(o *retry.StandardOptions) {
				o.MaxAttempts = cmp.Or(r.options.OCI.Patience.Attempts, o.MaxAttempts)
				o.Backoff = retry.NewExponentialJitterBackoff(cmp.Or(r.options.OCI.Patience.Backoff, otherBackoff))
				o.Retryables = append([]retry.IsErrorRetryable{retry.IsErrorRetryableFunc(func(err error) aws.Ternary {
					if transport.ByProxy(err) != nil {
						return aws.FalseTernary
					}
					return aws.UnknownTernary
				})}, o.Retryables...)
			})
			o.APIOptions = append(o.APIOptions, r.userAgent()...)
		})
		provider := stscreds.NewAssumeRoleProvider(api, key.arn, func(o *stscreds.AssumeRoleOptions) {
			o.RoleSessionName, o.Duration = sessionName, roleLife
			if key.externalID != "" {
				o.ExternalID = &key.externalID
			}
		})
		one.credentials = aws.NewCredentialsCache(aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
			ctx, cancel := context.WithTimeout(ctx, r.patience()) // the cache hands on no deadline of its callers
			defer cancel()
			found, err := provider.Retrieve(ctx)
			if err != nil {
				return found, &roleError{key, r.patience(), ctx.Err() != nil, err}
			}
			r.options.OCI.Logger.DebugContext(ctx, "assumed a role", "role", key.arn, "until", found.Expires)
			return found, nil
		}), func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = renewRoleBefore })
		_, one.err = one.credentials.Retrieve(context.WithoutCancel(ctx)) // the role serves the whole run, not only the first image
		if refused := (*roleError)(nil); errors.As(one.err, &refused) {
			one.err = refused // without the words of the SDK's cache
		}
	})
	return one.credentials, one.err
}

// roleError says why a role could not be assumed, and what to check.
type roleError struct {
	key      roleKey
	patience time.Duration
	late     bool // there was no answer within patience
	err      error
}

func (e *roleError) Unwrap() error { return e.err }

func (e *roleError) Error() string {
	return fmt.Sprintf("role %s can't be assumed: STS AssumeRole in %s: %s", e.key.arn, e.key.stsRegion, e.reason())
}

func (e *roleError) reason() string {
	var (
		api    smithy.APIError
		answer *smithyhttp.ResponseError
	)
	switch {
	case e.late:
		return fmt.Sprintf("no answer within %v", e.patience)
	case errors.As(e.err, &api) && api.ErrorCode() != unnamedError:
		return strings.TrimSuffix(strings.TrimSuffix(api.ErrorCode()+": "+api.ErrorMessage(), "."), ": ") + e.advice(api.ErrorCode())
	case errors.As(e.err, &answer) && answer.HTTPStatusCode() != 0:
		return fmt.Sprintf("HTTP %d %s, which is no answer of STS; a proxy may be in between: see HTTPS_PROXY, NO_PROXY and AWS_ENDPOINT_URL_STS",
			answer.HTTPStatusCode(), http.StatusText(answer.HTTPStatusCode()))
	}
	return root(e.err).Error()
}

// advice says what to check. STS has one code for a role that does not exist, a
// trust policy that does not fit and a missing permission (IAM user guide,
// troubleshoot_roles).
func (e *roleError) advice(code string) string {
	who := e.key.String()
	switch code {
	case "AccessDenied":
		id := "asks for no external id (or set external-id)"
		if e.key.externalID != "" {
			id = "asks for the external-id of images.yaml"
		}
		return fmt.Sprintf("; check that the role exists, that its trust policy names %s and %s, and that %[1]s may call sts:AssumeRole", who, id)
	case "RegionDisabledException":
		return "; switch STS on there, or name another region in images.yaml"
	case "InvalidClientTokenId", "SignatureDoesNotMatch":
		return fmt.Sprintf("; the credentials of %s must be valid in the partition %s: if it needs others, name them with aws-profile", who, e.key.partition)
	case "ExpiredToken", "ExpiredTokenException":
		return "; renew the credentials of " + who
	}
	return ""
}
