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
	"golang.org/x/sync/errgroup"

	"tagline/config"
	"tagline/reconcile/registry"
)

// writer writes one repository.
type writer struct {
	reader
	writers *Writers
}

// AtOnce implements [registry.Writer].
func (w *writer) AtOnce() int { return w.client.pushesAtOnce() }

// Resolve asks for the images themselves, since for them a tag that does not
// exist fails alone. What the reader remembers is no answer.
func (w *writer) Resolve(ctx context.Context, tags []string) []registry.Answer[registry.Descriptor] {
	var mu sync.Mutex
	got := map[string]registry.Answer[registry.Descriptor]{}
	w.all(slices.Compact(slices.Sorted(slices.Values(tags))), func(batch []string) {
		images, refused, err := w.batchGet(ctx, batch)
		mu.Lock()
		defer mu.Unlock()
		for _, tag := range batch {
			var answer registry.Answer[registry.Descriptor]
			img, ok := images[tag]
			switch f, isRefused := refused[tag]; {
			case err != nil:
				answer.Err = err
			case isRefused:
				answer.Err = w.refusal(tag, f)
			case !ok:
				answer.Err = fmt.Errorf("%s: ECR answered without it", w.subject(tag))
			default:
				answer.Value = registry.Descriptor{
					Digest: aws.ToString(img.ImageId.ImageDigest), MediaType: aws.ToString(img.ImageManifestMediaType),
					Size: int64(len(aws.ToString(img.ImageManifest))),
				}
			}
			got[tag] = answer
		}
	})
	answers := make([]registry.Answer[registry.Descriptor], len(tags))
	for i, tag := range tags {
		answers[i] = got[tag]
	}
	w.archivedAmong(ctx, tags, answers)
	return answers
}

// archivedAmong asks once more, by description, for the tags that ECR gives
// nothing for and that the run has seen on archived images: those are there.
func (w *writer) archivedAmong(ctx context.Context, tags []string, answers []registry.Answer[registry.Descriptor]) {
	seen := w.remembered()
	for i, tag := range tags {
		if seen == nil || !isAbsent(answers[i].Err) {
			continue
		}
		if img, ok := seen.get(tag); !ok || !img.Archived {
			continue
		}
		api, err := w.reads(ctx)
		d := describing{reader: &w.reader, api: api, calls: 1, got: map[string]image{}}
		if err == nil {
			err = d.describe(ctx, []string{tag})
		}
		if img, ok := d.got[tag]; err != nil {
			answers[i].Err = err
		} else if ok {
			answers[i] = registry.Answer[registry.Descriptor]{Value: img.Descriptor}
		}
	}
}

// Tags lists the repository anew.
func (w *writer) Tags(ctx context.Context) ([]string, error) {
	images, _, err := w.describeAll(ctx)
	if err != nil {
		return nil, err
	}
	var tags []string
	for _, img := range images {
		tags = append(tags, img.tags...)
	}
	return tags, nil
}

// Put implements [registry.Writer]. What has begun is not cut off by a
// cancelled context.
func (w *writer) Put(ctx context.Context, pushes []registry.TaggedManifest) []error {
	errs := make([]error, len(pushes))
	var group errgroup.Group
	group.SetLimit(w.AtOnce())
	for i, push := range pushes {
		group.Go(func() error {
			if errs[i] = w.put(ctx, push); errs[i] != nil {
				errs[i] = w.failure("push "+w.subject(push.Tag), errs[i])
			}
			return nil
		})
	}
	_ = group.Wait()
	return errs
}

// put takes "already exists" for done: ECR answers so to a push that it has done
// before, if the first answer was lost (API_PutImage, ImageAlreadyExistsException:
// "and there were no changes"). If the tag is immutable, ECR may answer
// ImageTagAlreadyExistsException instead (aws/containers-roadmap#2179). That says
// nothing about the digest, so the tag is read.
func (w *writer) put(ctx context.Context, push registry.TaggedManifest) error {
	if err := w.pushes.Wait(ctx); err != nil {
		return err
	}
	api, err := w.writes(ctx)
	if err != nil {
		return err
	}
	ctx, done := registry.Finishing(ctx)
	defer done()
	out, err := api.PutImage(ctx, &ecr.PutImageInput{
		RegistryId: w.id(), RepositoryName: &w.Path,
		ImageManifest: aws.String(string(push.Manifest.Body)), ImageManifestMediaType: &push.Manifest.MediaType,
		ImageDigest: &push.Manifest.Digest, ImageTag: &push.Tag,
	})
	var (
		exists *types.ImageAlreadyExistsException
		tagged *types.ImageTagAlreadyExistsException
	)
	switch {
	case errors.As(err, &exists), errors.As(err, &tagged) && w.names(ctx, push.Tag, push.Manifest.Digest):
		return nil
	case err != nil:
		return err
	case out.Image != nil && out.Image.ImageId != nil && aws.ToString(out.Image.ImageId.ImageDigest) != push.Manifest.Digest:
		return fmt.Errorf("ECR stored digest %s instead of %s", aws.ToString(out.Image.ImageId.ImageDigest), push.Manifest.Digest)
	}
	return nil
}

// names reports whether a tag certainly names a digest now.
func (w *writer) names(ctx context.Context, tag, digest string) bool {
	images, _, err := w.batchGet(ctx, []string{tag})
	img, ok := images[tag]
	return err == nil && ok && aws.ToString(img.ImageId.ImageDigest) == digest
}

// DeleteTags implements [registry.Writer].
func (w *writer) DeleteTags(ctx context.Context, tags []string) []error {
	return w.delete(ctx, tags)
}

// DeleteManifests implements [registry.Writer].
func (w *writer) DeleteManifests(ctx context.Context, digests []string) []error {
	return w.delete(ctx, digests)
}

// delete removes tags or digests, a hundred a call. What ECR refuses comes in
// an answer that succeeds (API_BatchDeleteImage, failures).
func (w *writer) delete(ctx context.Context, ids []string) []error {
	outcome := map[string]error{}
	for batch := range slices.Chunk(ids, idsPerCall) {
		refused, err := w.batchDelete(ctx, batch)
		for _, id := range batch {
			outcome[id] = err
			if f, ok := refused[id]; ok && f.FailureCode != types.ImageFailureCodeImageNotFound {
				outcome[id] = w.refusal(id, f)
			}
		}
	}
	w.writers.oci.Forget() // what copies have brought may be gone
	errs := make([]error, len(ids))
	for i, id := range ids {
		if outcome[id] != nil {
			errs[i] = fmt.Errorf("delete %w", outcome[id])
		}
	}
	return errs
}

func (w *writer) batchDelete(ctx context.Context, ids []string) (map[string]types.ImageFailure, error) {
	api, err := w.writes(ctx)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	ctx, done := registry.Finishing(ctx)
	defer done()
	out, err := api.BatchDeleteImage(ctx, &ecr.BatchDeleteImageInput{
		RegistryId: w.id(), RepositoryName: &w.Path, ImageIds: identifiers(ids),
	})
	if err != nil {
		return nil, w.failure(w.String(), err)
	}
	refused := map[string]types.ImageFailure{}
	for _, f := range out.Failures {
		if id := f.ImageId; id != nil {
			refused[aws.ToString(id.ImageDigest)] = f
			refused[aws.ToString(id.ImageTag)] = f
		}
	}
	return refused, nil
}

// Copy goes over HTTP, from wherever it comes.
func (w *writer) Copy(ctx context.Context, from config.Repository, digest string) error {
	to, err := w.client.overHTTP(ctx, w.Repository)
	if err != nil {
		return err
	}
	if from, err = w.client.overHTTP(ctx, from); err != nil {
		return err
	}
	return w.withToken(ctx, func() error { return w.writers.oci.Writer(to).Copy(ctx, from, digest) })
}
