// Package demo is a registry to try tagline on: olareg in memory on a loopback
// port, with sample images in the shapes that BuildKit pushes. The demo command
// and the tests both use it.
package demo

import (
	"context"
	_ "embed"

	"github.com/google/go-containerregistry/pkg/v1/remote"
)

//go:embed images.yaml
var imagesYAML string

// ImagesYAML returns the images.yaml for the samples. Its registry is
// localhost:5000; --registry or TAGLINE_REGISTRY points it at a [Registry].
func ImagesYAML() string { return imagesYAML }

// SampleRepository is the repository that [Seed] fills.
const SampleRepository = "my-image"

// Samples returns the problem that tagline solves: one version for amd64,
// another for arm64, and no tag for both. Each is an index, since it has
// provenance.
func Samples() []Image {
	return []Image{
		{Tag: "10.10", Platforms: []string{"linux/amd64"}, Provenance: true},
		{Tag: "10.20", Platforms: []string{"linux/arm64"}, Provenance: true},
	}
}

// Seed pushes the [Samples] to the [SampleRepository] of a registry, and
// returns the digest of each tag.
func Seed(ctx context.Context, host string, options ...remote.Option) (map[string]string, error) {
	return Push(ctx, host, SampleRepository, Samples(), options...)
}
