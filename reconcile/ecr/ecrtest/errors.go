package ecrtest

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// apiError is an error of the AWS API.
type apiError struct{ code, message string }

func (e *apiError) Error() string { return e.code + ": " + e.message }

func refusal(code, format string, values ...any) error {
	return &apiError{code, fmt.Sprintf(format, values...)}
}

// asAPI returns err as an apiError. No operation returns any other error.
func asAPI(err error) *apiError {
	var refused *apiError
	if !errors.As(err, &refused) {
		panic(err)
	}
	return refused
}

// invalid has ECR's wording on both APIs (andrey-pohilko/registry-cli#79).
func invalid(parameter, constraint string, values ...any) error {
	return refusal("InvalidParameterException", "Invalid parameter at '%s' failed to satisfy constraint: '%s'",
		parameter, fmt.Sprintf(constraint, values...))
}

// atMost is ECR's refusal of an empty or too large batch.
func atMost(parameter string, got, most int) error {
	switch {
	case got < 1:
		return invalid(parameter, "Member must have length greater than or equal to 1")
	case got > most:
		return invalid(parameter, "Member must have length less than or equal to %d", most)
	}
	return nil
}

func errThrottled() error { return refusal("ThrottlingException", "Rate exceeded") }

// denied is IAM's refusal for a repository (IAM user guide,
// troubleshoot_access-denied). kind is the kind of policy that would have to
// allow it.
func (c *Call) denied(account, kind string) error {
	resource := "*"
	if c.Repository != "" {
		resource = c.registry.arn(account, c.Repository)
	}
	return refusal("AccessDeniedException",
		"User: arn:aws:sts::%s:assumed-role/ci/tagline is not authorized to perform: ecr:%s on resource: %s because no %s policy allows the ecr:%[2]s action",
		c.registry.options.Account, c.Permission, resource, kind)
}

func (r *Registry) arn(account, repository string) string {
	return fmt.Sprintf("arn:aws:ecr:%s:%s:repository/%s", r.options.Region, account, repository)
}

// status is the HTTP status of an error over the AWS API (API Reference, the
// errors of each action).
func (e *apiError) status() int {
	if e.code == "ServerException" {
		return http.StatusInternalServerError
	}
	return http.StatusBadRequest
}

// distribution is the error over /v2/: an HTTP status and a code of the OCI
// distribution-spec ("Error Codes").
func (e *apiError) distribution() (int, string) {
	switch e.code {
	case "RepositoryNotFoundException":
		return http.StatusNotFound, "NAME_UNKNOWN"
	case "ImageNotFoundException":
		return http.StatusNotFound, "MANIFEST_UNKNOWN"
	case "ImageTagAlreadyExistsException": // moby/buildkit#3776: "tag invalid: The image tag …"
		return http.StatusBadRequest, "TAG_INVALID"
	case "ImageDigestDoesNotMatchException", "InvalidLayerException": // assumed
		return http.StatusBadRequest, "DIGEST_INVALID"
	case "LayersNotFoundException", "ReferencedImagesNotFoundException": // assumed
		return http.StatusBadRequest, "MANIFEST_BLOB_UNKNOWN"
	case "LayerInaccessibleException":
		return http.StatusNotFound, "BLOB_UNKNOWN"
	case "UploadNotFoundException":
		return http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN"
	case "LimitExceededException", "AccessDeniedException": // aws/containers-roadmap#2159: a full repository is a 403
		return http.StatusForbidden, "DENIED"
	case "ThrottlingException": // assumed
		return http.StatusTooManyRequests, "TOOMANYREQUESTS"
	case "ServerException":
		return http.StatusInternalServerError, "UNKNOWN"
	}
	// ECR reports these as unsupported: parameters that the AWS API below finds
	// invalid (CodesWhat/drydock#927), and a refused deletion.
	return http.StatusMethodNotAllowed, "UNSUPPORTED"
}

// The texts are ECR's if a public issue shows them.

func (r *Registry) errNoRepository(account, name string) error {
	return refusal("RepositoryNotFoundException",
		"The repository with name '%s' does not exist in the registry with id '%s'", name, account)
}

func (r *Registry) errNoImage(repo *repository, id imageID) error {
	return refusal("ImageNotFoundException",
		"The image with imageId {imageDigest:'%s', imageTag:'%s'} does not exist within the repository with name '%s' in the registry with id '%s'",
		orNull(id.ImageDigest), orNull(id.ImageTag), repo.name, r.options.Account)
}

func orNull(s string) string {
	if s == "" {
		return "null"
	}
	return s
}

// errRequired names the digests that a manifest needs and the repository lacks.
func (r *Registry) errRequired(code, what string, repo *repository, digests []string) error {
	return refusal(code, "%s with digests '[%s]' required for pushing image into repository with name '%s' in the registry with id '%s' do not exist",
		what, strings.Join(digests, ", "), repo.name, r.options.Account)
}

// errImmutable has the text from moby/buildkit#3776.
func (r *Registry) errImmutable(repo *repository, tag string) error {
	return refusal("ImageTagAlreadyExistsException",
		"The image tag '%s' already exists in the '%s' repository and cannot be overwritten because the repository is immutable.", tag, repo.name)
}

// errFull reports a full quota (semaphoreci/docs#404).
func (r *Registry) errFull(repo *repository, of string, most int) error {
	return refusal("LimitExceededException", "The repository with name '%s' in registry with id '%s' already has the maximum allowed number of %s which is '%d'",
		repo.name, r.options.Account, of, most)
}
