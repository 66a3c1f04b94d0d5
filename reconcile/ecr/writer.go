package ecr

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"

	"tagline/config"
	"tagline/reconcile/oci"
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
// pushes, so one batch of tags at a time is between its last read and its push.
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
