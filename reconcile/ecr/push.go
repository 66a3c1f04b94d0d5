package ecr

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"golang.org/x/sync/errgroup"

	"tagline/reconcile/oci/transport"
	"tagline/reconcile/registry"
)

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
