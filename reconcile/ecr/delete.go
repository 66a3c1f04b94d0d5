package ecr

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"tagline/reconcile/registry"
)

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
		of := slices.IndexFunc(ids, func(asked types.ImageIdentifier) bool { return isOf(f, asked) })
		if of < 0 {
			return nil, fmt.Errorf("%s: BatchDeleteImage: ECR refused %q, for which it was not asked: %s: %s",
				w, aws.ToString(nameOf(f.ImageId)), f.FailureCode, aws.ToString(f.FailureReason))
		}
		refused[*nameOf(&ids[of])] = f
	}
	return refused, nil
}

// isOf reports whether a refusal is of an id. If that is a digest, the refusal may have a
// tag beside it, as ECR's list of what it has deleted does (API_BatchDeleteImage, Examples).
func isOf(f types.ImageFailure, asked types.ImageIdentifier) bool {
	switch {
	case f.ImageId == nil:
		return false
	case asked.ImageTag != nil:
		return *asked.ImageTag == aws.ToString(f.ImageId.ImageTag)
	}
	return *asked.ImageDigest == aws.ToString(f.ImageId.ImageDigest)
}

// nameOf returns the tag of an id, or else its digest.
func nameOf(id *types.ImageIdentifier) *string {
	if id == nil {
		return nil
	}
	return cmp.Or(id.ImageTag, id.ImageDigest)
}
