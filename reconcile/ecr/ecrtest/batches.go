package ecrtest

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
)

// batchGetImage takes 1 to 100 ids. What it can't return is a failure in an
// answer that succeeds (API_BatchGetImage).
func (r *Registry) batchGetImage(repo *repository, in batchGetImageRequest) (any, error) {
	if err := atMost("imageIds", len(in.ImageIDs), 100); err != nil {
		return nil, err
	}
	out := batchGetImageResponse{Failures: []imageFailure{}, Images: []storedImage{}}
	for _, id := range in.ImageIDs {
		img, failure := repo.pull(id, in.AcceptedMediaTypes)
		if failure != nil {
			out.Failures = append(out.Failures, *failure)
			continue
		}
		out.Images = append(out.Images, r.stored(repo, img, imageID{img.digest, id.ImageTag}))
	}
	return out, nil
}

// pull finds an image to return. If accepted is empty, it accepts all media
// types.
//
// By digest, it finds that image and no other. By tag, ECR may answer with
// another manifest if the client does not accept the tag's own (user guide,
// image-manifest-formats; aws/containers-roadmap#1075). Assumed: for an index,
// it answers with the image for linux/amd64, and with nothing if the client
// does not accept that either. ECR also converts manifests between formats; the
// emulator does not.
func (repo *repository) pull(id imageID, accepted []string) (*image, *imageFailure) {
	img, failure := repo.find(id)
	if failure != nil {
		return nil, failure
	}
	accepts := func(img *image) bool { return len(accepted) == 0 || slices.Contains(accepted, img.mediaType) }
	if id.ImageDigest == "" && !accepts(img) {
		img = repo.images[platformChild(img.body)]
		if img != nil && !accepts(img) {
			img = nil
		}
	}
	// An archived image exists and can't be pulled: over /v2/, a 404 (user
	// guide, archive-image). Assumed: the API answers likewise.
	if img == nil || img.status != types.ImageStatusActive {
		return nil, &imageFailure{string(types.ImageFailureCodeImageNotFound), "Requested image not found", id}
	}
	return img, nil
}

func platformChild(index string) string {
	var m manifest
	_ = json.Unmarshal([]byte(index), &m) // was parsed before
	for _, child := range m.Manifests {
		if p := child.Platform; p != nil && p.OS == "linux" && p.Architecture == "amd64" {
			return child.Digest.String()
		}
	}
	return ""
}

// batchDeleteImage takes 1 to 100 ids. A digest deletes the image and all its
// tags. A tag deletes only itself, but the last tag deletes the image too
// (API_BatchDeleteImage). What it can't delete is a failure in an answer that
// succeeds.
//
// Immutable tags can be deleted: the user guide's image-tag-mutability speaks
// only of pushes.
func (r *Registry) batchDeleteImage(repo *repository, in batchDeleteImageRequest) (any, error) {
	if err := atMost("imageIds", len(in.ImageIDs), 100); err != nil {
		return nil, err
	}
	out := batchDeleteImageResponse{Failures: []imageFailure{}, ImageIDs: []imageID{}}
	held := repo.holding(in.ImageIDs...)
	for _, id := range in.ImageIDs {
		deleted, failure := repo.delete(id, held)
		if failure != nil {
			out.Failures = append(out.Failures, *failure)
		}
		out.ImageIDs = append(out.ImageIDs, deleted...)
	}
	return out, nil
}

// holding returns, for each image to be deleted, the indexes that list it when
// the call begins. Assumed: an index protects its children even if the same
// call deletes it, in any order.
func (repo *repository) holding(ids ...imageID) map[string][]*image {
	held := map[string][]*image{}
	for _, id := range ids {
		if img, failure := repo.find(id); failure == nil {
			held[img.digest] = slices.Clone(repo.parents[img.digest])
		}
	}
	return held
}

// delete deletes one id of a batch. It returns the digest and tag of all that
// is gone.
func (repo *repository) delete(id imageID, held map[string][]*image) ([]imageID, *imageFailure) {
	img, failure := repo.find(id)
	if failure != nil {
		return nil, failure
	}
	// Assumed: with a digest and a tag, the tag is deleted only if it names the
	// digest.
	if id.ImageTag != "" && len(img.tags) > 1 {
		repo.untag(id.ImageTag)
		return []imageID{{img.digest, id.ImageTag}}, nil
	}
	// An image that an index lists stays, and so does its last tag
	// (aws/containers-roadmap#1567). The text is from the user guide's
	// image-artifact-delete.
	if parents := held[img.digest]; len(parents) > 0 {
		var digests []string
		for _, parent := range parents {
			digests = append(digests, parent.digest)
		}
		return nil, &imageFailure{
			string(types.ImageFailureCodeImageReferencedByManifestList),
			"Requested image referenced by manifest list: [" + strings.Join(digests, ", ") + "]", id,
		}
	}
	repo.remove(img)
	var gone []imageID
	for _, tag := range img.tags {
		gone = append(gone, imageID{img.digest, tag})
	}
	if len(gone) == 0 {
		gone = append(gone, imageID{ImageDigest: img.digest})
	}
	return gone, nil
}
