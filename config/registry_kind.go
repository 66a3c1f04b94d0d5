package config

import (
	"regexp"
	"strings"
)

// RegistryKind is a kind of registry: whose API is used beside the OCI protocol.
type RegistryKind string

// The kinds of registries.
const (
	OCI    RegistryKind = "oci" // no other API
	ECR    RegistryKind = "ecr"
	GitHub RegistryKind = "github"
	Google RegistryKind = "google"
	Azure  RegistryKind = "azure"
	Harbor RegistryKind = "harbor"
)

// namedKinds are those that images.yaml can give to a host. ECR is known by its
// hosts alone: they name the account and the region.
var namedKinds = []RegistryKind{OCI, GitHub, Google, Azure, Harbor}

// kindHosts tells the kinds of services by their hosts: GitHub's container
// registry, Google's Artifact Registry and the gcr.io that it serves, and Azure's
// registries in the public, the Chinese and the US government's cloud.
var kindHosts = []struct {
	kind RegistryKind
	host *regexp.Regexp
}{
	{GitHub, regexp.MustCompile(`^ghcr\.io$`)},
	{Google, regexp.MustCompile(`^([a-z0-9-]+-docker\.pkg\.dev|([a-z]+\.)?gcr\.io)$`)},
	{Azure, regexp.MustCompile(`^[a-z0-9-]+(\.[a-z0-9-]+)*\.azurecr\.(io|cn|us)$`)},
}

// KindOf returns what images.yaml says of a host, or else what its name tells.
func KindOf(host string, said map[string]Registry) RegistryKind {
	host = strings.ToLower(host)
	if kind := said[host].Kind; kind != "" {
		return kind
	}
	if _, ok := ParseECRHost(host); ok {
		return ECR
	}
	for _, known := range kindHosts {
		if known.host.MatchString(host) {
			return known.kind
		}
	}
	return OCI
}

func wantKind() string { return "one of " + strings.Join(Kinds(), ", ") }

// Kinds are the kinds that images.yaml can name.
func Kinds() []string {
	var words []string
	for _, kind := range namedKinds {
		words = append(words, string(kind))
	}
	return words
}

// Registry is what images.yaml says of one host.
type Registry struct {
	Kind        RegistryKind // empty: what the host's name tells
	Concurrency int          // requests in flight; 0: what --concurrency says

	// How to log in to a registry of Amazon ECR. None of it is a secret.
	AWSProfile string // a profile in the files of the AWS CLI; empty: the job's own identity
	RoleARN    string // a role that this identity assumes
	ExternalID string // what the trust policy of the role may ask for
	Region     string // whose STS is asked; empty: the host's
}
