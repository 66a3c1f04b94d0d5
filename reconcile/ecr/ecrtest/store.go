package ecrtest

import (
	"cmp"
	"iter"
	"regexp"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
)

// repository has images and layers.
type repository struct {
	name            string
	createdAt       time.Time
	mutability      mutability
	lifecyclePolicy string

	images    map[string]*image // by digest
	order     []*image          // by serial
	tags      map[string]*image
	parents   map[string][]*image // digest -> the indexes that list it
	referrers map[string][]*image // digest -> the manifests whose subject it is
	layers    map[string][]byte   // including configs
	uses      map[string]int      // layer -> number of images that use it
}

// image is what ECR calls an image: any manifest, including an index.
type image struct {
	serial       int
	digest       string
	mediaType    string
	artifactType string
	body         string
	size         int64 // see manifest.size
	subject      string
	annotations  map[string]string // only if it has a subject: no other listing returns them
	children     []string          // if it is an index
	layers       []string          // otherwise: its config and layers
	tags         []string          // sorted
	pushedAt     time.Time
	status       types.ImageStatus
	archivedAt   *epoch
	activatedAt  *epoch
	pulledAt     *epoch
}

// upload is a layer that is being uploaded to a repository.
type upload struct {
	repository string
	body       []byte
}

var (
	reTag    = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`) // OCI distribution-spec, "Pulling manifests"
	reDigest = regexp.MustCompile(`^[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+$`)     // API_ImageIdentifier
)

// find returns the image that an id names.
func (repo *repository) find(id imageID) (*image, *imageFailure) {
	fail := func(code types.ImageFailureCode, reason string) (*image, *imageFailure) {
		return nil, &imageFailure{FailureCode: string(code), FailureReason: reason, ImageID: id}
	}
	tagged := repo.tags[id.ImageTag]
	switch {
	case id.ImageDigest == "" && id.ImageTag == "":
		return fail(types.ImageFailureCodeMissingDigestAndTag, "Invalid request parameters: both tag and digest cannot be null")
	case id.ImageDigest != "" && !reDigest.MatchString(id.ImageDigest):
		return fail(types.ImageFailureCodeInvalidImageDigest, "Invalid request parameters: image digest should satisfy the regex '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'")
	case id.ImageTag != "" && !reTag.MatchString(id.ImageTag):
		return fail(types.ImageFailureCodeInvalidImageTag, "Invalid request parameters: image tag should satisfy the regex '[a-zA-Z0-9-_.]+'")
	case id.ImageDigest == "" && tagged != nil:
		return tagged, nil
	case id.ImageTag == "" && repo.images[id.ImageDigest] != nil:
		return repo.images[id.ImageDigest], nil
	case id.ImageTag == "" || tagged == nil: // assumed for a digest with a tag that does not exist
		return fail(types.ImageFailureCodeImageNotFound, "Requested image not found")
	case tagged.digest != id.ImageDigest:
		return fail(types.ImageFailureCodeImageTagDoesNotMatchDigest, "Requested image tag does not match the digest")
	}
	return tagged, nil
}

// after yields the images after a serial, in the order of their pushes. AWS
// promises no order.
func (repo *repository) after(serial int) iter.Seq[*image] {
	i, _ := slices.BinarySearchFunc(repo.order, serial, bySerial)
	return slices.Values(repo.order[i:])
}

// add stores a new image, last in the order.
func (repo *repository) add(img *image) {
	repo.images[img.digest] = img
	repo.order = append(repo.order, img)
	for _, child := range img.children {
		repo.parents[child] = append(repo.parents[child], img)
	}
	for _, layer := range img.layers {
		repo.uses[layer]++
	}
	if img.subject != "" {
		repo.referrers[img.subject] = append(repo.referrers[img.subject], img)
	}
}

// remove deletes an image and its tags. Its layers stay, but can't be read
// unless another image uses them. The referrers of a subject stay, too
// (assumed).
func (repo *repository) remove(img *image) {
	for _, tag := range img.tags {
		delete(repo.tags, tag)
	}
	delete(repo.images, img.digest)
	i, _ := slices.BinarySearchFunc(repo.order, img.serial, bySerial)
	repo.order = slices.Delete(repo.order, i, i+1)
	for _, child := range img.children {
		drop(repo.parents, child, img)
	}
	for _, layer := range img.layers {
		repo.uses[layer]--
	}
	drop(repo.referrers, img.subject, img)
}

func drop(of map[string][]*image, key string, img *image) {
	of[key] = slices.DeleteFunc(of[key], func(other *image) bool { return other == img })
	if len(of[key]) == 0 {
		delete(of, key)
	}
}

func bySerial(img *image, serial int) int { return cmp.Compare(img.serial, serial) }

// untag removes a tag. Its image stays, even without tags.
func (repo *repository) untag(tag string) {
	if img := repo.tags[tag]; img != nil {
		img.tags = slices.DeleteFunc(img.tags, func(other string) bool { return other == tag })
		delete(repo.tags, tag)
	}
}
