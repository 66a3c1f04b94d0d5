package oci

import (
	"github.com/google/go-containerregistry/pkg/name"

	"tagline/config"
)

// repository is a repository under both of its names: ours, which users see,
// and go-containerregistry's, which has index.docker.io for docker.io.
type repository struct {
	config.Repository
	name name.Repository
	err  error // the name is not valid for a host
}

// reference parses a tag or a digest of the repository.
func (r repository) reference(s string) name.Reference {
	if config.IsDigest(s) {
		return r.name.Digest(s)
	}
	return r.name.Tag(s)
}

// subject names what an error is about: "localhost:5000/my-image:10".
func (r repository) subject(reference string) string { return r.Reference(reference) }
