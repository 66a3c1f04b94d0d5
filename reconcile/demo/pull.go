package demo

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Pull fetches a sample image for a platform over HTTP, as a container runtime
// of that platform would, and returns the text in it.
func Pull(ctx context.Context, reference, platform string) (string, error) {
	ref, err := name.ParseReference(reference)
	if err != nil {
		return "", fmt.Errorf("pull: %w", err)
	}
	p, err := v1.ParsePlatform(platform)
	if err != nil {
		return "", fmt.Errorf("pull %s: %w", reference, err)
	}
	image, err := remote.Image(ref, remote.WithContext(ctx), remote.WithPlatform(*p))
	if err != nil {
		return "", fmt.Errorf("pull %s for %s: %w", reference, platform, err)
	}
	files := mutate.Extract(image)
	defer func() { _ = files.Close() }()
	r := tar.NewReader(files)
	if _, err := r.Next(); err != nil {
		return "", fmt.Errorf("pull %s for %s: %w", reference, platform, err)
	}
	text, err := io.ReadAll(r)
	return strings.TrimSpace(string(text)), err
}
