package reconcile_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"tagline/config"
	"tagline/policies"
	"tagline/reconcile/demo"
	"tagline/reconcile/registry"
)

// memory is a registry of maps, for tests that want thousands of them; what
// only a real one can show is tested on real ones.
type memory struct {
	mu        sync.Mutex
	tags      map[string]string // "host/repository:tag" -> digest
	manifests map[string]registry.RawManifest
	blobs     map[string][]byte
	broken    map[string]error // by reference: what can't be read
	asked     []string         // every question, in order
	puts      []string         // "tag digest"
	facts     registry.Facts
	listed    bool
	archived  string // a digest
	pushed    map[string]time.Time
	now       time.Time // by its own clock; that of the machine if zero
	deleted   []string  // manifests, in order
	hidden    string    // a tag that no list has
	ghost     string    // a tag that lists have, and that names something else there
}

func newMemory() *memory {
	return &memory{
		tags: map[string]string{}, manifests: map[string]registry.RawManifest{},
		blobs: map[string][]byte{}, broken: map[string]error{}, pushed: map[string]time.Time{},
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
			if strings.HasPrefix(o.MediaType, "application/vnd.oci.image.layer") || !strings.Contains(o.MediaType, "manifest") && !strings.Contains(o.MediaType, "index") {
				m.blobs[o.Digest.String()] = o.Body
				continue
			}
			m.manifests[o.Digest.String()] = registry.RawManifest{Digest: o.Digest.String(), MediaType: o.MediaType, Body: o.Body}
		}
		top := objects[len(objects)-1].Digest.String()
		m.tags["r.test/"+repository+":"+image.Tag], digests[image.Tag] = top, top
	}
	return digests
}

// put puts any index under a tag of the repository app.
func (m *memory) put(tag, body string) string {
	d := digestOf(body)
	m.manifests[d] = registry.RawManifest{Digest: d, MediaType: ociIndex, Body: []byte(body)}
	m.tags["r.test/app:"+tag] = d
	return d
}

func (m *memory) Reader(r config.Repository) registry.Reader { return view{memory: m, repository: r} }
func (m *memory) Writer(r config.Repository) registry.Writer { return view{memory: m, repository: r} }

type view struct {
	registry.Forgetful
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
		return "", fmt.Errorf("%s: %w", reference, registry.ErrNotFound)
	}
	if d := v.tags[v.repository.String()+":"+reference]; d != "" {
		return d, nil
	}
	return "", fmt.Errorf("%s: %w", reference, registry.ErrNotFound)
}

func each[T any](references []string, answer func(string) (T, error)) []registry.Answer[T] {
	answers := make([]registry.Answer[T], len(references))
	for i, r := range references {
		answers[i].Value, answers[i].Err = answer(r)
	}
	return answers
}

func (v view) Resolve(_ context.Context, tags []string) []registry.Answer[registry.Descriptor] {
	v.mu.Lock()
	defer v.mu.Unlock()
	return each(tags, func(tag string) (registry.Descriptor, error) {
		d, err := v.digest(tag)
		return registry.Descriptor{Digest: d, MediaType: v.manifests[d].MediaType, Archived: d == v.archived && d != ""}, err
	})
}

func (v view) Listed() bool { return v.listed }

func (v view) Manifests(_ context.Context, references []string) []registry.Answer[registry.RawManifest] {
	v.mu.Lock()
	defer v.mu.Unlock()
	return each(references, func(r string) (registry.RawManifest, error) {
		d, err := v.digest(r)
		return v.manifests[d], err
	})
}

func (v view) Configs(_ context.Context, digests []string) []registry.Answer[[]byte] {
	v.mu.Lock()
	defer v.mu.Unlock()
	return each(digests, func(d string) ([]byte, error) {
		v.asked = append(v.asked, "config")
		return v.blobs[d], v.broken[d]
	})
}

// Inventory is what Amazon ECR has, and nobody who speaks HTTP alone.
func (v view) Inventory(context.Context) (registry.Inventory, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.listed {
		return registry.Inventory{}, registry.ErrUnsupported
	}
	all := registry.Inventory{Now: v.now}
	if all.Now.IsZero() {
		all.Now = time.Now()
	}
	for digest, m := range v.manifests {
		stored := registry.StoredManifest{Pushed: v.pushed[digest], Descriptor: registry.Descriptor{
			Digest: digest, MediaType: m.MediaType, Archived: digest == v.archived,
		}}
		for name, named := range v.tags {
			tag, ok := strings.CutPrefix(name, v.repository.String()+":")
			if tag == v.ghost {
				named = v.tags[v.repository.String()+":4"]
			}
			if ok && named == digest {
				stored.Tags = append(stored.Tags, tag)
			}
		}
		all.Manifests = append(all.Manifests, stored)
	}
	return all, v.broken["inventory"]
}

// listing is what of a manifest others hang on.
type listing struct {
	Manifests    []struct{ Digest string }
	Subject      *struct{ Digest string }
	ArtifactType string
}

func (m *memory) look(digest string) listing {
	var l listing
	_ = json.Unmarshal(m.manifests[digest].Body, &l)
	return l
}

func (v view) Referrers(_ context.Context, digest string) ([]registry.Descriptor, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	var all []registry.Descriptor
	for d, m := range v.manifests {
		if l := v.look(d); l.Subject != nil && l.Subject.Digest == digest {
			all = append(all, registry.Descriptor{Digest: d, MediaType: m.MediaType, ArtifactType: l.ArtifactType})
		}
	}
	return all, v.broken["referrers"]
}

// DeleteManifests refuses what an index lists where that is Amazon ECR, and
// takes every tag along, as they all do.
func (v view) DeleteManifests(ctx context.Context, digests []string) []error {
	v.mu.Lock()
	defer v.mu.Unlock()
	errs := make([]error, len(digests))
	for i, digest := range digests {
		if errs[i] = ctx.Err(); errs[i] != nil {
			continue
		}
		for parent := range v.manifests {
			for _, child := range v.look(parent).Manifests {
				if v.listed && child.Digest == digest {
					errs[i] = fmt.Errorf("referenced by %s", parent)
				}
			}
		}
		if errs[i] = cmp.Or(v.broken["DELETE "+digest], errs[i]); errs[i] != nil {
			continue
		}
		delete(v.manifests, digest)
		v.deleted = append(v.deleted, digest)
		maps.DeleteFunc(v.tags, func(_, named string) bool { return named == digest })
	}
	return errs
}

func (v view) Facts(context.Context) (registry.Facts, error) {
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
		if tag, ok := strings.CutPrefix(name, v.repository.String()+":"); ok && tag != v.hidden {
			tags = append(tags, tag)
		}
	}
	if v.ghost != "" {
		tags = append(tags, v.ghost)
	}
	return tags, v.broken["tags"]
}

func (v view) Copy(context.Context, config.Repository, string) error { return nil }

func (v view) AtOnce() int { return 16 }

func (v view) Put(_ context.Context, pushes []registry.TaggedManifest) []error {
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
