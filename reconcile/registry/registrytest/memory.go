package registrytest

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"tagline/config"
	"tagline/reconcile/demo"
	"tagline/reconcile/registry"
)

// Host is the host of the repositories that [Memory.Push] and [Memory.Put]
// write to.
const Host = "r.test"

// Memory is a registry made of maps, for tests that want thousands of them.
// What only a real registry can show is tested on real ones.
//
// Its fields may be changed while nothing is asked. While a test holds the lock,
// the registry does not answer.
type Memory struct {
	sync.Mutex
	Tags      map[string]string // "host/repository:tag" -> digest
	Manifests map[string]registry.RawManifest
	Blobs     map[string][]byte
	Pushed    map[string]time.Time // by digest
	Facts     registry.Facts
	Now       time.Time // by the registry's clock; the machine's clock if zero
	Listed    bool      // it lists manifests, as Amazon ECR does, and keeps what an index lists

	// Broken has the errors of what fails: by tag or digest, "PUT tag", "DELETE
	// tag", "DELETE digest", and "tags", "inventory", "referrers" and "facts".
	Broken   map[string]error
	Archived string // a digest
	Hidden   string // a tag that exists and that no list has
	Ghost    string // a tag that every list has, and that names what tag 4 names there

	Asked   []string // every question, in order: "repository reference"
	Puts    []string // "tag digest"
	Deleted []string // digests of manifests, in order
}

// NewMemory returns an empty registry.
func NewMemory() *Memory {
	return &Memory{
		Tags: map[string]string{}, Manifests: map[string]registry.RawManifest{},
		Blobs: map[string][]byte{}, Broken: map[string]error{}, Pushed: map[string]time.Time{},
	}
}

// Push puts images into a repository of [Host] and returns the digest of each
// tag.
func (m *Memory) Push(t testing.TB, repository string, images ...demo.Image) map[string]string {
	t.Helper()
	digests := map[string]string{}
	for _, image := range images {
		objects, err := image.Objects()
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range objects {
			if !isManifest(o.MediaType) {
				m.Blobs[o.Digest.String()] = o.Body
				continue
			}
			m.Manifests[o.Digest.String()] = registry.RawManifest{Digest: o.Digest.String(), MediaType: o.MediaType, Body: o.Body}
		}
		top := objects[len(objects)-1].Digest.String()
		m.Tags[Host+"/"+repository+":"+image.Tag], digests[image.Tag] = top, top
	}
	return digests
}

// Put puts any index under a tag of the repository app of [Host], and returns
// its digest.
func (m *Memory) Put(tag, body string) string {
	d := digestOf([]byte(body))
	m.Manifests[d] = registry.RawManifest{Digest: d, MediaType: ociIndex, Body: []byte(body)}
	m.Tags[Host+"/app:"+tag] = d
	return d
}

// Asks counts the questions about a reference.
func (m *Memory) Asks(reference string) int {
	m.Lock()
	defer m.Unlock()
	n := 0
	for _, question := range m.Asked {
		if strings.HasSuffix(question, " "+reference) {
			n++
		}
	}
	return n
}

// Reader implements [registry.Readers].
func (m *Memory) Reader(r config.Repository) registry.Reader { return view{Memory: m, repository: r} }

// Writer implements [registry.Writers].
func (m *Memory) Writer(r config.Repository) registry.Writer { return view{Memory: m, repository: r} }

// view is one repository of a Memory.
type view struct {
	registry.Forgetful
	*Memory
	repository config.Repository
}

// digest is what a reference names.
func (v view) digest(reference string) (string, error) {
	v.Asked = append(v.Asked, v.repository.Path+" "+reference)
	if err := v.Broken[reference]; err != nil {
		return "", err
	}
	if strings.Contains(reference, ":") {
		if _, ok := v.Memory.Manifests[reference]; ok {
			return reference, nil
		}
		return "", fmt.Errorf("%s: %w", reference, registry.ErrNotFound)
	}
	if d := v.Memory.Tags[v.repository.String()+":"+reference]; d != "" {
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
	v.Lock()
	defer v.Unlock()
	return each(tags, func(tag string) (registry.Descriptor, error) {
		d, err := v.digest(tag)
		return registry.Descriptor{Digest: d, MediaType: v.Memory.Manifests[d].MediaType, Archived: d == v.Archived && d != ""}, err
	})
}

func (v view) Listed() bool { return v.Memory.Listed }

func (v view) Manifests(_ context.Context, references []string) []registry.Answer[registry.RawManifest] {
	v.Lock()
	defer v.Unlock()
	return each(references, func(r string) (registry.RawManifest, error) {
		d, err := v.digest(r)
		return v.Memory.Manifests[d], err
	})
}

func (v view) Configs(_ context.Context, digests []string) []registry.Answer[[]byte] {
	v.Lock()
	defer v.Unlock()
	return each(digests, func(d string) ([]byte, error) {
		v.Asked = append(v.Asked, "config")
		return v.Blobs[d], v.Broken[d]
	})
}

// Inventory is there if the registry lists manifests.
func (v view) Inventory(context.Context) (registry.Inventory, error) {
	v.Lock()
	defer v.Unlock()
	if !v.Memory.Listed {
		return registry.Inventory{}, registry.ErrUnsupported
	}
	all := registry.Inventory{Now: v.Now}
	if all.Now.IsZero() {
		all.Now = time.Now()
	}
	for digest, m := range v.Memory.Manifests {
		stored := registry.StoredManifest{Pushed: v.Pushed[digest], Descriptor: registry.Descriptor{
			Digest: digest, MediaType: m.MediaType, Archived: digest == v.Archived,
		}}
		for name, named := range v.Memory.Tags {
			tag, ok := strings.CutPrefix(name, v.repository.String()+":")
			if tag == v.Ghost {
				named = v.Memory.Tags[v.repository.String()+":4"]
			}
			if ok && named == digest {
				stored.Tags = append(stored.Tags, tag)
			}
		}
		all.Manifests = append(all.Manifests, stored)
	}
	return all, v.Broken["inventory"]
}

// References are what a manifest says of others.
type References struct {
	Manifests    []struct{ Digest string }
	Subject      *struct{ Digest string }
	ArtifactType string
}

// References reads a manifest; those of one that is not there are none.
func (m *Memory) References(digest string) References {
	var r References
	_ = json.Unmarshal(m.Manifests[digest].Body, &r)
	return r
}

func (v view) Referrers(_ context.Context, digest string) ([]registry.Descriptor, error) {
	v.Lock()
	defer v.Unlock()
	var all []registry.Descriptor
	for d, m := range v.Memory.Manifests {
		if r := v.References(d); r.Subject != nil && r.Subject.Digest == digest {
			all = append(all, registry.Descriptor{Digest: d, MediaType: m.MediaType, ArtifactType: r.ArtifactType})
		}
	}
	return all, v.Broken["referrers"]
}

// DeleteManifests refuses what an index lists where the registry lists
// manifests, and takes every tag along.
func (v view) DeleteManifests(ctx context.Context, digests []string) []error {
	v.Lock()
	defer v.Unlock()
	errs := make([]error, len(digests))
	for i, digest := range digests {
		if errs[i] = ctx.Err(); errs[i] != nil {
			continue
		}
		for parent := range v.Memory.Manifests {
			for _, child := range v.References(parent).Manifests {
				if v.Memory.Listed && child.Digest == digest {
					errs[i] = fmt.Errorf("referenced by %s", parent)
				}
			}
		}
		if errs[i] = cmp.Or(v.Broken["DELETE "+digest], errs[i]); errs[i] != nil {
			continue
		}
		delete(v.Memory.Manifests, digest)
		v.Deleted = append(v.Deleted, digest)
		maps.DeleteFunc(v.Memory.Tags, func(_, named string) bool { return named == digest })
	}
	return errs
}

func (v view) Facts(context.Context) (registry.Facts, error) {
	v.Lock()
	defer v.Unlock()
	return v.Memory.Facts, v.Broken["facts"]
}

func (v view) Tags(context.Context) ([]string, error) {
	v.Lock()
	defer v.Unlock()
	v.Asked = append(v.Asked, v.repository.Path+" tags")
	var tags []string
	for name := range v.Memory.Tags {
		if tag, ok := strings.CutPrefix(name, v.repository.String()+":"); ok && tag != v.Hidden {
			tags = append(tags, tag)
		}
	}
	if v.Ghost != "" {
		tags = append(tags, v.Ghost)
	}
	return tags, v.Broken["tags"]
}

func (v view) Copy(context.Context, config.Repository, string) error { return nil }

func (v view) AtOnce() int { return 16 }

func (v view) Put(_ context.Context, pushes []registry.TaggedManifest) []error {
	v.Lock()
	defer v.Unlock()
	errs := make([]error, len(pushes))
	for i, p := range pushes {
		if errs[i] = v.Broken["PUT "+p.Tag]; errs[i] != nil {
			continue
		}
		var index References
		errs[i] = json.Unmarshal(p.Manifest.Body, &index)
		for _, child := range index.Manifests {
			if _, ok := v.Memory.Manifests[child.Digest]; !ok {
				errs[i] = fmt.Errorf("child %s is missing", child.Digest)
			}
		}
		v.Memory.Manifests[p.Manifest.Digest] = p.Manifest
		v.Memory.Tags[v.repository.String()+":"+p.Tag] = p.Manifest.Digest
		v.Puts = append(v.Puts, p.Tag+" "+p.Manifest.Digest)
	}
	return errs
}

func (v view) DeleteTags(_ context.Context, tags []string) []error {
	v.Lock()
	defer v.Unlock()
	errs := make([]error, len(tags))
	for i, tag := range tags {
		if errs[i] = v.Broken["DELETE "+tag]; errs[i] == nil {
			delete(v.Memory.Tags, v.repository.String()+":"+tag)
		}
	}
	return errs
}

const ociIndex = "application/vnd.oci.image.index.v1+json"

func isManifest(mediaType string) bool {
	return strings.HasPrefix(mediaType, "application/vnd.oci.image.manifest.") || strings.HasPrefix(mediaType, "application/vnd.docker.distribution.manifest.") ||
		mediaType == ociIndex
}

func digestOf(body []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(body)) }
