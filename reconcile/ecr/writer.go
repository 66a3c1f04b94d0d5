package ecr

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"golang.org/x/sync/errgroup"

	"tagline/config"
	"tagline/reconcile/oci"
	"tagline/reconcile/oci/transport"
	"tagline/reconcile/registry"
)

// writer writes one repository.
type writer struct {
	reader
	oci *oci.Writers // for copies
}

// AtOnce is the number of pushes in about a second. A tag may wait that long between its
// last read and its push; see [writer.Turn].
func (w *writer) AtOnce() int { return max(1, int(math.Ceil(w.run.options.PushRate))) }

// Turn implements [registry.Writer]. All repositories of an account share its rate of
// pushes, so one batch at a time is between its last read and its push.
func (w *writer) Turn(ctx context.Context) (end func(), err error) {
	select {
	case w.turn <- struct{}{}:
		return func() { <-w.turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Resolve fetches the images themselves: there, a tag that does not exist fails
// alone. It does not use the reader's memory.
//
// Errors: [registry.ErrNotFound] if the tag or the repository does not exist.
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

// archivedAmong describes the tags that ECR returned nothing for, if the run
// has seen them on archived images: those exist.
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
		d := describing{repository: &w.repository, api: api, calls: 1, got: map[string]image{}}
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

// Tags lists the repository again.
//
// Errors: [registry.ErrNotFound] if there is no such repository.
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

// Put implements [registry.Writer]. A cancelled context does not cut off a push
// that has begun.
//
// Errors: [registry.MovedError] if a tag has been moved before a push that had to wait,
// or that was sent again; [registry.ErrNotFound] if there is no such repository.
func (w *writer) Put(ctx context.Context, pushes []registry.TaggedManifest) []error {
	errs := make([]error, len(pushes))
	var group errgroup.Group
	group.SetLimit(w.AtOnce())
	for i, push := range pushes {
		group.Go(func() error {
			if errs[i] = w.put(ctx, push); errs[i] != nil {
				errs[i] = w.failure("push "+w.subject(cmp.Or(push.Tag, push.Manifest.Digest)), errs[i])
			}
			return nil
		})
	}
	_ = group.Wait()
	return errs
}

// put treats "already exists" as success. ECR answers this if a push is
// repeated because its answer was lost (API_PutImage,
// ImageAlreadyExistsException: "and there were no changes"). For an immutable
// tag, ECR may answer ImageTagAlreadyExistsException instead
// (aws/containers-roadmap#2179). That does not say which digest the tag names,
// so put reads the tag.
//
// Pushes without a tag take no turn, so one with a tag may have to wait for them.
func (w *writer) put(ctx context.Context, push registry.TaggedManifest) error {
	read := time.Now()
	if err := w.pushes.Wait(ctx); err != nil {
		return err
	}
	if time.Since(read) > transport.LongAgo {
		if err := w.unmoved(ctx, push); err != nil {
			return err
		}
	}
	api, err := w.writes(ctx)
	if err != nil {
		return err
	}
	ctx, done := registry.Finishing(ctx)
	defer done()
	in := &ecr.PutImageInput{
		RegistryId: w.id(), RepositoryName: &w.Path,
		ImageManifest: aws.String(string(push.Manifest.Body)), ImageManifestMediaType: &push.Manifest.MediaType,
		ImageDigest: &push.Manifest.Digest,
	}
	if push.Tag != "" {
		in.ImageTag = &push.Tag
	}
	out, err := api.PutImage(withCheck(ctx, func(ctx context.Context) error { return w.unmoved(ctx, push) }), in)
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

// unmoved returns an error if a tag names neither what it named nor what it should.
func (w *writer) unmoved(ctx context.Context, push registry.TaggedManifest) error {
	if push.Tag == "" {
		return nil
	}
	now := w.Resolve(ctx, []string{push.Tag})[0]
	switch named := now.Value.Digest; {
	case now.Err != nil && !isAbsent(now.Err):
		return now.Err
	case named != push.Was && named != push.Manifest.Digest:
		return &registry.MovedError{Now: named}
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
//
// Errors: [registry.ErrNotFound] if the tag or the repository does not exist;
// [registry.ErrMoved] if the tag names another digest.
func (w *writer) DeleteTags(ctx context.Context, tags []registry.TagDigest) []error {
	names := make([]string, len(tags))
	for i, t := range tags {
		names[i] = t.Tag
	}
	errs := make([]error, len(tags))
	due := map[string]types.ImageIdentifier{}
	for i, now := range w.Resolve(ctx, names) {
		switch {
		case now.Err != nil:
			errs[i] = fmt.Errorf("delete %w", now.Err)
		case now.Value.Digest != tags[i].Digest:
			errs[i] = fmt.Errorf("delete %s: %w", w.subject(names[i]), &registry.MovedError{Now: now.Value.Digest})
		default:
			due[names[i]] = types.ImageIdentifier{ImageTag: &tags[i].Tag, ImageDigest: &tags[i].Digest}
		}
	}
	outcome := w.delete(ctx, due)
	for i, name := range names {
		if _, is := due[name]; is && errs[i] == nil {
			errs[i] = outcome[name]
		}
	}
	return errs
}

// Deletes returns nil: ECR supports deletions.
func (*writer) Deletes(context.Context) error { return nil }

// DeleteManifests implements [registry.Writer]. ECR deletes a manifest with whatever
// tags it has, so the tags of each batch are read right before.
//
// Errors: [registry.TaggedError] if a manifest has another tag; [registry.ErrNotFound]
// if there is no such repository.
func (w *writer) DeleteManifests(ctx context.Context, due []registry.Removal) []error {
	outcome := map[string]error{}
	for batch := range slices.Chunk(due, idsPerCall) {
		maps.Copy(outcome, w.deleteBatch(ctx, batch))
	}
	errs := make([]error, len(due))
	for i, r := range due {
		errs[i] = outcome[r.Digest]
	}
	return errs
}

// errTaggedMeanwhile is why a call is not sent again.
var errTaggedMeanwhile = errors.New("an image of the same call has another tag by now, or its tags are not known; run tagline again")

// deleteBatch deletes up to a hundred manifests. If one of them is tagged before the
// call has to be sent again, the others are deleted by another call.
func (w *writer) deleteBatch(ctx context.Context, batch []registry.Removal) (outcome map[string]error) {
	outcome = map[string]error{}
	for range 2 {
		tagged := w.tagged(ctx, batch)
		maps.Copy(outcome, tagged)
		batch = slices.DeleteFunc(slices.Clone(batch), func(r registry.Removal) bool { return tagged[r.Digest] != nil })
		ids := map[string]types.ImageIdentifier{}
		for i := range batch {
			ids[batch[i].Digest] = types.ImageIdentifier{ImageDigest: &batch[i].Digest}
		}
		deleted := w.delete(withCheck(ctx, func(ctx context.Context) error {
			if len(w.tagged(ctx, batch)) > 0 {
				return errTaggedMeanwhile
			}
			return nil
		}), ids)
		again := false
		for _, r := range batch {
			outcome[r.Digest] = deleted[r.Digest]
			again = again || errors.Is(deleted[r.Digest], errTaggedMeanwhile)
		}
		if !again {
			break
		}
	}
	return outcome
}

// tagged returns an error for each manifest that has a tag which may not go with it,
// or for all of them if that is not known.
func (w *writer) tagged(ctx context.Context, batch []registry.Removal) map[string]error {
	digests := make([]string, len(batch))
	for i, r := range batch {
		digests[i] = r.Digest
	}
	api, err := w.reads(ctx)
	d := describing{repository: &w.repository, api: api, calls: 2 * idsPerCall, got: map[string]image{}}
	if err == nil {
		err = d.describe(ctx, digests)
	}
	errs := map[string]error{}
	for _, r := range batch {
		why := err
		if err == nil {
			why = r.Check(ctx, w, d.got[r.Digest].tags)
		}
		if why != nil {
			errs[r.Digest] = fmt.Errorf("delete %s: %w", w.subject(r.Digest), why)
		}
	}
	return errs
}

// delete removes images by tag or by digest, a hundred per call. If an id has a
// tag and a digest, ECR deletes the tag only if it names that digest. Refusals
// come in an answer that succeeds (API_BatchDeleteImage, failures).
func (w *writer) delete(ctx context.Context, due map[string]types.ImageIdentifier) (outcome map[string]error) {
	outcome = map[string]error{}
	for batch := range slices.Chunk(slices.Sorted(maps.Keys(due)), idsPerCall) {
		ids := make([]types.ImageIdentifier, len(batch))
		for i, name := range batch {
			ids[i] = due[name]
		}
		refused, err := w.batchDelete(ctx, ids)
		for _, name := range batch {
			switch f, is := refused[name]; {
			case err != nil:
				outcome[name] = fmt.Errorf("delete %w", err)
			case !is || f.FailureCode == types.ImageFailureCodeImageNotFound:
			case f.FailureCode == types.ImageFailureCodeImageTagDoesNotMatchDigest:
				// A deletion whose answer was lost is repeated, and the tag
				// then names nothing. It is not known whether ECR has its own
				// code for that.
				if isAbsent(w.Resolve(ctx, []string{name})[0].Err) {
					continue
				}
				outcome[name] = fmt.Errorf("delete %w: %w", w.refusal(name, f), registry.ErrMoved)
			default:
				outcome[name] = fmt.Errorf("delete %w", w.refusal(name, f))
			}
		}
	}
	w.oci.Forget() // copied manifests may be gone now
	return outcome
}

// batchDelete returns the refusals, by tag or else by digest. A refusal of nothing that was
// asked for may be of anything, so it fails the call.
func (w *writer) batchDelete(ctx context.Context, ids []types.ImageIdentifier) (map[string]types.ImageFailure, error) {
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
		RegistryId: w.id(), RepositoryName: &w.Path, ImageIds: ids,
	})
	if err != nil {
		return nil, w.failure(w.String(), err)
	}
	refused := map[string]types.ImageFailure{}
	for _, f := range out.Failures {
		id := aws.ToString(nameOf(f.ImageId))
		if !slices.ContainsFunc(ids, func(asked types.ImageIdentifier) bool { return *nameOf(&asked) == id }) {
			return nil, fmt.Errorf("%s: BatchDeleteImage: ECR refused %q, for which it was not asked: %s: %s", w, id, f.FailureCode, aws.ToString(f.FailureReason))
		}
		refused[id] = f
	}
	return refused, nil
}

// nameOf returns the tag of an id, or else its digest.
func nameOf(id *types.ImageIdentifier) *string {
	if id == nil {
		return nil
	}
	return cmp.Or(id.ImageTag, id.ImageDigest)
}

// Copy implements [registry.Writer]. It reads and writes over HTTP, whatever
// the source.
//
// Errors: [registry.ErrNotFound] if the manifest is not in the source
// repository.
func (w *writer) Copy(ctx context.Context, from config.Repository, digest string) error {
	to, err := w.client.overHTTP(ctx, w.Repository)
	if err != nil {
		return err
	}
	if from, err = w.client.overHTTP(ctx, from); err != nil {
		return err
	}
	return w.tokens.with(ctx, func() error { return w.oci.Writer(to).Copy(ctx, from, digest) })
}
