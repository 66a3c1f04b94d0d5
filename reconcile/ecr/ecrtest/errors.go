package ecrtest

import (
	"errors"
	"fmt"
	"net/http"
)

// apiError is an error of the AWS API.
type apiError struct{ code, message string }

func (e *apiError) Error() string { return e.code + ": " + e.message }

// refusal makes an apiError. Its text is ECR's if a public issue shows that.
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

func orNull(s string) string {
	if s == "" {
		return "null"
	}
	return s
}

// unlessExists turns "already exists" into success.
func unlessExists(err error) error {
	var refused *apiError
	if errors.As(err, &refused) && refused.code == "ImageAlreadyExistsException" {
		return nil
	}
	return err
}
