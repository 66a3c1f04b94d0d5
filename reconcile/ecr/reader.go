package ecr

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	media "github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/opencontainers/go-digest"

	"tagline/config"
	"tagline/reconcile/registry"
)

// reader reads one repository.
type reader struct {
	registry.NoMemory
	repository
	client *Client
}

func newReader(c *Client, a *account, at config.Repository) reader {
	return reader{repository: repository{account: a, Repository: at}, client: c}
}

// fail sets the same error in every answer.
func fail[T any](answers []registry.Answer[T], err error) []registry.Answer[T] {
	for i := range answers {
		answers[i].Err = err
	}
	return answers
}

// Resolve costs one call per hundred tags, or one per thousand images of the
// repository if that is less. The tag of an archived image still names it.
//
// Errors: [registry.ErrNotFound] if the tag or the repository does not exist.
func (r *reader) Resolve(ctx context.Context, tags []string) []registry.Answer[registry.Descriptor] {
	answers := make([]registry.Answer[registry.Descriptor], len(tags))
	images, err := r.images(ctx, tags)
	if err != nil {
		return fail(answers, err)
	}
	for i, tag := range tags {
		if img, ok := images[tag]; ok {
			answers[i].Value = img.Descriptor
		} else {
			answers[i].Err = r.absent(tag)
		}
	}
	return answers
}

// Listed is true: Resolve answers from the listing.
func (*reader) Listed() bool { return true }

// Tags costs one call per thousand images.
//
// Errors: [registry.ErrNotFound] if there is no such repository.
func (r *reader) Tags(ctx context.Context) ([]string, error) {
	l, err := r.list(ctx)
	if err != nil {
		return nil, err
	}
	var tags []string
	for _, img := range l.images {
		tags = append(tags, img.tags...)
	}
	return tags, nil
}

// Inventory costs one call per thousand images. Now is the Date of ECR's
// answer.
//
// Errors: [registry.ErrNotFound] if there is no such repository.
func (r *reader) Inventory(ctx context.Context) (registry.Inventory, error) {
	l, err := r.list(ctx)
	if err != nil {
		return registry.Inventory{}, err
	}
	all := registry.Inventory{Now: l.now}
	for _, img := range l.images {
		all.Manifests = append(all.Manifests, registry.StoredManifest{Descriptor: img.Descriptor, Tags: img.tags, Pushed: img.pushed, LastPulled: img.pulled})
	}
	return all, nil
}

// Manifests costs as much as [reader.Resolve] for the tags, and one call per
// hundred manifests. It fetches them by digest: by tag, ECR may translate a
// manifest (user guide, image-manifest-formats).
//
// Errors: [registry.ErrNotFound] if the tag, digest or repository does not
// exist; [registry.ErrArchived] if the image is archived.
func (r *reader) Manifests(ctx context.Context, references []string) []registry.Answer[registry.RawManifest] {
	answers := make([]registry.Answer[registry.RawManifest], len(references))
	var tags []string
	for _, reference := range references {
		if !config.IsDigest(reference) {
			tags = append(tags, reference)
		}
	}
	images, err := r.images(ctx, tags)
	if err != nil {
		return fail(answers, err)
	}
	digests := make([]string, len(references)) // "" if there is nothing to fetch
	for i, reference := range references {
		if config.IsDigest(reference) {
			digests[i] = reference
			continue
		}
		switch img, ok := images[reference]; {
		case !ok:
			answers[i].Err = r.absent(reference)
		case img.Archived:
			answers[i].Err = r.archived(reference)
		default:
			digests[i] = img.Digest
		}
	}
	wanted := slices.DeleteFunc(slices.Sorted(slices.Values(digests)), func(d string) bool { return d == "" })
	got := r.fetch(ctx, slices.Compact(wanted))
	for i, reference := range references {
		if digests[i] == "" {
			continue
		}
		answers[i] = got[digests[i]]
		if !config.IsDigest(reference) && isAbsent(answers[i].Err) {
			answers[i].Err = fmt.Errorf("%s: it named %s, which was deleted a moment later; run again", r.subject(reference), digests[i])
		}
	}
	return answers
}

// accepted are the types of manifests that ECR can return unchanged.
var accepted = []string{
	string(media.OCIImageIndex), string(media.OCIManifestSchema1),
	string(media.DockerManifestList), string(media.DockerManifestSchema2),
}

// fetch reads manifests by digest. It then describes those that ECR did not
// return: an archived image exists, but can't be pulled (user guide,
// archive-image).
func (r *reader) fetch(ctx context.Context, digests []string) map[string]registry.Answer[registry.RawManifest] {
	var (
		mu      sync.Mutex
		got     = map[string]registry.Answer[registry.RawManifest]{}
		missing []string
	)
	r.all(digests, func(batch []string) {
		images, refused, err := r.batchGet(ctx, batch)
		mu.Lock()
		defer mu.Unlock()
		for _, id := range batch {
			answer := registry.Answer[registry.RawManifest]{Err: err}
			if err == nil {
				answer = verified(r, id, images[id])
				if f, ok := refused[id]; ok {
					answer.Err = r.refusal(id, f)
				}
			}
			if isAbsent(answer.Err) {
				missing = append(missing, id)
			}
			got[id] = answer
		}
	})
	if len(missing) == 0 {
		return got
	}
	described, err := r.images(ctx, missing)
	for _, id := range missing {
		if img, ok := described[id]; err != nil {
			got[id] = registry.Answer[registry.RawManifest]{Err: err}
		} else if ok && img.Archived {
			got[id] = registry.Answer[registry.RawManifest]{Err: r.archived(id)}
		}
	}
	return got
}

// batchGet asks for at most a hundred images by tag or digest. It returns the
// images and the refusals, by the id that was asked for. Refusals come in an
// answer that succeeds (API_BatchGetImage, failures).
func (r *reader) batchGet(ctx context.Context, ids []string) (map[string]types.Image, map[string]types.ImageFailure, error) {
	api, err := r.reads(ctx)
	if err != nil {
		return nil, nil, err
	}
	out, err := api.BatchGetImage(ctx, &ecr.BatchGetImageInput{
		RegistryId: r.id(), RepositoryName: &r.Path, ImageIds: identifiers(ids), AcceptedMediaTypes: accepted,
	})
	if err != nil {
		return nil, nil, r.failure(r.String(), err)
	}
	images, refused := map[string]types.Image{}, map[string]types.ImageFailure{}
	for _, img := range out.Images {
		if id := img.ImageId; id != nil {
			images[aws.ToString(id.ImageDigest)] = img
			images[aws.ToString(id.ImageTag)] = img
		}
	}
	for _, f := range out.Failures {
		if id := f.ImageId; id != nil {
			refused[aws.ToString(id.ImageDigest)] = f
			refused[aws.ToString(id.ImageTag)] = f
		}
	}
	return images, refused, nil
}

// verified returns a manifest, or an error if its bytes do not match its
// digest.
func verified(r *reader, want string, img types.Image) registry.Answer[registry.RawManifest] {
	if img.ImageManifest == nil {
		return registry.Answer[registry.RawManifest]{Err: fmt.Errorf("%s: ECR answered without it", r.subject(want))}
	}
	body := []byte(*img.ImageManifest)
	if has := digest.FromBytes(body).String(); has != want {
		return registry.Answer[registry.RawManifest]{Err: fmt.Errorf("%s: the manifest that came has digest %s", r.subject(want), has)}
	}
	return registry.Answer[registry.RawManifest]{Value: registry.RawManifest{
		Digest: want, MediaType: aws.ToString(img.ImageManifestMediaType), Body: body,
	}}
}

// Configs reads over HTTP, with one or two requests per digest. The API would
// return only a URL for each, at the same cost and without a check of the
// bytes.
//
// Errors: [registry.ErrNotFound] if the digest or the repository does not
// exist.
func (r *reader) Configs(ctx context.Context, digests []string) []registry.Answer[[]byte] {
	if len(digests) == 0 { // then no token is needed
		return nil
	}
	over, err := r.client.overHTTP(ctx, r.Repository)
	if err != nil {
		return fail(make([]registry.Answer[[]byte], len(digests)), err)
	}
	answers := make([]registry.Answer[[]byte], len(digests))
	err = r.tokens.with(ctx, func() error {
		var open []int
		var missing []string
		for i, a := range answers {
			if a.Value == nil {
				open, missing = append(open, i), append(missing, digests[i])
			}
		}
		var errs []error
		for k, a := range r.client.oci.Reader(over).Configs(ctx, missing) {
			answers[open[k]] = a
			errs = append(errs, a.Err)
		}
		return errors.Join(errs...)
	})
	for i, a := range answers {
		if a.Value == nil && a.Err == nil { // there is no token
			answers[i].Err = err
		}
	}
	return answers
}

// Referrers lists 50 per call (API_ListImageReferrers, maxResults).
//
// Errors: [registry.ErrNotFound] if there is no such repository.
func (r *reader) Referrers(ctx context.Context, digest string) ([]registry.Descriptor, error) {
	api, err := r.reads(ctx)
	if err != nil {
		return nil, err
	}
	var referrers []registry.Descriptor
	in := &ecr.ListImageReferrersInput{
		RegistryId: r.id(), RepositoryName: &r.Path, MaxResults: aws.Int32(50),
		SubjectId: &types.SubjectIdentifier{ImageDigest: &digest},
		Filter:    &types.ListImageReferrersFilter{ArtifactStatus: types.ArtifactStatusFilterAny},
	}
	seen := pageTokens{}
	for {
		out, err := api.ListImageReferrers(ctx, in)
		if err == nil {
			err = seen.add(out.NextToken)
		}
		if err != nil {
			return nil, r.failure("referrers of "+r.subject(digest), err)
		}
		for _, d := range out.Referrers {
			referrers = append(referrers, registry.Descriptor{
				Digest: aws.ToString(d.Digest), MediaType: aws.ToString(d.MediaType),
				ArtifactType: aws.ToString(d.ArtifactType), Size: aws.ToInt64(d.Size),
			})
		}
		if aws.ToString(out.NextToken) == "" {
			return referrers, nil
		}
		in.NextToken = out.NextToken
	}
}
