package registrytest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tagline/config"
	"tagline/reconcile/demo"
	"tagline/reconcile/registry"
)

// references are of all kinds, in no order, and some of them twice.
func (x *trial) references() []string {
	return []string{
		"10", "no-such-tag", x.digest("arm"), "10.10", "nested", "10", absent, "docker", x.digest("docker intel"),
		x.digest("signature"), "alone", "no-such-tag", x.digest("arm"), x.digest("both"),
	}
}

// twice asks a question again, since what is remembered must be as true.
func twice(t *testing.T, ask func(t *testing.T)) {
	t.Run("first", ask)
	t.Run("again", ask)
}

func resolve(t *testing.T, x *trial) {
	twice(t, func(t *testing.T) {
		references := x.references()
		checkDescriptors(t, x, references, x.reader.Resolve(t.Context(), references))
		if !slices.Equal(references, x.references()) {
			t.Errorf("the caller's references became %q", references)
		}
	})
	t.Run("writer", func(t *testing.T) {
		references := x.references()
		checkDescriptors(t, x, references, x.writer.Resolve(t.Context(), references))
	})
}

func checkDescriptors(t *testing.T, x *trial, references []string, answers []registry.Answer[registry.Descriptor]) {
	t.Helper()
	if len(answers) != len(references) {
		t.Fatalf("%d answers to %d questions", len(answers), len(references))
	}
	for i, a := range answers {
		name := x.at(references[i])
		if name == "" {
			if !errors.Is(a.Err, registry.ErrNotFound) || a.Value != (registry.Descriptor{}) {
				t.Errorf("%s: %+v, %v, want ErrNotFound alone", references[i], a.Value, a.Err)
			}
			continue
		}
		want := x.object(name)
		if a.Err != nil || a.Value.Digest != want.Digest.String() || !x.typed(a.Value.MediaType, want.MediaType) || a.Value.Archived {
			t.Errorf("%s: %+v, %v, want %q: %+v", references[i], a.Value, a.Err, name, want.Descriptor)
		}
		if a.Value.Size != 0 && a.Value.Size != want.Size {
			t.Errorf("%s: size %d, want %d, or 0", references[i], a.Value.Size, want.Size)
		}
	}
}

func manifests(t *testing.T, x *trial) {
	twice(t, func(t *testing.T) {
		references := x.references()
		checkManifests(t, x, references, x.reader.Manifests(t.Context(), references))
		if !slices.Equal(references, x.references()) {
			t.Errorf("the caller's references became %q", references)
		}
	})
}

func checkManifests(t *testing.T, x *trial, references []string, answers []registry.Answer[registry.RawManifest]) {
	t.Helper()
	if len(answers) != len(references) {
		t.Fatalf("%d answers to %d questions", len(answers), len(references))
	}
	for i, a := range answers {
		name := x.at(references[i])
		if name == "" {
			if !errors.Is(a.Err, registry.ErrNotFound) || a.Value.Body != nil {
				t.Errorf("%s: %+v, %v, want ErrNotFound alone", references[i], a.Value, a.Err)
			}
			continue
		}
		if want := x.raw(name); a.Err != nil || a.Value.Digest != want.Digest || a.Value.MediaType != want.MediaType || !bytes.Equal(a.Value.Body, want.Body) {
			t.Errorf("%s: %s %q %q, %v, want %q", references[i], a.Value.Digest, a.Value.MediaType, a.Value.Body, a.Err, name)
		}
	}
}

func configs(t *testing.T, x *trial) {
	twice(t, func(t *testing.T) {
		names := []string{"arm config", "", "intel config", "arm config", "docker config", ""}
		digests := make([]string, len(names))
		for i, name := range names {
			if digests[i] = absent; name != "" {
				digests[i] = x.digest(name)
			}
		}
		answers := x.reader.Configs(t.Context(), digests)
		if len(answers) != len(digests) {
			t.Fatalf("%d answers to %d questions", len(answers), len(digests))
		}
		for i, a := range answers {
			switch {
			case names[i] == "":
				if !errors.Is(a.Err, registry.ErrNotFound) || a.Value != nil {
					t.Errorf("a config that is absent: %q, %v, want ErrNotFound alone", a.Value, a.Err)
				}
			case a.Err != nil:
				t.Errorf("%s: %v", names[i], a.Err)
			case x.PlatformsAlone:
				checkPlatform(t, a.Value, x.blobs[names[i]])
			case string(a.Value) != x.blobs[names[i]]:
				t.Errorf("%s: %s, want %s", names[i], a.Value, x.blobs[names[i]])
			}
		}
	})
}

func checkPlatform(t *testing.T, got []byte, want string) {
	t.Helper()
	var has, wants ocispec.Platform
	if err := errors.Join(json.Unmarshal(got, &has), json.Unmarshal([]byte(want), &wants)); err != nil {
		t.Fatal(err)
	}
	if has.OS != wants.OS || has.Architecture != wants.Architecture || has.Variant != wants.Variant {
		t.Errorf("platform %+v, want %+v", has, wants)
	}
}

// blobs: configs and layers are there, and manifests are none.
func blobs(t *testing.T, x *trial) {
	digests := []string{x.digest("arm config"), absent, x.digest("layer"), x.digest("empty"), x.digest("arm config")}
	want := []bool{true, false, true, true, true}
	for i, a := range x.reader.HasBlobs(t.Context(), digests) {
		if a.Err != nil || a.Value != want[i] {
			t.Errorf("%s (%s): %v, %v, want %v", digests[i], x.at(digests[i]), a.Value, a.Err, want[i])
		}
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, a := range x.reader.HasBlobs(cancelled, digests[:1]) {
		if !errors.Is(a.Err, context.Canceled) {
			t.Errorf("%v, want context.Canceled", a.Err)
		}
	}
	if n := len(x.reader.HasBlobs(t.Context(), nil)); n > 0 {
		t.Errorf("%d answers to no question", n)
	}
}

func tags(t *testing.T, x *trial) {
	want := slices.Collect(maps.Keys(x.tags))
	twice(t, func(t *testing.T) {
		got, err := x.reader.Tags(t.Context())
		checkTags(t, x, got, err, want)
	})
	t.Run("writer", func(t *testing.T) {
		got, err := x.writer.Tags(t.Context())
		checkTags(t, x, got, err, want)
	})
}

// checkTags compares what a repository lists with the tags of a test, and with
// the one for the signature where there is no referrers API.
func checkTags(t *testing.T, x *trial, got []string, err error, want []string) {
	t.Helper()
	if x.FallbackTags {
		want = append(slices.Clone(want), fallbackTag(x.digest("both")))
	}
	slices.Sort(got)
	if slices.Sort(want); err != nil || !slices.Equal(got, want) {
		t.Errorf("tags %q, %v, want %q", got, err, want)
	}
}

func fallbackTag(subject string) string { return "sha256-" + subject[len("sha256:"):] }

func referrers(t *testing.T, x *trial) {
	twice(t, func(t *testing.T) {
		got, err := x.reader.Referrers(t.Context(), x.digest("both"))
		want := x.object("signature")
		if err != nil || len(got) != 1 || got[0].Digest != want.Digest.String() || got[0].MediaType != want.MediaType || got[0].ArtifactType != signatureType ||
			got[0].Size != 0 && got[0].Size != want.Size {
			t.Errorf("referrers %+v, %v, want the signature, %+v", got, err, want.Descriptor)
		}
		for _, name := range []string{"intel", "nested", "signature"} {
			if got, err := x.reader.Referrers(t.Context(), x.digest(name)); err != nil || len(got) != 0 {
				t.Errorf("referrers of %s: %+v, %v, want none", name, got, err)
			}
		}
		if got, err := x.reader.Referrers(t.Context(), absent); err != nil || len(got) != 0 {
			t.Errorf("referrers of what is absent: %+v, %v, want none", got, err)
		}
	})
}

func inventory(t *testing.T, x *trial) {
	twice(t, func(t *testing.T) {
		got, err := x.reader.Inventory(t.Context())
		if !x.Lists {
			if !errors.Is(err, registry.ErrUnsupported) {
				t.Errorf("%+v, %v, want ErrUnsupported", got, err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		open := x.stored()
		for _, m := range got.Manifests {
			name := open[m.Digest]
			if name == "" {
				t.Errorf("%s (%s) is not there, or stands twice", m.Digest, x.digests[m.Digest])
				continue
			}
			delete(open, m.Digest)
			var tags []string
			for tag, of := range x.tags {
				if of == name {
					tags = append(tags, tag)
				}
			}
			slices.Sort(tags)
			if slices.Sort(m.Tags); !slices.Equal(m.Tags, tags) || !x.typed(m.MediaType, x.object(name).MediaType) || m.Archived {
				t.Errorf("%s: %+v, want tags %q", name, m, tags)
			}
			if m.Pushed.IsZero() || m.Pushed.After(got.Now.Add(time.Second)) { // a Date has seconds
				t.Errorf("%s was pushed %v, and now it is %v", name, m.Pushed, got.Now)
			}
		}
		if len(open) > 0 {
			t.Errorf("the inventory lacks %v", open)
		}
	})
}

func facts(t *testing.T, x *trial) {
	twice(t, func(t *testing.T) {
		got, err := x.reader.Facts(t.Context())
		if err != nil || got.Missing || got.LastTag != x.LastTag || got.KeepsChildren != x.KeepsChildren || got.Cascades != x.Cascades || got.TakesReferrers != x.TakesReferrers || got.Tags.Fixed("10") {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

// many has more images than go on a page or in a request.
func many(t *testing.T, x *trial) {
	var (
		repository = config.Repository{Host: x.Host, Path: "contract/very-many"}
		all        = content{blobs: sample.blobs, tags: map[string]string{}}
		references []string
	)
	for i := range x.Many {
		name, tag := fmt.Sprint("image ", i), fmt.Sprint("1.", i)
		all.manifests = append(all.manifests, manifest{name: name, config: "arm config", layers: []string{"layer"}, note: name})
		all.tags[tag] = name
		references = append(references, tag)
	}
	x = &trial{Backend: x.Backend, pushed: all.build(t), repository: repository}
	x.FallbackTags = false // there is nothing to refer to
	x.seed(t, repository)
	x.reader, x.writer = x.open(t, repository)
	slices.Reverse(references)
	checkDescriptors(t, x, references, x.reader.Resolve(t.Context(), references))
	for i := range references { // by digest and by tag in turn
		if i%2 == 0 {
			references[i] = x.digest(x.at(references[i]))
		}
	}
	checkManifests(t, x, references, x.reader.Manifests(t.Context(), references))
	checkDescriptors(t, x, references, x.writer.Resolve(t.Context(), references))
	for _, list := range []func(context.Context) ([]string, error){x.reader.Tags, x.writer.Tags} {
		got, err := list(t.Context())
		checkTags(t, x, got, err, slices.Collect(maps.Keys(all.tags)))
	}
}

func emptyBatches(t *testing.T, x *trial) {
	asked := x.requests()
	for _, none := range [][]string{nil, {}} {
		n := len(x.reader.Resolve(t.Context(), none)) + len(x.reader.Manifests(t.Context(), none)) + len(x.reader.Configs(t.Context(), none)) +
			len(x.writer.Resolve(t.Context(), none)) + len(x.writer.Put(t.Context(), nil)) +
			len(x.writer.DeleteTags(t.Context(), nil)) + len(x.writer.DeleteManifests(t.Context(), x.removals(none...)))
		if n > 0 {
			t.Errorf("%d answers to no question", n)
		}
	}
	if n := asked(); n > 0 {
		t.Errorf("%d requests for nothing", n)
	}
}

func missingRepository(t *testing.T, x *trial) {
	missing := config.Repository{Host: x.Host, Path: "contract/no-such-repository"}
	reader, writer := x.open(t, missing)
	both := []string{"10", absent}
	var errs []error
	for _, a := range slices.Concat(reader.Resolve(t.Context(), both), writer.Resolve(t.Context(), both)) {
		errs = append(errs, a.Err)
	}
	for _, a := range reader.Manifests(t.Context(), both) {
		errs = append(errs, a.Err)
	}
	for _, a := range reader.Configs(t.Context(), []string{absent}) {
		errs = append(errs, a.Err)
	}
	for i, err := range errs {
		if !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("answer %d: %v, want ErrNotFound", i, err)
		}
	}
	for _, list := range []func(context.Context) ([]string, error){reader.Tags, writer.Tags} {
		got, err := list(t.Context())
		switch {
		case x.ListsNone && err == nil && len(got) == 0:
		case x.ListsNone || !errors.Is(err, registry.ErrNotFound) || !errors.Is(err, registry.ErrNoRepository):
			t.Errorf("tags %q, %v, want ErrNotFound and ErrNoRepository", got, err)
		}
	}
	if got, err := reader.Inventory(t.Context()); x.Lists && !errors.Is(err, registry.ErrNotFound) || err == nil {
		t.Errorf("inventory %+v, %v, want ErrNotFound, or ErrUnsupported", got, err)
	}
	if got, err := reader.Referrers(t.Context(), absent); len(got) > 0 || err != nil && !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("referrers %+v, %v, want none or ErrNotFound", got, err)
	}
	if err := writer.DeleteTags(t.Context(), []registry.TagDigest{{Tag: "10", Digest: absent}})[0]; !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("the deletion of a tag: %v, want ErrNotFound", err)
	}
	if err := writer.DeleteManifests(t.Context(), x.removals(absent))[0]; err != nil && !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("the deletion of a manifest: %v, want no error or ErrNotFound", err)
	}
	if got, err := reader.Facts(t.Context()); err != nil || got.Missing != (x.Create != nil) {
		t.Errorf("facts %+v, %v; the repository is missing where a push does not make it", got, err)
	}
}

// interruptedReads: a cancelled context sends nothing and has no answers, and
// later questions are answered as ever.
func interruptedReads(t *testing.T, x *trial) {
	for range 2 { // the second time, much is remembered
		askInterrupted(t, x)
		checkAll(t, x)
	}
}

func askInterrupted(t *testing.T, x *trial) {
	t.Helper()
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	asked := x.requests()
	references := x.references()
	var errs []error
	for _, a := range slices.Concat(x.reader.Resolve(cancelled, references), x.writer.Resolve(cancelled, references)) {
		errs = append(errs, a.Err)
	}
	for _, a := range x.reader.Manifests(cancelled, references) {
		errs = append(errs, a.Err)
	}
	for _, a := range x.reader.Configs(cancelled, []string{x.digest("arm config"), absent}) {
		errs = append(errs, a.Err)
	}
	_, listErr := x.reader.Tags(cancelled)
	_, writerErr := x.writer.Tags(cancelled)
	_, referrersErr := x.reader.Referrers(cancelled, x.digest("both"))
	errs = append(errs, listErr, writerErr, referrersErr)
	if _, err := x.reader.Inventory(cancelled); x.Lists {
		errs = append(errs, err)
	}
	if _, err := x.reader.Facts(cancelled); x.LastTag { // others have none to ask for
		errs = append(errs, err)
	}
	if want := 3*len(references) + 2 + 3; len(errs) < want {
		t.Errorf("%d answers, want %d", len(errs), want)
	}
	for i, err := range errs {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("answer %d: %v, want context.Canceled", i, err)
		}
	}
	if n := asked(); n > 0 {
		t.Errorf("%d requests were sent", n)
	}
}

// checkAll asks every question once.
func checkAll(t *testing.T, x *trial) {
	t.Helper()
	references := x.references()
	checkDescriptors(t, x, references, x.reader.Resolve(t.Context(), references))
	checkManifests(t, x, references, x.reader.Manifests(t.Context(), references))
	if a := x.reader.Configs(t.Context(), []string{x.digest("arm config")})[0]; a.Err != nil {
		t.Error(a.Err)
	} else {
		checkPlatform(t, a.Value, x.blobs["arm config"])
	}
	got, err := x.reader.Tags(t.Context())
	checkTags(t, x, got, err, slices.Collect(maps.Keys(x.tags)))
	if got, err := x.reader.Referrers(t.Context(), x.digest("both")); err != nil || len(got) != 1 {
		t.Errorf("referrers %+v, %v, want the signature", got, err)
	}
	if got, err := x.reader.Inventory(t.Context()); x.Lists && (err != nil || len(got.Manifests) != len(x.stored())) {
		t.Errorf("inventory %+v, %v", got, err)
	}
	if got, err := x.reader.Facts(t.Context()); err != nil || got.LastTag != x.LastTag {
		t.Errorf("facts %+v, %v", got, err)
	}
}

func concurrentReads(t *testing.T, x *trial) {
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { checkAll(t, x) })
	}
	wg.Wait()
}

// readsAnew: what a run has read before does not answer for the registry once
// the run writes.
func readsAnew(t *testing.T, x *trial) {
	checkAll(t, x)
	x.Seed(t, x.repository, "10.10", x.object("arm"))
	x.Seed(t, x.repository, "new", []demo.Object{x.object("docker")}...)
	for _, want := range []struct{ tag, name string }{{"10.10", "arm"}, {"new", "docker"}, {"10.20", "arm"}} {
		if a := x.writer.Resolve(t.Context(), []string{want.tag})[0]; a.Err != nil || a.Value.Digest != x.digest(want.name) {
			t.Errorf("%s is %+v, %v, want %s", want.tag, a.Value, a.Err, want.name)
		}
	}
	got, err := x.writer.Tags(t.Context())
	checkTags(t, x, got, err, append(slices.Collect(maps.Keys(x.tags)), "new"))
}
