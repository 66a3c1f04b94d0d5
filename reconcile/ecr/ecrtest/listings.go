package ecrtest

import (
	"cmp"
	"iter"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
)

// check refuses a filter with an unknown status.
func (f imageFilter) check() error {
	if f.TagStatus != "" && !slices.Contains(types.TagStatus("").Values(), types.TagStatus(f.TagStatus)) {
		return invalid("tagStatus", "Member must satisfy enum value set: %s", types.TagStatus("").Values())
	}
	if f.ImageStatus != "" && !slices.Contains(types.ImageStatusFilter("").Values(), types.ImageStatusFilter(f.ImageStatus)) {
		return invalid("imageStatus", "Member must satisfy enum value set: %s", types.ImageStatusFilter("").Values())
	}
	return nil
}

// matches reports whether a filter selects an image. By default it selects
// ACTIVE images, tagged or not (API_DescribeImagesFilter,
// API_ListImagesFilter).
func (f imageFilter) matches(img *image) bool {
	if !statusMatches(f.ImageStatus, img) {
		return false
	}
	switch types.TagStatus(f.TagStatus) {
	case types.TagStatusTagged:
		return len(img.tags) > 0
	case types.TagStatusUntagged:
		return len(img.tags) == 0
	}
	return true
}

func statusMatches(wanted string, img *image) bool {
	wanted = cmp.Or(wanted, string(types.ImageStatusFilterActive))
	return wanted == string(types.ImageStatusFilterAny) || wanted == string(img.status)
}

// describeImages takes 1 to 100 ids, or returns pages of 1 to 1,000, 100 by
// default; never both. It returns one item per image, with all its tags. An id
// that does not exist fails the whole call (API_DescribeImages).
func (r *Registry) describeImages(repo *repository, in describeImagesRequest) (any, error) {
	if err := in.Filter.check(); err != nil {
		return nil, err
	}
	if in.ImageIDs != nil {
		if in.MaxResults != nil || in.NextToken != "" {
			return nil, invalid("imageIds", "not together with maxResults or nextToken")
		}
		details, err := r.describeIDs(repo, in.ImageIDs, in.Filter)
		return describeImagesResponse{ImageDetails: details}, err
	}
	query := fingerprint("DescribeImages", repo.name, in.Filter)
	details, next, err := page(in.pageRequest, 100, 1000, query, func(from position) iter.Seq2[position, imageDetail] {
		return func(yield func(position, imageDetail) bool) {
			for img := range repo.after(from.Serial + 1) {
				if in.Filter.matches(img) && !yield(position{Serial: img.serial}, r.describe(repo, img)) {
					return
				}
			}
		}
	})
	return describeImagesResponse{details, next}, err
}

// describeIDs describes an image once, however many ids name it (assumed). An
// image that the filter excludes does not exist (assumed).
func (r *Registry) describeIDs(repo *repository, ids []imageID, filter imageFilter) ([]imageDetail, error) {
	if err := atMost("imageIds", len(ids), 100); err != nil {
		return nil, err
	}
	var details []imageDetail
	seen := map[*image]bool{}
	for _, id := range ids {
		img, failure := repo.find(id)
		switch {
		case failure != nil && failure.FailureCode != string(types.ImageFailureCodeImageNotFound) &&
			failure.FailureCode != string(types.ImageFailureCodeImageTagDoesNotMatchDigest):
			return nil, refusal("InvalidParameterException", "%s", failure.FailureReason)
		case failure != nil || !statusMatches(filter.ImageStatus, img):
			return nil, r.errNoImage(repo, id)
		case !seen[img]:
			seen[img] = true
			details = append(details, r.describe(repo, img))
		}
	}
	return details, nil
}

func (r *Registry) describe(repo *repository, img *image) imageDetail {
	return imageDetail{
		target:                 r.target(repo),
		ArtifactMediaType:      img.artifactType,
		ImageDigest:            img.digest,
		ImageManifestMediaType: img.mediaType,
		ImagePushedAt:          &epoch{img.pushedAt},
		ImageSizeInBytes:       img.size,
		ImageStatus:            string(img.status),
		ImageTags:              slices.Clone(img.tags), // the answer is encoded after the store is unlocked
		LastActivatedAt:        img.activatedAt,
		LastArchivedAt:         img.archivedAt,
		LastRecordedPullTime:   img.pulledAt,
		SubjectManifestDigest:  img.subject,
	}
}

// listImages returns pages of 1 to 1,000, 100 by default: one item per tag, and
// one per image without tags (API_ListImages).
func (r *Registry) listImages(repo *repository, in listImagesRequest) (any, error) {
	if err := in.Filter.check(); err != nil {
		return nil, err
	}
	ids, next, err := page(in.pageRequest, 100, 1000, fingerprint("ListImages", repo.name, in.Filter), repo.ids(in.Filter))
	return listImagesResponse{ids, next}, err
}

// ids yields the tags, and the images without tags.
func (repo *repository) ids(filter imageFilter) func(position) iter.Seq2[position, imageID] {
	return func(from position) iter.Seq2[position, imageID] {
		return func(yield func(position, imageID) bool) {
			for img := range repo.after(from.Serial) {
				if !filter.matches(img) {
					continue
				}
				fresh := img.serial > from.Serial // if not, only the tags after the position are left
				if len(img.tags) == 0 && fresh && !yield(position{Serial: img.serial}, imageID{ImageDigest: img.digest}) {
					return
				}
				for _, tag := range img.tags {
					if (fresh || tag > from.Name) && !yield(position{img.serial, tag}, imageID{img.digest, tag}) {
						return
					}
				}
			}
		}
	}
}

// listImageReferrers returns pages of 1 to 50, 20 by default. It lists only
// ACTIVE referrers by default (the SDK's ListImageReferrersInput). The subject
// need not exist (OCI distribution-spec, "Listing Referrers").
func (r *Registry) listImageReferrers(repo *repository, in listImageReferrersRequest) (any, error) {
	if !reDigest.MatchString(in.SubjectID.ImageDigest) {
		return nil, invalid("subjectId", "must satisfy regular expression '%s'", reDigest)
	}
	query := fingerprint("ListImageReferrers", repo.name, in.SubjectID.ImageDigest, in.Filter)
	referrers, next, err := page(in.pageRequest, 20, 50, query, repo.referring(in.SubjectID.ImageDigest, in.Filter))
	return listImageReferrersResponse{next, referrers}, err
}

// referring yields the referrers of a subject.
func (repo *repository) referring(subject string, filter referrerFilter) func(position) iter.Seq2[position, referrer] {
	return func(from position) iter.Seq2[position, referrer] {
		return func(yield func(position, referrer) bool) {
			for _, img := range repo.referrers[subject] {
				if img.serial <= from.Serial || !statusMatches(filter.ArtifactStatus, img) ||
					filter.ArtifactTypes != nil && !slices.Contains(filter.ArtifactTypes, img.artifactType) {
					continue
				}
				r := referrer{
					Annotations: img.annotations, ArtifactStatus: string(img.status), ArtifactType: img.artifactType,
					Digest: img.digest, MediaType: img.mediaType, Size: int64(len(img.body)),
				}
				if !yield(position{Serial: img.serial}, r) {
					return
				}
			}
		}
	}
}
