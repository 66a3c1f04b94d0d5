package ecrtest

import (
	"fmt"
	"strconv"
	"time"
)

// The JSON of the AWS API: requests are named …Request, answers …Response (API
// Reference, Actions and Data Types). Empty fields are omitted, as AWS does.

// target has the fields that nearly all requests share.
type target struct {
	RegistryID     string `json:"registryId,omitempty"`
	RepositoryName string `json:"repositoryName,omitempty"`
}

func (t target) name() string { return t.RepositoryName }

// arn names a repository in policies.
func arn(region, account, repository string) string {
	return fmt.Sprintf("arn:aws:ecr:%s:%s:repository/%s", region, account, repository)
}

// pageRequest has the fields that all listings share.
type pageRequest struct {
	MaxResults *int   `json:"maxResults,omitempty"`
	NextToken  string `json:"nextToken,omitempty"`
}

// epoch is a time in seconds since 1970 (AWS JSON 1.1 protocol).
type epoch struct{ time.Time }

// MarshalJSON writes seconds, with milliseconds as the fraction.
func (e epoch) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(e.UnixMilli())/1000, 'f', -1, 64), nil
}

type mutability struct {
	ImageTagMutability                 string            `json:"imageTagMutability,omitempty"`
	ImageTagMutabilityExclusionFilters []exclusionFilter `json:"imageTagMutabilityExclusionFilters,omitempty"`
}

type exclusionFilter struct {
	Filter     string `json:"filter"`
	FilterType string `json:"filterType"`
}

type repositoryDetail struct {
	target
	mutability
	CreatedAt     *epoch `json:"createdAt,omitempty"`
	RepositoryARN string `json:"repositoryArn,omitempty"`
	RepositoryURI string `json:"repositoryUri,omitempty"`
}

type describeRepositoriesRequest struct {
	pageRequest
	RegistryID      string   `json:"registryId,omitempty"`
	RepositoryNames []string `json:"repositoryNames,omitempty"`
}

type describeRepositoriesResponse struct {
	NextToken    string             `json:"nextToken,omitempty"`
	Repositories []repositoryDetail `json:"repositories"`
}

type createRepositoryRequest struct {
	target
	mutability
}

type createRepositoryResponse struct {
	Repository repositoryDetail `json:"repository"`
}

// putImageTagMutability is both request and response.
type putImageTagMutability struct {
	target
	mutability
}

// putLifecyclePolicy is both request and response.
type putLifecyclePolicy struct {
	target
	LifecyclePolicyText string `json:"lifecyclePolicyText"`
}

type getLifecyclePolicyRequest struct{ target }

type getLifecyclePolicyResponse struct {
	target
	LastEvaluatedAt     *epoch `json:"lastEvaluatedAt,omitempty"`
	LifecyclePolicyText string `json:"lifecyclePolicyText"`
}

type imageID struct {
	ImageDigest string `json:"imageDigest,omitempty"`
	ImageTag    string `json:"imageTag,omitempty"`
}

type imageFailure struct {
	FailureCode   string  `json:"failureCode"`
	FailureReason string  `json:"failureReason"`
	ImageID       imageID `json:"imageId"`
}

type imageFilter struct {
	ImageStatus string `json:"imageStatus,omitempty"`
	TagStatus   string `json:"tagStatus,omitempty"`
}

type imageDetail struct {
	target
	ArtifactMediaType      string   `json:"artifactMediaType,omitempty"`
	ImageDigest            string   `json:"imageDigest"`
	ImageManifestMediaType string   `json:"imageManifestMediaType"`
	ImagePushedAt          *epoch   `json:"imagePushedAt,omitempty"`
	ImageSizeInBytes       int64    `json:"imageSizeInBytes"`
	ImageStatus            string   `json:"imageStatus"`
	ImageTags              []string `json:"imageTags,omitempty"`
	LastActivatedAt        *epoch   `json:"lastActivatedAt,omitempty"`
	LastArchivedAt         *epoch   `json:"lastArchivedAt,omitempty"`
	LastRecordedPullTime   *epoch   `json:"lastRecordedPullTime,omitempty"`
	SubjectManifestDigest  string   `json:"subjectManifestDigest,omitempty"`
}

type describeImagesRequest struct {
	target
	pageRequest
	Filter   imageFilter `json:"filter"`
	ImageIDs []imageID   `json:"imageIds,omitempty"`
}

type describeImagesResponse struct {
	ImageDetails []imageDetail `json:"imageDetails"`
	NextToken    string        `json:"nextToken,omitempty"`
}

type listImagesRequest struct {
	target
	pageRequest
	Filter imageFilter `json:"filter"`
}

type listImagesResponse struct {
	ImageIDs  []imageID `json:"imageIds"`
	NextToken string    `json:"nextToken,omitempty"`
}

type storedImage struct {
	target
	ImageID                imageID `json:"imageId"`
	ImageManifest          string  `json:"imageManifest"`
	ImageManifestMediaType string  `json:"imageManifestMediaType"`
}

type batchGetImageRequest struct {
	target
	AcceptedMediaTypes []string  `json:"acceptedMediaTypes,omitempty"`
	ImageIDs           []imageID `json:"imageIds"`
}

type batchGetImageResponse struct {
	Failures []imageFailure `json:"failures"`
	Images   []storedImage  `json:"images"`
}

type putImageRequest struct {
	target
	ImageDigest            string `json:"imageDigest,omitempty"`
	ImageManifest          string `json:"imageManifest"`
	ImageManifestMediaType string `json:"imageManifestMediaType,omitempty"`
	ImageTag               string `json:"imageTag,omitempty"`
}

type putImageResponse struct {
	Image storedImage `json:"image"`
}

type batchDeleteImageRequest struct {
	target
	ImageIDs []imageID `json:"imageIds"`
}

type batchDeleteImageResponse struct {
	Failures []imageFailure `json:"failures"`
	ImageIDs []imageID      `json:"imageIds"`
}

type referrerFilter struct {
	ArtifactStatus string   `json:"artifactStatus,omitempty"`
	ArtifactTypes  []string `json:"artifactTypes,omitempty"`
}

type listImageReferrersRequest struct {
	target
	pageRequest
	Filter    referrerFilter `json:"filter"`
	SubjectID imageID        `json:"subjectId"`
}

type listImageReferrersResponse struct {
	NextToken string     `json:"nextToken,omitempty"`
	Referrers []referrer `json:"referrers"`
}

type referrer struct {
	Annotations    map[string]string `json:"annotations,omitempty"`
	ArtifactStatus string            `json:"artifactStatus,omitempty"`
	ArtifactType   string            `json:"artifactType,omitempty"`
	Digest         string            `json:"digest"`
	MediaType      string            `json:"mediaType"`
	Size           int64             `json:"size"`
}

type batchCheckLayerAvailabilityRequest struct {
	target
	LayerDigests []string `json:"layerDigests"`
}

type batchCheckLayerAvailabilityResponse struct {
	Failures []layerFailure `json:"failures"`
	Layers   []layer        `json:"layers"`
}

type layerFailure struct {
	FailureCode   string `json:"failureCode"`
	FailureReason string `json:"failureReason"`
	LayerDigest   string `json:"layerDigest"`
}

type layer struct {
	LayerAvailability string `json:"layerAvailability"`
	LayerDigest       string `json:"layerDigest"`
	LayerSize         int64  `json:"layerSize,omitempty"`
	MediaType         string `json:"mediaType,omitempty"`
}

type getDownloadURLForLayerRequest struct {
	target
	LayerDigest string `json:"layerDigest"`
}

type getDownloadURLForLayerResponse struct {
	DownloadURL string `json:"downloadUrl"`
	LayerDigest string `json:"layerDigest"`
}

type getAuthorizationTokenRequest struct {
	RegistryIDs []string `json:"registryIds,omitempty"`
}

type getAuthorizationTokenResponse struct {
	AuthorizationData []authorizationData `json:"authorizationData"`
}

type authorizationData struct {
	AuthorizationToken string `json:"authorizationToken"`
	ExpiresAt          *epoch `json:"expiresAt"`
	ProxyEndpoint      string `json:"proxyEndpoint"`
}
