package ecr

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/sso"
	"github.com/aws/aws-sdk-go-v2/service/ssooidc"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"tagline/reconcile/registry"
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

// sources are where the AWS SDK looks for the credentials of an identity.
type sources struct {
	identity identity
	config   aws.Config
	underWay atomic.Value // string: the service that is being asked for credentials
}

// onlyMetadata reports whether no source of credentials is configured, so that
// only EC2's metadata service is left.
func (s *sources) onlyMetadata() bool {
	return aws.IsCredentialsProvider(s.config.Credentials, (*ec2rolecreds.Provider)(nil))
}

// noConfiguration says what is wrong with the files of the AWS CLI.
func (s *sources) noConfiguration(err error) error {
	var missing awsconfig.SharedConfigProfileNotExistError
	if s.identity.profile != "" && errors.As(err, &missing) {
		return registry.Explain(fmt.Sprintf("there is no profile %q in the files of the AWS CLI (%s)", s.identity.profile, strings.Join(missing.Filename, ", ")), "", err)
	}
	return fmt.Errorf("AWS configuration: %w", err)
}

// noCredentials says where credentials were looked for, with advice if there is
// any. If one source of credentials is configured, the SDK asks only that one.
func (s *sources) noCredentials(ctx context.Context, err error, patience time.Duration) error {
	if s.onlyMetadata() && s.identity.profile != "" {
		return fmt.Errorf("no AWS credentials: profile %q has none, and there is no EC2 instance role", s.identity.profile)
	}
	if s.onlyMetadata() {
		return fmt.Errorf("no AWS credentials: none in the environment (AWS_ACCESS_KEY_ID, AWS_WEB_IDENTITY_TOKEN_FILE, "+
			"AWS_CONTAINER_CREDENTIALS_FULL_URI), none for profile %q in the files of the AWS CLI, "+
			"and no EC2 instance role; set one of them up", profile())
	}
	text := "AWS credentials: "
	if s.identity.profile != "" {
		text = fmt.Sprintf("AWS credentials of profile %q: ", s.identity.profile)
	}
	if asked := s.asking(err); asked != "" {
		text += asked + ": "
	}
	var (
		api  smithy.APIError
		file *fs.PathError
	)
	switch {
	case ctx.Err() != nil:
		text += fmt.Sprintf("no answer within %v", patience)
		return registry.Explain(text, text, err)
	case errors.As(err, &api):
		text += strings.TrimSuffix(api.ErrorCode()+": "+api.ErrorMessage(), ": ")
	case errors.As(err, &file):
		text += file.Error()
	default:
		text += root(err).Error()
	}
	if login := s.login(err); login != "" {
		text += fmt.Sprintf("; log in with %q", login)
	}
	return registry.Explain(text, text, err)
}

// asked records which service is being asked for credentials, and at which
// host. If time runs out, the SDK's error does not say what it waited for.
func (s *sources) asked(stack *middleware.Stack) error {
	return stack.Finalize.Add(middleware.FinalizeMiddlewareFunc("tagline/asked",
		func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
			if request, ok := in.Request.(*smithyhttp.Request); ok && awsmiddleware.GetServiceID(ctx) != ecr.ServiceID {
				s.underWay.Store(awsmiddleware.GetServiceID(ctx) + " " + awsmiddleware.GetOperationName(ctx) + " at " + request.URL.Host)
				defer s.underWay.Store("")
			}
			return next.HandleFinalize(ctx, in)
		}), middleware.After)
}

// asking names what failed to give credentials, or is "" if that is not known.
func (s *sources) asking(err error) string {
	if operation := innermost(err); operation != nil {
		return operation.Service() + " " + operation.Operation()
	}
	if underWay, _ := s.underWay.Load().(string); underWay != "" {
		return underWay
	}
	for p := range s.profiles() {
		if p.CredentialProcess != "" {
			return "credential_process of profile " + p.Profile
		}
	}
	return ""
}

// login returns the command that logs in for the profile of this run. It is ""
// if that would not help: the profile has no session, or something else is
// wrong.
func (s *sources) login(err error) string {
	var (
		api     smithy.APIError
		answer  interface{ HTTPStatusCode() int }
		network *url.Error
	)
	switch {
	case errors.As(err, &api):
		// For an ended session, SSO answers 401, or 400 when the session is to
		// be renewed (API references, GetRoleCredentials and CreateToken).
		operation := innermost(err)
		if operation == nil || !errors.As(err, &answer) {
			return ""
		}
		status := answer.HTTPStatusCode()
		ended := operation.Service() == sso.ServiceID && status == http.StatusUnauthorized ||
			operation.Service() == ssooidc.ServiceID && status < 500
		if !ended {
			return ""
		}
	case errors.As(err, &network):
		return ""
	}
	for p := range s.profiles() {
		command := ""
		switch {
		case p.SSOSession != nil || p.SSOStartURL != "":
			command = "aws sso login"
		case p.LoginSession != "":
			command = "aws login"
		default:
			continue
		}
		if p.Profile != awsconfig.DefaultSharedConfigProfile {
			command += " --profile " + p.Profile
		}
		return command
	}
	return ""
}

// profiles yields the profile of this run, then the profiles that it takes its
// credentials from.
func (s *sources) profiles() iter.Seq[*awsconfig.SharedConfig] {
	return func(yield func(*awsconfig.SharedConfig) bool) {
		for _, source := range s.config.ConfigSources {
			shared, ok := source.(awsconfig.SharedConfig)
			if !ok {
				continue
			}
			for p := &shared; p != nil; p = p.Source {
				if !yield(p) {
					return
				}
			}
		}
	}
}

// profile is the profile that the AWS CLI would use.
func profile() string {
	return cmp.Or(os.Getenv("AWS_PROFILE"), os.Getenv("AWS_DEFAULT_PROFILE"), awsconfig.DefaultSharedConfigProfile)
}
