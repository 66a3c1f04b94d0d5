package demo

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// ErrNoImage means that a tag has no image for the platform.
var ErrNoImage = errors.New("no image for the platform")

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
	image, err := imageFor(ctx, ref, *p)
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

// imageFor returns the image of a tag for a platform.
func imageFor(ctx context.Context, ref name.Reference, p v1.Platform) (v1.Image, error) {
	found, err := remote.Get(ref, remote.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	if !found.MediaType.IsIndex() {
		image, err := found.Image()
		if err != nil {
			return nil, err
		}
		config, err := image.ConfigFile()
		if err != nil {
			return nil, err
		}
		if of := config.Platform(); of == nil || !of.Satisfies(p) {
			return nil, ErrNoImage
		}
		return image, nil
	}
	index, err := found.ImageIndex()
	if err != nil {
		return nil, err
	}
	listed, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	for _, d := range listed.Manifests {
		if d.Platform != nil && d.Platform.Satisfies(p) {
			return index.Image(d.Digest)
		}
	}
	return nil, ErrNoImage
}
