package ecrtest

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
)

const apiType = "application/x-amz-json-1.1"

// serveAPI answers an operation of the AWS API.
func (r *Registry) serveAPI(w http.ResponseWriter, c *Call, body []byte) {
	if err := r.checkSignature(c.request); err != nil {
		refuseAPI(w, err)
		return
	}
	operate := r.operation(c.Operation, c.request.Host)
	if operate == nil {
		refuseAPI(w, refusal("UnknownOperationException", ""))
		return
	}
	answer, err := operate(c, body)
	if err != nil {
		refuseAPI(w, err)
		return
	}
	writeJSON(w, apiType, http.StatusOK, answer)
}

func refuseAPI(w http.ResponseWriter, err error) {
	refused := asAPI(err)
	writeJSON(w, apiType, refused.status(), map[string]string{"__type": refused.code, "message": refused.message})
}

// operation carries out a request and returns what to answer.
type operation func(c *Call, body []byte) (any, error)

// operation returns the operation of a name, or nil. Answers name the host.
func (r *Registry) operation(name, host string) operation {
	switch name {
	case "BatchCheckLayerAvailability":
		return inside(r, r.batchCheckLayerAvailability)
	case "BatchDeleteImage":
		return inside(r, r.batchDeleteImage)
	case "BatchGetImage":
		return inside(r, r.batchGetImage)
	case "CreateRepository":
		return on(r, func(in createRepositoryRequest) (any, error) { return r.createRepository(host, in) })
	case "DescribeImages":
		return inside(r, r.describeImages)
	case "DescribeRepositories":
		return on(r, func(in describeRepositoriesRequest) (any, error) { return r.describeRepositories(host, in) })
	case "GetAuthorizationToken":
		return on(r, func(getAuthorizationTokenRequest) (any, error) { return r.getAuthorizationToken(host), nil })
	case "GetDownloadUrlForLayer":
		return inside(r, func(repo *repository, in getDownloadURLForLayerRequest) (any, error) {
			return r.getDownloadURLForLayer(host, repo, in)
		})
	case "GetLifecyclePolicy":
		return inside(r, r.getLifecyclePolicy)
	case "ListImageReferrers":
		return inside(r, r.listImageReferrers)
	case "ListImages":
		return inside(r, r.listImages)
	case "PutImage":
		return on(r, r.putImage)
	case "PutImageTagMutability":
		return inside(r, r.putImageTagMutability)
	case "PutLifecyclePolicy":
		return inside(r, r.putLifecyclePolicy)
	}
	return nil
}

// on decodes an operation's request, and locks the store while it runs.
func on[In any](r *Registry, operate func(In) (any, error)) operation {
	return func(c *Call, body []byte) (any, error) {
		var about target
		var in In
		if json.Unmarshal(body, &about) != nil || json.Unmarshal(body, &in) != nil {
			return nil, refusal("SerializationException", "")
		}
		if err := r.checkAccount(c, about.RegistryID); err != nil {
			return nil, err
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		return operate(in)
	}
}

// inside also finds the repository that an operation is about.
func inside[In interface{ name() string }](r *Registry, operate func(*repository, In) (any, error)) operation {
	return func(c *Call, body []byte) (any, error) {
		return on(r, func(in In) (any, error) {
			repo, err := r.repository(in.name())
			if err != nil {
				return nil, err
			}
			return operate(repo, in)
		})(c, body)
	}
}

// checkAccount refuses calls about another account's registry.
//
// Assumed: AWS distinguishes a registry without such a repository from one that
// grants nothing.
func (r *Registry) checkAccount(c *Call, id string) error {
	if id == "" || id == r.options.Account {
		return nil
	}
	if !reAccount.MatchString(id) {
		return invalid("registryId", "Member must satisfy regular expression pattern: %s", reAccount)
	}
	if slices.Contains(r.options.ForeignAccounts, id) {
		return c.denied(id, "resource-based")
	}
	return r.errNoRepository(id, c.Repository)
}

var (
	reAccount   = regexp.MustCompile(`^[0-9]{12}$`) // API Reference, registryId of every action
	reSignature = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=[^/]+/[0-9]{8}/([^/]+)/([^/]+)/aws4_request, ?SignedHeaders=[^,]+, ?Signature=[0-9a-f]{64}$`)
)

// checkSignature wants a signature version 4 for ECR in this region. It does
// not verify the signature: the emulator has no secret keys.
//
// The messages are those of other AWS services with the same protocol. It is
// assumed that ECR's are the same, since each region has its own endpoint.
func (r *Registry) checkSignature(req *http.Request) error {
	header := req.Header.Get("Authorization")
	if header == "" {
		return refusal("MissingAuthenticationTokenException", "Missing Authentication Token")
	}
	scope := reSignature.FindStringSubmatch(header)
	switch {
	case scope == nil:
		return refusal("IncompleteSignatureException", "Authorization header requires 'Credential', 'SignedHeaders' and 'Signature' parameters.")
	case scope[1] != r.options.Region:
		return refusal("InvalidSignatureException", "Credential should be scoped to a valid region, not '%s'.", scope[1])
	case scope[2] != "ecr":
		return refusal("InvalidSignatureException", "Credential should be scoped to correct service: 'ecr'.")
	}
	return nil
}
