package reconcile_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"tagline/config"
	"tagline/policies"
	"tagline/reconcile"
	"tagline/reconcile/demo"
)

// memory is a registry of maps, for tests that want thousands of them; what
// only a real one can show is tested on real ones.
type memory struct {
	mu        sync.Mutex
	tags      map[string]string // "host/repository:tag" -> digest
	manifests map[string]reconcile.RawManifest
	blobs     map[string][]byte
	broken    map[string]error // by reference: what can't be read
	asked     []string         // every question, in order
	puts      []string         // "tag digest"
	facts     reconcile.Facts
	listed    bool
	archived  string // a digest
}

func newMemory() *memory {
	return &memory{
		tags: map[string]string{}, manifests: map[string]reconcile.RawManifest{},
		blobs: map[string][]byte{}, broken: map[string]error{},
	}
}

// push puts images into a repository and returns the digests of their tags.
func (m *memory) push(t testing.TB, repository string, images ...demo.Image) map[string]string {
	t.Helper()
	digests := map[string]string{}
	for _, image := range images {
		objects, err := image.Objects()
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range objects {
			m.blobs[o.Digest.String()] = o.Body
			m.manifests[o.Digest.String()] = reconcile.RawManifest{Digest: o.Digest.String(), MediaType: o.MediaType, Body: o.Body}
		}
		top := objects[len(objects)-1].Digest.String()
		m.tags["r.test/"+repository+":"+image.Tag], digests[image.Tag] = top, top
	}
	return digests
}

// put puts any index under a tag of the repository app.
func (m *memory) put(tag, body string) string {
	d := digestOf(body)
	m.manifests[d] = reconcile.RawManifest{Digest: d, MediaType: ociIndex, Body: []byte(body)}
	m.tags["r.test/app:"+tag] = d
	return d
}

func (m *memory) Reader(r config.Repository) reconcile.Reader { return view{m, r} }
func (m *memory) Writer(r config.Repository) reconcile.Writer { return view{m, r} }

type view struct {
	*memory
	repository config.Repository
}

func (v view) digest(reference string) (string, error) {
	v.asked = append(v.asked, v.repository.Path+" "+reference)
	if err := v.broken[reference]; err != nil {
		return "", err
	}
	if strings.Contains(reference, ":") {
		if _, ok := v.manifests[reference]; ok {
			return reference, nil
		}
		return "", fmt.Errorf("%s: %w", reference, reconcile.ErrNotFound)
	}
	if d := v.tags[v.repository.String()+":"+reference]; d != "" {
		return d, nil
	}
	return "", fmt.Errorf("%s: %w", reference, reconcile.ErrNotFound)
}

func each[T any](references []string, answer func(string) (T, error)) []reconcile.Answer[T] {
	answers := make([]reconcile.Answer[T], len(references))
	for i, r := range references {
		answers[i].Value, answers[i].Err = answer(r)
	}
	return answers
}

func (v view) Resolve(_ context.Context, tags []string) []reconcile.Answer[reconcile.Descriptor] {
	v.mu.Lock()
	defer v.mu.Unlock()
	return each(tags, func(tag string) (reconcile.Descriptor, error) {
		d, err := v.digest(tag)
		return reconcile.Descriptor{Digest: d, MediaType: v.manifests[d].MediaType, Archived: d == v.archived && d != ""}, err
	})
}

func (v view) Listed() bool { return v.listed }

func (v view) Manifests(_ context.Context, references []string) []reconcile.Answer[reconcile.RawManifest] {
	v.mu.Lock()
	defer v.mu.Unlock()
	return each(references, func(r string) (reconcile.RawManifest, error) {
		d, err := v.digest(r)
		return v.manifests[d], err
	})
}

func (v view) Configs(_ context.Context, digests []string) []reconcile.Answer[[]byte] {
	v.mu.Lock()
	defer v.mu.Unlock()
	return each(digests, func(d string) ([]byte, error) {
		v.asked = append(v.asked, "config")
		return v.blobs[d], v.broken[d]
	})
}

func (v view) Referrers(context.Context, string) ([]reconcile.Descriptor, error) { return nil, nil }

func (v view) Facts(context.Context) (reconcile.Facts, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.facts, v.broken["facts"]
}

func (v view) Tags(context.Context) ([]string, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.asked = append(v.asked, v.repository.Path+" tags")
	var tags []string
	for name := range v.tags {
		if tag, ok := strings.CutPrefix(name, v.repository.String()+":"); ok {
			tags = append(tags, tag)
		}
	}
	return tags, v.broken["tags"]
}

func (v view) Copy(context.Context, config.Repository, string) error { return nil }

func (v view) AtOnce() int { return 16 }

func (v view) Put(_ context.Context, pushes []reconcile.TaggedManifest) []error {
	v.mu.Lock()
	defer v.mu.Unlock()
	errs := make([]error, len(pushes))
	for i, p := range pushes {
		if errs[i] = v.broken["PUT "+p.Tag]; errs[i] != nil {
			continue
		}
		var index struct {
			Manifests []struct{ Digest string }
		}
		errs[i] = json.Unmarshal(p.Manifest.Body, &index)
		for _, child := range index.Manifests {
			if _, ok := v.manifests[child.Digest]; !ok {
				errs[i] = fmt.Errorf("child %s is missing", child.Digest)
			}
		}
		v.manifests[p.Manifest.Digest] = p.Manifest
		v.tags[v.repository.String()+":"+p.Tag] = p.Manifest.Digest
		v.puts = append(v.puts, p.Tag+" "+p.Manifest.Digest)
	}
	return errs
}

func (v view) DeleteTags(_ context.Context, tags []string) []error {
	v.mu.Lock()
	defer v.mu.Unlock()
	errs := make([]error, len(tags))
	for i, tag := range tags {
		if errs[i] = v.broken["DELETE "+tag]; errs[i] == nil {
			delete(v.tags, v.repository.String()+":"+tag)
		}
	}
	return errs
}

// parse reads an images.yaml whose registry is r.test, and returns its images.
func parse(t testing.TB, text string) []config.Image {
	t.Helper()
	cfg, err := config.Parse("images.yaml", []byte(text), config.Options{Registry: "r.test", Policies: policies.Keys()})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return cfg.Images
}

// aliases is an images.yaml of one image, with the lines of its aliases and of
// its policies.
func aliases(t testing.TB, lines string, settings ...string) config.Image {
	t.Helper()
	text := "images:\n  app:\n    policies: {" + strings.Join(settings, ", ") + "}\n    aliases:\n"
	for line := range strings.Lines(strings.TrimSpace(lines)) {
		text += "      " + strings.TrimRight(line, "\n") + "\n"
	}
	return parse(t, text)[0]
}
