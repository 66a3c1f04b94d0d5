package ecrtest

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// manifest has the fields of a manifest that ECR reads.
type manifest struct {
	MediaType    string               `json:"mediaType"`
	ArtifactType string               `json:"artifactType"`
	Config       *ocispec.Descriptor  `json:"config"`
	Layers       []ocispec.Descriptor `json:"layers"`
	Manifests    []ocispec.Descriptor `json:"manifests"`
	Subject      *ocispec.Descriptor  `json:"subject"`
	Annotations  map[string]string    `json:"annotations"`
}

const maxManifest = 4 << 20 // bytes (API_PutImage, imageManifest)

// push is a manifest to store in a repository.
type push struct {
	body, mediaType string
	digest, tag     string // either may be empty
	at              time.Time
}

// put stores a manifest and tags it. If the image and the tag already exist as
// requested, it returns an ImageAlreadyExistsException (API_PutImage), or an
// ImageTagAlreadyExistsException if the tag is immutable
// (aws/containers-roadmap#2179).
func (r *Registry) put(repo *repository, p push) (*image, error) {
	img, err := r.read(repo, p)
	if err != nil {
		return nil, err
	}
	stored, tagged := repo.images[img.digest], repo.tags[p.tag]
	switch {
	case stored != nil && stored.status == types.ImageStatusArchived:
		// A push restores it (user guide, archive-image).
		stored.status, stored.activatedAt = types.ImageStatusActive, &epoch{p.at}
	case stored != nil && tagged == stored && p.tag != "" && repo.mutability.immutable(p.tag):
		return nil, r.errImmutable(repo, p.tag)
	case stored != nil && (p.tag == "" || tagged == stored):
		return stored, refusal("ImageAlreadyExistsException", "Image with digest '%s' and tag '%s' already exists in the repository with name '%s' in registry with id '%s'",
			img.digest, orNull(p.tag), repo.name, r.options.Account)
	}
	// API_PutImage, user guide image-tag-mutability.
	if tagged != nil && tagged != stored && repo.mutability.immutable(p.tag) {
		return nil, r.errImmutable(repo, p.tag)
	}
	if stored == nil && len(repo.images) >= r.options.MaxImages {
		return nil, r.errFull(repo, "images", r.options.MaxImages)
	}
	if p.tag != "" && stored != nil && tagged != stored && len(stored.tags) >= r.options.MaxTags {
		return nil, r.errFull(repo, "tags per image", r.options.MaxTags) // assumed: the text
	}
	if stored == nil {
		r.serial++
		img.serial = r.serial
		repo.add(img)
		stored = img
	}
	if p.tag != "" && tagged != stored {
		repo.untag(p.tag)
		repo.tags[p.tag] = stored
		stored.tags = append(stored.tags, p.tag)
		slices.Sort(stored.tags)
	}
	return stored, nil
}

// read parses a manifest. The repository must hold everything that it refers
// to.
func (r *Registry) read(repo *repository, p push) (*image, error) {
	var m manifest
	switch {
	case len(p.body) < 1 || len(p.body) > maxManifest:
		return nil, invalid("imageManifest", "Member must have length between 1 and %d, inclusive", maxManifest)
	case json.Unmarshal([]byte(p.body), &m) != nil:
		return nil, invalid("ImageManifest", "Invalid JSON syntax")
	case p.tag != "" && !reTag.MatchString(p.tag):
		return nil, invalid("imageTag", "must satisfy regular expression '%s'", reTag)
	}
	img := &image{
		digest:    digest.FromString(p.body).String(),
		mediaType: cmp.Or(m.MediaType, p.mediaType),
		body:      p.body, pushedAt: p.at, status: types.ImageStatusActive,
	}
	switch {
	case img.mediaType == "": // API_PutImage, imageManifestMediaType
		return nil, invalid("imageManifestMediaType", "required for a manifest without mediaType")
	case m.MediaType != "" && p.mediaType != "" && m.MediaType != p.mediaType: // assumed
		return nil, invalid("imageManifestMediaType", "must be the manifest's own '%s'", m.MediaType)
	case p.digest != "" && p.digest != img.digest: // API_PutImage
		return nil, refusal("ImageDigestDoesNotMatchException", "The image digest '%s' does not match the digest '%s' of the image manifest", p.digest, img.digest)
	}
	img.size = m.size(repo)
	img.artifactType = m.ArtifactType // assumed if the manifest states one
	if m.Subject != nil {
		// The subject need not exist (OCI distribution-spec, "Pushing Manifests
		// with Subject").
		img.subject, img.annotations = m.Subject.Digest.String(), m.Annotations
	}
	for _, child := range m.Manifests {
		img.children = append(img.children, child.Digest.String())
	}
	if m.Config != nil {
		img.layers = append(img.layers, m.Config.Digest.String())
		img.artifactType = cmp.Or(m.ArtifactType, m.Config.MediaType)
	}
	required := slices.Clone(img.layers)
	for _, layer := range m.Layers {
		img.layers = append(img.layers, layer.Digest.String())
		if len(layer.URLs) == 0 { // foreign layers may be elsewhere (OCI image-spec, "Non-distributable layers"); assumed
			required = append(required, layer.Digest.String())
		}
	}
	if missing := without(img.children, repo.images); len(missing) > 0 { // API_PutImage: in the same repository
		return nil, r.errRequired("ReferencedImagesNotFoundException", "Images", repo, missing)
	}
	if missing := without(required, repo.layers); len(missing) > 0 { // API_PutImage
		return nil, r.errRequired("LayersNotFoundException", "Layers", repo, missing)
	}
	return img, nil
}

// size is the size of the layers, or of the largest manifest of an index
// (API_ImageDetail, imageSizeInBytes). Assumed: configs do not count.
func (m manifest) size(repo *repository) int64 {
	var size int64
	for _, layer := range m.Layers {
		size += layer.Size
	}
	for _, child := range m.Manifests {
		if img := repo.images[child.Digest.String()]; img != nil {
			size = max(size, img.size)
		}
	}
	return size
}

// without returns the digests that are not in held.
func without[T any](digests []string, held map[string]T) []string {
	var missing []string
	for _, d := range digests {
		if _, ok := held[d]; !ok && !slices.Contains(missing, d) {
			missing = append(missing, d)
		}
	}
	return missing
}

func (r *Registry) putImage(in putImageRequest) (any, error) {
	repo, err := r.pushTo(in.RepositoryName)
	if err != nil {
		return nil, err
	}
	img, err := r.put(repo, push{in.ImageManifest, in.ImageManifestMediaType, in.ImageDigest, in.ImageTag, r.options.Now()})
	if err != nil {
		return nil, err
	}
	return putImageResponse{r.stored(repo, img, imageID{img.digest, in.ImageTag})}, nil
}

func (r *Registry) stored(repo *repository, img *image, id imageID) storedImage {
	return storedImage{r.target(repo), id, img.body, img.mediaType}
}

// Tags returns the digest that each tag of a repository names.
func (r *Registry) Tags(repository string) map[string]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	tags := map[string]string{}
	if repo := r.repositories[repository]; repo != nil {
		for tag, img := range repo.tags {
			tags[tag] = img.digest
		}
	}
	return tags
}

func (r *Registry) errNoImage(repo *repository, id imageID) error {
	return refusal("ImageNotFoundException",
		"The image with imageId {imageDigest:'%s', imageTag:'%s'} does not exist within the repository with name '%s' in the registry with id '%s'",
		orNull(id.ImageDigest), orNull(id.ImageTag), repo.name, r.options.Account)
}

// errRequired names the digests that a manifest needs and the repository lacks.
func (r *Registry) errRequired(code, what string, repo *repository, digests []string) error {
	return refusal(code, "%s with digests '[%s]' required for pushing image into repository with name '%s' in the registry with id '%s' do not exist",
		what, strings.Join(digests, ", "), repo.name, r.options.Account)
}

// errImmutable has the text from moby/buildkit#3776.
func (r *Registry) errImmutable(repo *repository, tag string) error {
	return refusal("ImageTagAlreadyExistsException",
		"The image tag '%s' already exists in the '%s' repository and cannot be overwritten because the repository is immutable.", tag, repo.name)
}

// errFull reports a full quota (semaphoreci/docs#404).
func (r *Registry) errFull(repo *repository, of string, most int) error {
	return refusal("LimitExceededException", "The repository with name '%s' in registry with id '%s' already has the maximum allowed number of %s which is '%d'",
		repo.name, r.options.Account, of, most)
}
