package ecr

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"mime"
	"net"
	"net/http"
	"strings"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"tagline/reconcile/oci/transport"
	"tagline/reconcile/registry"
)

// explained returns an error that says what went wrong with a subject, with advice if
// there is any. Its cause names the host in place of the subject, so that it is the same
// for all repositories. It wraps [registry.ErrNotFound] if ECR says that the image or its
// repository does not exist.
func explained(host, subject string, err error) error {
	if errors.Is(err, context.Canceled) {
		return registry.Explain(subject+": interrupted", host+": interrupted", err)
	}
	said := func(reason, cause, advice string, causes ...error) error {
		operation := operationOf(err) + ": "
		return registry.Explain(subject+": "+operation+reason+advice, host+": "+operation+cause+advice, append(causes, err)...)
	}
	if answer := notFromECR(err); answer != "" {
		return said(answer, answer, "")
	}
	var api smithy.APIError
	if !errors.As(err, &api) {
		reason, cause := root(err).Error(), root(err).Error()
		if network := (*net.OpError)(nil); errors.As(err, &network) {
			cause = network.Err.Error() // without addresses and ports
		}
		return said(reason, cause, "")
	}
	text := api.ErrorCode()
	if message := strings.TrimSuffix(strings.Join(strings.Fields(api.ErrorMessage()), " "), "."); message != "" {
		text += ": " + message
	}
	advice, causes := "", []error(nil)
	switch api.ErrorCode() {
	case "AccessDeniedException":
		advice = fmt.Sprintf("; allow ecr:%s to whoever runs tagline, and if the registry is another account's, in the repository's policy", operationOf(err))
	case "ExpiredTokenException", "UnrecognizedClientException":
		advice = "; renew the AWS credentials"
	case "InvalidSignatureException", "SignatureDoesNotMatch", "RequestExpired":
		advice = "; check the secret key, this machine's clock, the region in the registry's host, and AWS_ENDPOINT_URL_ECR if that is set"
	case "LimitExceededException":
		advice = "; a quota of the repository is full: delete images, or ask AWS for more"
	case "ImageTagAlreadyExistsException":
		advice = "; the tag is immutable"
	case "RepositoryNotFoundException":
		causes = append(causes, registry.ErrNotFound, registry.ErrNoRepository)
	case "ImageNotFoundException":
		causes = append(causes, registry.ErrNotFound)
	}
	if isRefusal(err) {
		causes = append(causes, registry.ErrRefused)
	}
	return said(text, api.ErrorCode(), advice, causes...)
}

// isRefusal reports whether an answer says that nothing was done: a 4xx to the first
// attempt. An attempt before a later one may have been done; the SDK doesn't say how
// that ended.
func isRefusal(err error) bool {
	var answer *smithyhttp.ResponseError
	if !errors.As(err, &answer) || answer.HTTPStatusCode()/100 != 4 || answer.Response.Request == nil {
		return false
	}
	return strings.HasPrefix(answer.Response.Request.Header.Get("Amz-Sdk-Request"), "attempt=1;")
}

// notFromECR describes an HTTP answer that does not come from ECR, such as the
// page of a proxy. It is "" for every other error. ECR's answers are JSON, and
// name their error (API Reference, CommonErrors).
func notFromECR(err error) string {
	var (
		answer *smithyhttp.ResponseError
		api    smithy.APIError
	)
	named := errors.As(err, &api) && api.ErrorCode() != "" && api.ErrorCode() != unnamedError
	if !errors.As(err, &answer) || answer.HTTPStatusCode() == 0 || named {
		return ""
	}
	content := cmp.Or(answer.Response.Header.Get("Content-Type"), "no content type")
	if kind, _, err := mime.ParseMediaType(content); err == nil {
		content = kind
	}
	if status := answer.HTTPStatusCode(); status >= 300 || !strings.Contains(content, "json") {
		return fmt.Sprintf("HTTP %d %s (%s), which is no answer of ECR; a proxy may be in between: see HTTPS_PROXY, NO_PROXY and AWS_ENDPOINT_URL_ECR",
			status, http.StatusText(status), content)
	}
	return ""
}

// unnamedError is the SDK's code for an answer that names no error.
const unnamedError = "UnknownError"

func isAbsent(err error) bool { return errors.Is(err, registry.ErrNotFound) }

func isDenied(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && api.ErrorCode() == "AccessDeniedException"
}

// operationOf returns the operation of the AWS API that failed. Its IAM action
// has the same name (service authorization reference, Amazon ECR).
func operationOf(err error) string {
	var operation *smithy.OperationError
	if errors.As(err, &operation) {
		return operation.Operation()
	}
	return "AWS API"
}

// innermost returns the operation that failed first: the credentials that
// assume a role may themselves come from a service.
func innermost(err error) (operation *smithy.OperationError) {
	for errors.As(err, &operation) {
		err = operation.Err
	}
	return operation
}

// root returns the innermost error that still says what it is about, such as a
// dial with its address.
func root(err error) error {
	if proxy := transport.ByProxy(err); proxy != nil {
		return proxy
	}
	if network := (*net.OpError)(nil); errors.As(err, &network) {
		return network
	}
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
