package ecrtest

import (
	"fmt"
	"time"

	ecrtypes "github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"tagline/reconcile/demo"
)

// CreateRepository creates an empty repository. The patterns are the filters of
// a mutability "…_WITH_EXCLUSION".
func (r *Registry) CreateRepository(name string, tags ecrtypes.ImageTagMutability, patterns ...string) error {
	return r.do(func() error {
		_, err := r.create(name, setting(tags, patterns))
		return err
	})
}

// SetMutability changes the mutability of a repository, as
// PutImageTagMutability does.
func (r *Registry) SetMutability(name string, tags ecrtypes.ImageTagMutability, patterns ...string) error {
	return r.do(func() error {
		repo, err := r.repository(name)
		if err == nil {
			_, err = r.putImageTagMutability(repo, putImageTagMutability{mutability: setting(tags, patterns)})
		}
		return err
	})
}

func setting(tags ecrtypes.ImageTagMutability, patterns []string) mutability {
	m := mutability{ImageTagMutability: string(tags)}
	for _, pattern := range patterns {
		m.ImageTagMutabilityExclusionFilters = append(m.ImageTagMutabilityExclusionFilters, exclusionFilter{pattern, "WILDCARD"})
	}
	return m
}

// Seed pushes images without a request, dated pushedAt. It creates the
// repository if it does not exist, and returns the digest of each tag.
func (r *Registry) Seed(repository string, pushedAt time.Time, images ...demo.Image) (map[string]string, error) {
	digests := map[string]string{}
	for _, image := range images {
		objects, err := image.Objects()
		if err != nil {
			return nil, err
		}
		if err := r.SeedObjects(repository, image.Tag, pushedAt, objects...); err != nil {
			return nil, err
		}
		digests[image.Tag] = objects[len(objects)-1].Digest.String()
	}
	return digests, nil
}

// SeedObjects is [Registry.Seed] for given objects: blobs before manifests,
// children before their index. The tag names the last one.
func (r *Registry) SeedObjects(repository, tag string, pushedAt time.Time, objects ...demo.Object) error {
	return r.do(func() error {
		repo := r.repositories[repository]
		if repo == nil {
			made, err := r.create(repository, mutability{})
			if err != nil {
				return err
			}
			repo = made
		}
		for i, o := range objects {
			if mediaType := types.MediaType(o.MediaType); !mediaType.IsIndex() && !mediaType.IsImage() {
				repo.layers[o.Digest.String()] = o.Body
				continue
			}
			p := push{body: string(o.Body), mediaType: o.MediaType, digest: o.Digest.String(), at: pushedAt}
			if i == len(objects)-1 {
				p.tag = tag
			}
			if _, err := r.put(repo, p); unlessExists(err) != nil {
				return fmt.Errorf("seed %s:%s: %w", repository, tag, err)
			}
		}
		return nil
	})
}

// SetPulled sets the last pull of all images of a repository.
func (r *Registry) SetPulled(repository string, at time.Time) error {
	return r.do(func() error {
		repo, err := r.repository(repository)
		if err != nil {
			return err
		}
		for _, img := range repo.images {
			img.pulledAt = &epoch{at}
		}
		return nil
	})
}

// SetStatus archives an image, or restores it.
func (r *Registry) SetStatus(repository, digest string, status ecrtypes.ImageStatus) error {
	return r.do(func() error {
		repo, err := r.repository(repository)
		if err != nil {
			return err
		}
		img, failure := repo.find(imageID{ImageDigest: digest})
		if failure != nil {
			return r.errNoImage(repo, failure.ImageID)
		}
		switch img.status = status; status {
		case ecrtypes.ImageStatusArchived:
			img.archivedAt = &epoch{r.options.Now()}
		case ecrtypes.ImageStatusActive:
			img.activatedAt = &epoch{r.options.Now()}
		}
		return nil
	})
}
