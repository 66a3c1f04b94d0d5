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
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/sso"
	"github.com/aws/aws-sdk-go-v2/service/ssooidc"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// noCredentials says what was tried, and what to do if that is known. Where a
// source of credentials is set up, the SDK asks that one alone.
func (s *session) noCredentials(ctx context.Context, err error, patience time.Duration) error {
	if s.onlyMetadata() {
		return fmt.Errorf("no AWS credentials: none in the environment (AWS_ACCESS_KEY_ID, AWS_WEB_IDENTITY_TOKEN_FILE, "+
			"AWS_CONTAINER_CREDENTIALS_FULL_URI), none for profile %q in the files of the AWS CLI, "+
			"and no EC2 instance role; set one of them up", profile())
	}
	text := "AWS credentials: "
	if asked := s.asking(err); asked != "" {
		text += asked + ": "
	}
	var (
		api  smithy.APIError
		file *fs.PathError
	)
	switch {
	case ctx.Err() != nil:
		return &failure{fmt.Sprintf("%sno answer within %v", text, patience), []error{err}}
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
	return &failure{text, []error{err}}
}

// asked notes which service is asked for credentials, and where. The SDK goes
// on by itself when time is up, and its error does not tell what it waits for.
func (s *session) asked(stack *middleware.Stack) error {
	return stack.Finalize.Add(middleware.FinalizeMiddlewareFunc("tagline/asked",
		func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
			if request, ok := in.Request.(*smithyhttp.Request); ok && awsmiddleware.GetServiceID(ctx) != ecr.ServiceID {
				s.underWay.Store(awsmiddleware.GetServiceID(ctx) + " " + awsmiddleware.GetOperationName(ctx) + " at " + request.URL.Host)
				defer s.underWay.Store("")
			}
			return next.HandleFinalize(ctx, in)
		}), middleware.After)
}

// asking is what was to give credentials, "" if that is not known.
func (s *session) asking(err error) string {
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

// innermost is the operation that failed first: a role may be assumed with
// credentials that have to be asked for, too.
func innermost(err error) (operation *smithy.OperationError) {
	for errors.As(err, &operation) {
		err = operation.Err
	}
	return operation
}

// login is the command that makes a session for the profile of this run, ""
// where that would not help: the profile has no session, or something else is
// wrong.
func (s *session) login(err error) string {
	var (
		api     smithy.APIError
		answer  interface{ HTTPStatusCode() int }
		network *url.Error
	)
	switch {
	case errors.As(err, &api):
		// A session that has ended is 401 to SSO, and 400 when it is to be
		// renewed (API references, GetRoleCredentials and CreateToken).
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

// profiles are the one of this run, and those that it takes its credentials
// from.
func (s *session) profiles() iter.Seq[*awsconfig.SharedConfig] {
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

// profile is the one that the AWS CLI would take.
func profile() string {
	return cmp.Or(os.Getenv("AWS_PROFILE"), os.Getenv("AWS_DEFAULT_PROFILE"), awsconfig.DefaultSharedConfigProfile)
}
