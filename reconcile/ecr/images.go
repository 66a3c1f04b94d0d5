package ecr

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
	"unique"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"tagline/reconcile/registry"
)

// image is what ECR tells of one without sending it.
type image struct {
	registry.Descriptor
	tags   []string
	pushed time.Time
	pulled time.Time // zero if never (API_ImageDetail, lastRecordedPullTime)
}

func imageOf(d types.ImageDetail) image {
	return image{
		Descriptor: registry.Descriptor{ // ECR's size is that of the layers, not of the manifest
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

// listing is all of a repository, once a run has asked for it.
type listing struct {
	mu     sync.Mutex
	images []image
	byID   map[string]int // tag or digest -> place in images
	now    time.Time      // when it began, by ECR's clock
}

// interrupted is the error of a context that has ended: then nothing answers,
// not even what is remembered.
func (r *reader) interrupted(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return r.failure(r.String(), err)
	}
	return nil
}

// list reads all images of the repository once a run.
func (r *reader) list(ctx context.Context) (*listing, error) {
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

// describeAll reads all images of the repository, 1,000 a call: those that are
// archived, too, which DescribeImages leaves out unless asked
// (API_DescribeImagesFilter). The clock is that of the first answer.
func (r *reader) describeAll(ctx context.Context) (images []image, now time.Time, err error) {
	api, err := r.reads(ctx)
	if err != nil {
		return nil, now, err
	}
	pages := ecr.NewDescribeImagesPaginator(api, &ecr.DescribeImagesInput{
		RegistryId: r.id(), RepositoryName: &r.Path, Filter: anyStatus(), MaxResults: aws.Int32(1000),
	}, func(o *ecr.DescribeImagesPaginatorOptions) { o.StopOnDuplicateToken = true })
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, now, r.failure(r.String(), err)
		}
		if now.IsZero() {
			now, _ = awsmiddleware.GetServerTime(page.ResultMetadata)
		}
		if page.ImageDetails == nil { // an empty repository has an empty list
			return nil, now, fmt.Errorf("%s: DescribeImages: the answer has no list of images", r)
		}
		for _, d := range page.ImageDetails {
			images = append(images, imageOf(d))
		}
	}
	return images, now, nil
}

func (r *reader) listing() *listing {
	l, _ := r.listings.LoadOrStore(r.Path, &listing{})
	return l.(*listing)
}

// remembered is the listing if there is one already.
func (r *reader) remembered() *listing {
	l := r.listing()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byID == nil {
		return nil
	}
	return l
}

// get looks a tag or digest up in a listing.
func (l *listing) get(id string) (image, bool) {
	i, ok := l.byID[id]
	if !ok {
		return image{}, false
	}
	return l.images[i], true
}

// What asking by id may cost before listing takes over: as many ids, and as
// many calls. Each id that does not exist costs a call, and a repository may have
// a hundred pages.
const (
	maxIDs   = 300
	maxCalls = 20
)

var errTooMany = errors.New("too many calls")

// images finds images by tag or digest: by their ids if those are few, else by
// listing the repository. What does not exist is not in the map.
func (r *reader) images(ctx context.Context, ids []string) (map[string]image, error) {
	if err := r.interrupted(ctx); err != nil {
		return nil, err
	}
	l := r.remembered()
	if l == nil && len(ids) <= maxIDs {
		api, err := r.reads(ctx)
		if err != nil {
			return nil, err
		}
		d := describing{reader: r, api: api, calls: maxCalls, got: map[string]image{}}
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

// describing asks for images by id.
type describing struct {
	*reader
	api   reads
	calls int // that are left
	got   map[string]image
}

// describe asks for a batch. One id that does not exist fails the whole call
// (API_DescribeImages, ImageNotFoundException). The error names it, so the others
// are asked for again. If it doesn't, the batch is halved until the missing ids
// stand alone.
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
	for _, detail := range out.ImageDetails { // one for each image, however many ids it has
		img := imageOf(detail)
		for _, id := range append(img.tags, img.Digest) {
			if slices.Contains(ids, id) {
				d.got[id] = img
			}
		}
	}
	for _, id := range ids { // without an ImageNotFoundException it is not absent
		if _, ok := d.got[id]; !ok {
			return fmt.Errorf("%s: ECR answered without it", d.subject(id))
		}
	}
	return nil
}

// missingID is how DescribeImages names an image that does not exist
// (hashicorp/terraform-provider-aws#35268). Of tag and digest, the one that was not
// asked for is null.
var missingID = regexp.MustCompile(`imageId \{imageDigest:'([^']*)', imageTag:'([^']*)'\}`)

// named returns the tag or digest that an error names, "" if it names none.
func named(err *types.ImageNotFoundException) string {
	m := missingID.FindStringSubmatch(err.ErrorMessage())
	switch {
	case m == nil:
		return ""
	case isDigest(m[1]):
		return m[1]
	}
	return m[2]
}

func anyStatus() *types.DescribeImagesFilter {
	return &types.DescribeImagesFilter{ImageStatus: types.ImageStatusFilterAny}
}

// identifiers are tags and digests as ECR wants them.
func identifiers(ids []string) []types.ImageIdentifier {
	all := make([]types.ImageIdentifier, len(ids))
	for i := range ids {
		if isDigest(ids[i]) {
			all[i].ImageDigest = &ids[i]
		} else {
			all[i].ImageTag = &ids[i]
		}
	}
	return all
}

// isDigest tells a digest from a tag, which has no colon.
func isDigest(id string) bool { return strings.Contains(id, ":") }

// interned keeps one copy of a text that repeats a hundred thousand times.
func interned(s string) string { return unique.Make(s).Value() }
