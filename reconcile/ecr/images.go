package ecr

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sync"
	"time"
	"unique"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"tagline/config"
	"tagline/reconcile/registry"
)

// image is what a description by ECR says about an image.
type image struct {
	registry.Descriptor
	tags   []string
	pushed time.Time
	pulled time.Time // zero if never (API_ImageDetail, lastRecordedPullTime)
}

func imageOf(d types.ImageDetail) image {
	return image{
		Descriptor: registry.Descriptor{ // ECR states the size of the layers, not of the manifest
			Digest:       aws.ToString(d.ImageDigest),
			MediaType:    interned(aws.ToString(d.ImageManifestMediaType)),
			ArtifactType: interned(aws.ToString(d.ArtifactMediaType)),
			Archived:     d.ImageStatus != types.ImageStatusActive && d.ImageStatus != "",
		},
		tags:   d.ImageTags,
		pushed: aws.ToTime(d.ImagePushedAt),
		pulled: aws.ToTime(d.LastRecordedPullTime),
	}
}

// listing holds all images of a repository, once a run has asked for them.
type listing struct {
	mu     sync.Mutex
	images []image
	byID   map[string]int // tag or digest -> place in images
	now    time.Time      // when the listing began, by ECR's clock
}

// list lists all images of the repository, once per run.
func (r *repository) list(ctx context.Context) (*listing, error) {
	if err := r.interrupted(ctx); err != nil {
		return nil, err
	}
	l := r.listing()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byID != nil {
		return l, nil
	}
	images, now, err := r.describeAll(ctx)
	if err != nil {
		return nil, err
	}
	byID := make(map[string]int, 2*len(images))
	for i, img := range images {
		byID[img.Digest] = i
		for _, tag := range img.tags {
			byID[tag] = i
		}
	}
	l.images, l.byID, l.now = images, byID, now
	return l, nil
}

// describeAll reads all images of the repository, 1,000 per call. It includes
// archived images, which DescribeImages leaves out by default
// (API_DescribeImagesFilter). now is the time of the first answer.
func (r *repository) describeAll(ctx context.Context) (images []image, now time.Time, err error) {
	api, err := r.reads(ctx)
	if err != nil {
		return nil, now, err
	}
	pages := ecr.NewDescribeImagesPaginator(api, &ecr.DescribeImagesInput{
		RegistryId: r.id(), RepositoryName: &r.Path, Filter: anyStatus(), MaxResults: aws.Int32(1000),
	})
	seen := pageTokens{}
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err == nil {
			err = seen.add(page.NextToken)
		}
		if err != nil {
			return nil, now, r.failure(r.String(), err)
		}
		if now.IsZero() {
			now, _ = awsmiddleware.GetServerTime(page.ResultMetadata)
		}
		if page.ImageDetails == nil { // ECR sends an empty list for an empty repository
			return nil, now, fmt.Errorf("%s: DescribeImages: the answer has no list of images", r)
		}
		for _, d := range page.ImageDetails {
			images = append(images, imageOf(d))
		}
	}
	return images, now, nil
}

// pageTokens are those that the pages of a list gave for the pages after them. The SDK
// would follow a circle for ever, or take what it has for the whole list.
type pageTokens map[string]bool

// add returns an error if the next page is one that was read before.
func (seen pageTokens) add(next *string) error {
	if next != nil && seen[*next] {
		return errors.New("its pages lead in a circle")
	}
	seen[aws.ToString(next)] = true
	return nil
}

func (r *repository) listing() *listing {
	l, _ := r.listings.LoadOrStore(r.Path, &listing{})
	return l.(*listing)
}

// remembered returns the listing, or nil if the run has not made one.
func (r *repository) remembered() *listing {
	l := r.listing()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byID == nil {
		return nil
	}
	return l
}

// get finds a tag or digest in a listing.
func (l *listing) get(id string) (image, bool) {
	i, ok := l.byID[id]
	if !ok {
		return image{}, false
	}
	return l.images[i], true
}

// The most ids, and the most calls, that are spent on asking by id; beyond
// that, the repository is listed. Each id that does not exist costs a call, and
// a repository may have a hundred pages.
const (
	maxIDs   = 300
	maxCalls = 20
)

var errTooMany = errors.New("too many calls")

// images finds images by tag or digest: by their ids if there are few, else in
// a listing. The map lacks those that do not exist.
func (r *repository) images(ctx context.Context, ids []string) (map[string]image, error) {
	if err := r.interrupted(ctx); err != nil {
		return nil, err
	}
	l := r.remembered()
	if l == nil && len(ids) <= maxIDs {
		api, err := r.reads(ctx)
		if err != nil {
			return nil, err
		}
		d := describing{repository: r, api: api, calls: maxCalls, got: map[string]image{}}
		for batch := range slices.Chunk(ids, idsPerCall) {
			if err = d.describe(ctx, batch); err != nil {
				break
			}
		}
		if !errors.Is(err, errTooMany) {
			return d.got, err
		}
	}
	l, err := r.list(ctx)
	if err != nil {
		return nil, err
	}
	got := map[string]image{}
	for _, id := range ids {
		if img, ok := l.get(id); ok {
			got[id] = img
		}
	}
	return got, nil
}

// describing asks for images by id and collects them.
type describing struct {
	*repository
	api   reads
	calls int // calls that are left
	got   map[string]image
}

// describe asks for a batch. One id that does not exist fails the whole call
// (API_DescribeImages, ImageNotFoundException). If the error names it, describe
// asks again for the others. If not, it halves the batch until each missing id
// is alone.
func (d *describing) describe(ctx context.Context, ids []string) error {
	if d.calls == 0 {
		return errTooMany
	}
	d.calls--
	out, err := d.api.DescribeImages(ctx, &ecr.DescribeImagesInput{
		RegistryId: d.id(), RepositoryName: &d.Path, Filter: anyStatus(), ImageIds: identifiers(ids),
	})
	var missing *types.ImageNotFoundException
	switch {
	case errors.As(err, &missing) && len(ids) == 1:
		return nil
	case errors.As(err, &missing):
		if i := slices.Index(ids, named(missing)); i >= 0 {
			return d.describe(ctx, slices.Concat(ids[:i], ids[i+1:]))
		}
		half := len(ids) / 2
		if err := d.describe(ctx, ids[:half]); err != nil {
			return err
		}
		return d.describe(ctx, ids[half:])
	case err != nil:
		return d.failure(d.String(), err)
	}
	for _, detail := range out.ImageDetails { // one per image, however many ids name it
		img := imageOf(detail)
		for _, id := range append(img.tags, img.Digest) {
			if slices.Contains(ids, id) {
				d.got[id] = img
			}
		}
	}
	for _, id := range ids { // an id is absent only by an ImageNotFoundException
		if _, ok := d.got[id]; !ok {
			return fmt.Errorf("%s: ECR answered without it", d.subject(id))
		}
	}
	return nil
}

// missingID is how DescribeImages names an image that does not exist
// (hashicorp/terraform-provider-aws#35268). The tag or digest that was not
// asked for is null.
var missingID = regexp.MustCompile(`imageId \{imageDigest:'([^']*)', imageTag:'([^']*)'\}`)

// named returns the tag or digest that an error names, or "".
func named(err *types.ImageNotFoundException) string {
	m := missingID.FindStringSubmatch(err.ErrorMessage())
	switch {
	case m == nil:
		return ""
	case config.IsDigest(m[1]):
		return m[1]
	}
	return m[2]
}

func anyStatus() *types.DescribeImagesFilter {
	return &types.DescribeImagesFilter{ImageStatus: types.ImageStatusFilterAny}
}

// identifiers returns tags and digests in the form that ECR takes.
func identifiers(ids []string) []types.ImageIdentifier {
	all := make([]types.ImageIdentifier, len(ids))
	for i := range ids {
		if config.IsDigest(ids[i]) {
			all[i].ImageDigest = &ids[i]
		} else {
			all[i].ImageTag = &ids[i]
		}
	}
	return all
}

// interned keeps one copy of a string that a listing repeats a hundred thousand
// times.
func interned(s string) string { return unique.Make(s).Value() }
