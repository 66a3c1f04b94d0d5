package ecr_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"tagline/config"
	"tagline/reconcile"
	"tagline/reconcile/demo"
	"tagline/reconcile/ecr"
	"tagline/reconcile/ecr/ecrtest"
	"tagline/reconcile/registry"
)

func TestDeleteTags(t *testing.T) {
	server := seeded(t, ecrtest.Options{})
	if p, err := apply(t, mine(t, "10.10: absent, nope: absent")); err != nil || len(p.DeleteTags) != 1 {
		t.Errorf("%v, plan %+v", err, p)
	}
	if tags := server.Tags("my-image"); tags["10.10"] != "" || tags["10.20"] == "" {
		t.Errorf("tags are %v", tags)
	}
	// The image that an index lists can't lose its last tag.
	if _, err := server.Seed("my-image", time.Now(), demo.Image{Tag: "3", Platforms: []string{"linux/amd64"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := apply(t, mine(t, "30: {amd64: 3}")); err != nil {
		t.Fatal(err)
	}
	now := server.Tags("my-image")
	errs := ecr.NewWriters(open(t)).Writer(myImage).DeleteTags(t.Context(), []registry.TagDigest{{Tag: "3", Digest: now["3"]}, {Tag: "30", Digest: now["30"]}})
	if errs[0] == nil || !strings.Contains(errs[0].Error(), "ImageReferencedByManifestList") || errs[1] != nil {
		t.Errorf("got %v, want that the first is referenced", errs)
	}
}

// The last tag of an image that an index lists can't be deleted. Every run
// reports this as a violation, and does its other deletions.
func TestLastTagOfAListedImage(t *testing.T) {
	server := seeded(t, ecrtest.Options{})
	if _, err := server.Seed("my-image", time.Now(), demo.Image{Tag: "3", Platforms: []string{"linux/amd64"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := apply(t, mine(t, "30: {amd64: 3}")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		p, err := apply(t, mine(t, "3: absent, 10.10: absent"))
		if err != nil || len(p.Violations) != 1 || !strings.Contains(p.Violations[0].Message, `which tag "30" lists`) {
			t.Errorf("%v, violations %v", err, p.Violations)
		}
		if tags := server.Tags("my-image"); tags["10.10"] != "" || tags["3"] == "" {
			t.Errorf("tags are %v", tags)
		}
	}
}

// A tag may move between its last read and its deletion. Then it stays, and so
// does the image that it names, which has no other tag.
func TestDeletionIsConditional(t *testing.T) {
	server := seeded(t, ecrtest.Options{})
	server.Script(ecrtest.Fault{Operation: "BatchDeleteImage", Times: 1, Do: ecrtest.Before(func() {
		if _, err := server.Seed("my-image", time.Now(), demo.Image{Tag: "10.10", Platforms: []string{"linux/amd64"}, Version: "another"}); err != nil {
			t.Error(err)
		}
	})})
	_, err := apply(t, mine(t, "10.10: absent"))
	if !errors.Is(err, reconcile.ErrStale) || !strings.Contains(err.Error(), "ImageTagDoesNotMatchDigest") {
		t.Errorf("%v, want that it is stale", err)
	}
	now := server.Tags("my-image")["10.10"]
	if a := open(t).Reader(myImage).Resolve(t.Context(), []string{"10.10", now}); now == "" || a[0].Err != nil || a[1].Err != nil {
		t.Errorf("the new image is lost: %+v", a)
	}
	if _, err := apply(t, mine(t, "10.10: absent")); err != nil || server.Tags("my-image")["10.10"] != "" {
		t.Errorf("the next run: %v", err)
	}
}

// A deletion succeeds if its answer is lost, whatever ECR answers the second
// time.
func TestLostDeletion(t *testing.T) {
	for _, code := range []types.ImageFailureCode{types.ImageFailureCodeImageNotFound, types.ImageFailureCodeImageTagDoesNotMatchDigest} {
		t.Run(string(code), func(t *testing.T) {
			server := seeded(t, ecrtest.Options{})
			server.Script(
				ecrtest.Fault{Operation: "BatchDeleteImage", Times: 1, Do: ecrtest.LoseAnswer()},
				ecrtest.Fault{Operation: "BatchDeleteImage", Do: func(w http.ResponseWriter, _ *ecrtest.Call) {
					_, _ = fmt.Fprintf(w, `{"failures":[{"failureCode":%q,"imageId":{"imageTag":"10.10"}}]}`, code)
				}},
			)
			if _, err := apply(t, mine(t, "10.10: absent")); err != nil || server.Tags("my-image")["10.10"] != "" {
				t.Errorf("%v, tags %v", err, server.Tags("my-image"))
			}
			if n := server.Calls()["BatchDeleteImage"]; n != 2 {
				t.Errorf("%d calls, want 2", n)
			}
		})
	}
}

// A refusal says that nothing was done, unless it is the answer to a second attempt.
func TestRefused(t *testing.T) {
	for name, test := range map[string]struct {
		first   ecrtest.Action // nil for the refusal
		refused bool
	}{
		"at once":                       {nil, true},
		"after an answer that was lost": {ecrtest.LoseAnswer(), false},
	} {
		t.Run(name, func(t *testing.T) {
			server := seeded(t, ecrtest.Options{})
			c := open(t, myImage)
			index := c.Reader(myImage).Manifests(t.Context(), []string{"10.10"})[0]
			denied := ecrtest.Fault{Operation: "PutImage", Do: ecrtest.Refuse("AccessDeniedException", "no")}
			if server.Script(denied); test.first != nil {
				server.Script(ecrtest.Fault{Operation: "PutImage", Times: 1, Do: test.first}, denied)
			}
			err := ecr.NewWriters(c).Writer(myImage).Put(t.Context(), []registry.TaggedManifest{{Tag: "10", Manifest: index.Value}})[0]
			if err == nil || errors.Is(err, registry.ErrRefused) != test.refused {
				t.Errorf("%v; refused is not %v", errors.Join(index.Err, err), test.refused)
			}
		})
	}
}

// A manifest without a tag is pushed by its digest, and no tag changes.
func TestPutByDigest(t *testing.T) {
	server := seeded(t, ecrtest.Options{})
	c := open(t, myImage)
	reader, writer := c.Reader(myImage), ecr.NewWriters(c).Writer(myImage)
	index := reader.Manifests(t.Context(), []string{"10.10"})[0]
	if err := errors.Join(index.Err, writer.DeleteManifests(t.Context(), []registry.Removal{{Digest: index.Value.Digest, Tags: []string{"10.10"}}})[0]); err != nil {
		t.Fatal(err)
	}
	before := server.Tags("my-image")
	for range 2 {
		if err := writer.Put(t.Context(), []registry.TaggedManifest{{Manifest: index.Value}})[0]; err != nil {
			t.Fatal(err)
		}
		if a := writer.Resolve(t.Context(), []string{index.Value.Digest})[0]; a.Err != nil || a.Value.Digest != index.Value.Digest {
			t.Errorf("after the push: %+v", a)
		}
	}
	if after := server.Tags("my-image"); !maps.Equal(after, before) {
		t.Errorf("tags are %v, not %v", after, before)
	}
}

// A cancelled run starts nothing.
func TestCancelled(t *testing.T) {
	server := seeded(t, ecrtest.Options{})
	c := open(t)
	w := ecr.NewWriters(c).Writer(myImage)
	body := []byte(`{"schemaVersion":2}`)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, errs := range [][]error{
		w.Put(ctx, []registry.TaggedManifest{{Tag: "10", Manifest: registry.RawManifest{Body: body}}}),
		w.DeleteTags(ctx, []registry.TagDigest{{Tag: "10.10", Digest: server.Tags("my-image")["10.10"]}}),
	} {
		if !errors.Is(errs[0], context.Canceled) {
			t.Errorf("got %v, want that it was cancelled", errs[0])
		}
	}
	if calls := server.Calls(); len(calls) > 0 {
		t.Errorf("calls: %v", calls)
	}
}

// batches counts the batches of pushes that are under way at once.
type batches struct {
	registry.Writers
	under, most, all atomic.Int64
}

type batchWriter struct {
	registry.Writer
	*batches
}

func (b *batches) Writer(r config.Repository) registry.Writer {
	return batchWriter{b.Writers.Writer(r), b}
}

func (b batchWriter) Put(ctx context.Context, pushes []registry.TaggedManifest) []error {
	now := b.under.Add(1)
	defer b.under.Add(-1)
	b.all.Add(1)
	for most := b.most.Load(); now > most && !b.most.CompareAndSwap(most, now); most = b.most.Load() {
	}
	return b.Writer.Put(ctx, pushes)
}

// All repositories of an account share its rate of pushes. A tag does not wait for those
// of other repositories between its last read and its push.
func TestOneBatchAtATime(t *testing.T) {
	const repositories, aliases = 6, 3
	server := emulate(t, ecrtest.Options{})
	text := "images:\n"
	for i := range repositories {
		name := fmt.Sprintf("r%d", i)
		if err := server.CreateRepository(name, types.ImageTagMutabilityMutable); err != nil {
			t.Fatal(err)
		}
		if _, err := server.Seed(name, time.Now(), demo.Image{Tag: "1.0", Platforms: []string{"linux/amd64"}}); err != nil {
			t.Fatal(err)
		}
		text += "  " + name + ":\n    aliases:\n"
		for k := range aliases {
			text += fmt.Sprintf("      a%d: 1.0\n", k)
		}
	}
	c := ecr.New(ecr.Options{PushRate: 200})
	defer c.Close()
	w := &batches{Writers: ecr.NewWriters(c)}
	reconcile.RunAll(t.Context(), reconcile.Job{Readers: c, Writers: w}, images(t, text), func(p reconcile.Plan, r reconcile.Result) {
		for _, o := range r.Pushed {
			if o.Err != nil {
				t.Errorf("%s:%s: %v", p.Repository, o.Tag, o.Err)
			}
		}
	})
	if w.most.Load() != 1 || w.all.Load() != repositories {
		t.Errorf("%d batches, %d of them at once", w.all.Load(), w.most.Load())
	}

	end, err := w.Writer(config.Repository{Host: host, Path: "r0"}).Turn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer end()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.Writer(config.Repository{Host: host, Path: "r1"}).Turn(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("an interrupted run waits for its turn: %v", err)
	}
}
