package registrytest

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
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
	Pulled    map[string]time.Time // last, by digest
	Facts     registry.Facts
	Now       time.Time // by the registry's clock; the machine's clock if zero
	Listed    bool      // it lists manifests, as Amazon ECR does, and keeps what an index lists

	Untyped bool // it does not say the media type of what it lists or resolves, as GitHub

	// Cascades: with a manifest go its referrers, and what only it lists and no tag
	// names, as on Harbor.
	Cascades bool

	// Drops: a tag that moves or is deleted takes its manifest with it, unless
	// another tag names that, also if an index lists it. zot does so.
	Drops   bool
	Dropped []string // digests, in order

	// Broken has the errors of what fails: by tag or digest, "PUT tag", "DELETE
	// tag", "DELETE digest", and "tags", "inventory", "referrers" and "facts".
	Broken   map[string]error
	Archived string // a digest
	Hidden   string // a tag that exists and that no list has
	Ghost    string // a tag that every list has, and that names what tag 4 names there

	// placed says in which repositories a digest is. One that it lacks, because
	// a test has put it into a map by hand, is in all of them.
	placed map[string]map[config.Repository]bool

	// references are those of each body: tests ask for them again and again.
	references map[string]References

	Asked   []string // every question, in order: "repository reference"
	Puts    []string // "tag digest"
	Deleted []string // digests of manifests, in order
}

// NewMemory returns an empty registry.
func NewMemory() *Memory {
	return &Memory{
		Tags: map[string]string{}, Manifests: map[string]registry.RawManifest{},
		Blobs: map[string][]byte{}, Broken: map[string]error{}, Pushed: map[string]time.Time{}, Pulled: map[string]time.Time{},
	}
}

// Push puts images into a repository of [Host] and returns the digest of each
// tag.
func (m *Memory) Push(t testing.TB, repository string, images ...demo.Image) map[string]string {
	t.Helper()
	digests := map[string]string{}
	made := map[string][]demo.Object{} // thousands of tags may have one content
	for _, image := range images {
		content := image
		content.Version, content.Tag = cmp.Or(image.Version, image.Tag), ""
		key := fmt.Sprintf("%#v", content)
		objects, ok := made[key]
		if !ok {
			var err error
			if objects, err = image.Objects(); err != nil {
				t.Fatal(err)
			}
			made[key] = objects
		}
		m.Seed(config.Repository{Host: Host, Path: repository}, image.Tag, objects...)
		digests[image.Tag] = objects[len(objects)-1].Digest.String()
	}
	return digests
}

// Seed puts objects into a repository, and the last one under a tag.
func (m *Memory) Seed(repository config.Repository, tag string, objects ...demo.Object) {
	for _, o := range objects {
		d := o.Digest.String()
		if registry.KnownType(o.MediaType) {
			m.Manifests[d] = registry.RawManifest{Digest: d, MediaType: o.MediaType, Body: o.Body}
		} else {
			m.Blobs[d] = o.Body
		}
		m.place(repository, d)
		m.Tags[repository.String()+":"+tag] = d // the last one's
	}
}

// Put puts any index under a tag of the repository app of [Host], and returns
// its digest.
func (m *Memory) Put(tag, body string) string {
	d := digestOf([]byte(body))
	m.Manifests[d] = registry.RawManifest{Digest: d, MediaType: ociIndex, Body: []byte(body)}
	m.place(config.Repository{Host: Host, Path: "app"}, d)
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
func (m *Memory) Reader(r config.Repository) registry.Reader { return view{store: m, repository: r} }

// Writer implements [registry.Writers].
func (m *Memory) Writer(r config.Repository) registry.Writer { return view{store: m, repository: r} }

// place notes that a repository has a manifest or a blob.
func (m *Memory) place(r config.Repository, digest string) {
	if m.placed == nil {
		m.placed = map[string]map[config.Repository]bool{}
	}
	if m.placed[digest] == nil {
		m.placed[digest] = map[config.Repository]bool{}
	}
	m.placed[digest][r] = true
}

func (m *Memory) isIn(r config.Repository, digest string) bool {
	return m.placed[digest] == nil || m.placed[digest][r]
}

// References are what a manifest says of others.
type References struct {
	Manifests    []struct{ Digest string }
	Config       struct{ Digest string }
	Layers       []struct{ Digest string }
	Subject      *struct{ Digest string }
	ArtifactType string
}

// References reads a manifest. One that is not there has none.
func (m *Memory) References(digest string) References {
	body := m.Manifests[digest].Body
	r, known := m.references[string(body)]
	if !known {
		_ = json.Unmarshal(body, &r)
		if m.references == nil {
			m.references = map[string]References{}
		}
		m.references[string(body)] = r
	}
	return r
}

// store is a Memory as a view embeds it, which has a method of that name.
type store = Memory

// view is one repository of a Memory.
type view struct {
	*store
	registry.NoMemory
	repository config.Repository
}

// held are the manifests of this repository.
func (v view) held(yield func(string, registry.RawManifest) bool) {
	for digest, m := range v.store.Manifests {
		if v.isIn(v.repository, digest) && !yield(digest, m) {
			return
		}
	}
}

// named are the tags of this repository and their digests.
func (v view) named(yield func(tag, digest string) bool) {
	for name, digest := range v.store.Tags {
		if tag, ok := strings.CutPrefix(name, v.repository.String()+":"); ok && !yield(tag, digest) {
			return
		}
	}
}

// exists reports whether the repository has anything.
func (v view) exists() bool {
	for range v.named {
		return true
	}
	for range v.held {
		return true
	}
	return false
}

func (v view) has(digest string) bool {
	_, ok := v.store.Manifests[digest]
	return ok && v.isIn(v.repository, digest)
}

// digest is what a reference names.
func (v view) digest(reference string) (string, error) {
	v.Asked = append(v.Asked, v.repository.Path+" "+reference)
	if err := v.Broken[reference]; err != nil {
		return "", err
	}
	if strings.Contains(reference, ":") {
		if v.has(reference) {
			return reference, nil
		}
		return "", absentError(reference)
	}
	if d := v.store.Tags[v.repository.String()+":"+reference]; d != "" {
		return d, nil
	}
	return "", absentError(reference)
}

func absentError(reference string) error {
	return fmt.Errorf("%s: %w", reference, registry.ErrNotFound)
}

// each answers every question of a batch, and none once the context is
// cancelled.
func each[T any](ctx context.Context, v view, references []string, answer func(string) (T, error)) []registry.Answer[T] {
	v.Lock()
	defer v.Unlock()
	answers := make([]registry.Answer[T], len(references))
	for i, r := range references {
		if answers[i].Err = ctx.Err(); answers[i].Err == nil {
			answers[i].Value, answers[i].Err = answer(r)
		}
	}
	return answers
}

func (v view) Resolve(ctx context.Context, tags []string) []registry.Answer[registry.Descriptor] {
	return each(ctx, v, tags, func(tag string) (registry.Descriptor, error) {
		d, err := v.digest(tag)
		return registry.Descriptor{Digest: d, MediaType: v.says(v.store.Manifests[d].MediaType), Archived: d == v.Archived && d != ""}, err
	})
}

// says is a media type as the registry tells it.
func (m *Memory) says(mediaType string) string {
	if m.Untyped {
		return ""
	}
	return mediaType
}

func (v view) Listed() bool { return v.store.Listed }

func (v view) Manifests(ctx context.Context, references []string) []registry.Answer[registry.RawManifest] {
	return each(ctx, v, references, func(r string) (registry.RawManifest, error) {
		d, err := v.digest(r)
		return v.store.Manifests[d], err
	})
}

func (v view) Configs(ctx context.Context, digests []string) []registry.Answer[[]byte] {
	return each(ctx, v, digests, func(d string) ([]byte, error) {
		v.Asked = append(v.Asked, "config")
		body, ok := v.Blobs[d]
		if err := v.Broken[d]; err != nil || ok && v.isIn(v.repository, d) {
			return body, err
		}
		return nil, absentError(d)
	})
}

// HasBlobs implements [registry.Reader].
func (v view) HasBlobs(ctx context.Context, digests []string) []registry.Answer[bool] {
	return each(ctx, v, digests, func(d string) (bool, error) {
		v.Asked = append(v.Asked, "blob")
		_, ok := v.Blobs[d]
		return ok && v.isIn(v.repository, d), v.Broken[d]
	})
}

func (m *Memory) now() time.Time {
	if m.Now.IsZero() {
		return time.Now()
	}
	return m.Now
}

// Inventory is there if the registry lists manifests.
func (v view) Inventory(ctx context.Context) (registry.Inventory, error) {
	v.Lock()
	defer v.Unlock()
	switch {
	case ctx.Err() != nil:
		return registry.Inventory{}, ctx.Err()
	case !v.store.Listed:
		return registry.Inventory{}, registry.ErrUnsupported
	case v.Broken["inventory"] != nil:
		return registry.Inventory{}, v.Broken["inventory"]
	case !v.exists():
		return registry.Inventory{}, fmt.Errorf("%s: %w: %w", v.repository, registry.ErrNotFound, registry.ErrNoRepository)
	}
	all := registry.Inventory{Now: v.now()}
	for digest, m := range v.held {
		stored := registry.StoredManifest{Pushed: v.Pushed[digest], LastPulled: v.Pulled[digest], Descriptor: registry.Descriptor{
			Digest: digest, MediaType: v.says(m.MediaType), Archived: digest == v.Archived,
		}}
		for tag, named := range v.named {
			if tag == v.Ghost {
				named = v.store.Tags[v.repository.String()+":4"]
			}
			if named == digest {
				stored.Tags = append(stored.Tags, tag)
			}
		}
		all.Manifests = append(all.Manifests, stored)
	}
	return all, nil
}

func (v view) Referrers(ctx context.Context, digest string) ([]registry.Descriptor, error) {
	v.Lock()
	defer v.Unlock()
	if err := cmp.Or(ctx.Err(), v.Broken["referrers"]); err != nil {
		return nil, err
	}
	var all []registry.Descriptor
	for d, m := range v.held {
		if r := v.References(d); r.Subject != nil && r.Subject.Digest == digest {
			all = append(all, registry.Descriptor{Digest: d, MediaType: m.MediaType, ArtifactType: r.ArtifactType})
		}
	}
	return all, nil
}

func (v view) Facts(ctx context.Context) (registry.Facts, error) {
	v.Lock()
	defer v.Unlock()
	if err := cmp.Or(ctx.Err(), v.Broken["facts"]); err != nil {
		return registry.Facts{}, err
	}
	facts := v.store.Facts
	facts.KeepsChildren = facts.KeepsChildren || v.keepsChildren()
	facts.Cascades = facts.Cascades || v.Cascades
	return facts, nil
}

func (v view) Tags(ctx context.Context) ([]string, error) {
	v.Lock()
	defer v.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	v.Asked = append(v.Asked, v.repository.Path+" tags")
	switch {
	case v.Broken["tags"] != nil:
		return nil, v.Broken["tags"]
	case !v.exists():
		return nil, fmt.Errorf("%s: %w: %w", v.repository, registry.ErrNotFound, registry.ErrNoRepository)
	}
	var tags []string
	for tag := range v.named {
		if tag != v.Hidden {
			tags = append(tags, tag)
		}
	}
	if v.Ghost != "" {
		tags = append(tags, v.Ghost)
	}
	return tags, nil
}

// Copy implements [registry.Writer].
func (v view) Copy(ctx context.Context, from config.Repository, digest string) error {
	v.Lock()
	defer v.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	return v.copy(view{store: v.store, repository: from}, digest)
}

func (v view) copy(from view, digest string) error {
	if !from.has(digest) {
		return absentError(from.repository.String() + "@" + digest)
	}
	r := v.References(digest)
	for _, child := range r.Manifests {
		if err := v.copy(from, child.Digest); err != nil {
			return err
		}
	}
	for _, blob := range append(r.Layers, r.Config) {
		if v.Blobs[blob.Digest] != nil {
			v.place(v.repository, blob.Digest)
		}
	}
	if !v.has(digest) {
		v.place(v.repository, digest)
	}
	return nil
}

func (v view) AtOnce() int { return 16 }

// Turn implements [registry.Writer].
func (v view) Turn(ctx context.Context) (func(), error) { return func() {}, ctx.Err() }

// Put implements [registry.Writer].
func (v view) Put(ctx context.Context, pushes []registry.TaggedManifest) []error {
	v.Lock()
	defer v.Unlock()
	errs := make([]error, len(pushes))
	for i, p := range pushes {
		if errs[i] = cmp.Or(ctx.Err(), v.Broken["PUT "+cmp.Or(p.Tag, p.Manifest.Digest)]); errs[i] == nil {
			errs[i] = v.put(p)
		}
	}
	return errs
}

func (v view) put(p registry.TaggedManifest) error {
	var index References
	if err := json.Unmarshal(p.Manifest.Body, &index); err != nil {
		return err
	}
	for _, child := range index.Manifests {
		if !v.has(child.Digest) && !slices.Contains(v.Dropped, child.Digest) { // zot asks for the blob, which stays
			return fmt.Errorf("child %s is missing", child.Digest)
		}
	}
	if !v.has(p.Manifest.Digest) {
		v.store.Manifests[p.Manifest.Digest] = p.Manifest
		v.place(v.repository, p.Manifest.Digest)
		v.Pushed[p.Manifest.Digest] = v.now()
	}
	if p.Tag != "" {
		name := v.repository.String() + ":" + p.Tag
		old := v.store.Tags[name]
		v.store.Tags[name] = p.Manifest.Digest
		v.drop(old)
	}
	v.Puts = append(v.Puts, p.Tag+" "+p.Manifest.Digest)
	return nil
}

// DeleteTags deletes a manifest with its last tag where Facts say so.
func (v view) DeleteTags(ctx context.Context, tags []registry.TagDigest) []error {
	v.Lock()
	defer v.Unlock()
	errs := make([]error, len(tags))
	whole := map[string]error{}
	for i, t := range tags {
		if err, done := whole[t.Digest]; done {
			errs[i] = err
			continue
		}
		digest := ""
		if errs[i] = ctx.Err(); errs[i] == nil {
			digest, errs[i] = v.digest(t.Tag)
		}
		if errs[i] = cmp.Or(errs[i], v.Broken["DELETE "+t.Tag]); errs[i] != nil {
			continue
		}
		name := v.repository.String() + ":" + t.Tag
		if digest != t.Digest {
			errs[i] = fmt.Errorf("%s: %w", name, &registry.MovedError{Now: digest})
		} else if v.store.Facts.NoUntag {
			errs[i] = v.deleteWhole(digest, tags)
			whole[digest] = errs[i]
		} else if v.store.Facts.LastTag && v.tagsOf(digest) == 1 {
			errs[i] = v.delete(digest)
		} else {
			delete(v.store.Tags, name)
			v.drop(digest)
		}
	}
	return errs
}

// deleteWhole deletes a manifest with its tags, if all of them are to go.
func (v view) deleteWhole(digest string, tags []registry.TagDigest) error {
	of := 0
	for _, t := range tags {
		if t.Digest == digest {
			of++
		}
	}
	all := 0
	for range v.named {
		all++
	}
	switch left := v.tagsOf(digest); {
	case left > of:
		return registry.ErrUnsupported
	case left == all:
		return fmt.Errorf("%s is the last manifest with a tag", digest)
	}
	return v.delete(digest)
}

// drop deletes what no tag names any more, where Drops says so.
func (v view) drop(digest string) {
	if v.Drops && digest != "" && v.tagsOf(digest) == 0 {
		v.remove(digest)
		v.Dropped = append(v.Dropped, digest)
	}
}

func (v view) tagsOf(digest string) int {
	n := 0
	for _, named := range v.named {
		if named == digest {
			n++
		}
	}
	return n
}

// Deletes implements [registry.Writer]. Broken has it as "DELETE".
func (v view) Deletes(context.Context) error {
	v.Lock()
	defer v.Unlock()
	return v.Broken["DELETE"]
}

// DeleteManifests refuses what an index lists, or another tag names, where the
// registry lists manifests.
func (v view) DeleteManifests(ctx context.Context, due []registry.Removal) []error {
	v.Lock()
	defer v.Unlock()
	errs := make([]error, len(due))
	for i, r := range due {
		digest := r.Digest
		if errs[i] = cmp.Or(ctx.Err(), v.Broken["DELETE"], v.Broken["DELETE "+digest], v.protected(r)); errs[i] == nil {
			if errs[i] = v.delete(digest); errs[i] == nil {
				v.Deleted = append(v.Deleted, digest)
			}
		}
	}
	return errs
}

// protected returns an error if a manifest has a tag that may not go with it.
func (v view) protected(r registry.Removal) error {
	var others []string
	for tag, digest := range v.named {
		if v.store.Listed && digest == r.Digest && !slices.Contains(r.Tags, tag) {
			others = append(others, tag)
		}
	}
	if slices.Sort(others); len(others) > 0 {
		return &registry.TaggedError{Tags: others}
	}
	return nil
}

// keepsChildren: GitHub, which has no untagging, lists manifests and keeps none.
func (m *Memory) keepsChildren() bool { return m.Listed && !m.Facts.NoUntag }

// delete removes a manifest from the repository, with its tags.
func (v view) delete(digest string) error {
	if v.keepsChildren() {
		for parent := range v.held {
			for _, child := range v.References(parent).Manifests {
				if child.Digest == digest {
					return fmt.Errorf("referenced by %s", parent)
				}
			}
		}
	}
	below := v.References(digest).Manifests
	v.remove(digest)
	maps.DeleteFunc(v.store.Tags, func(name, named string) bool {
		return named == digest && strings.HasPrefix(name, v.repository.String()+":")
	})
	for other := range v.held {
		r := v.References(other)
		if (v.Cascades || v.store.Facts.TakesReferrers) && r.Subject != nil && r.Subject.Digest == digest {
			_ = v.delete(other) // an index that lists it keeps it
		}
	}
	if !v.Cascades {
		return nil
	}
	for _, child := range below {
		if v.has(child.Digest) && v.tagsOf(child.Digest) == 0 {
			_ = v.delete(child.Digest)
		}
	}
	return nil
}

// remove deletes a manifest and leaves its tags.
func (v view) remove(digest string) {
	delete(v.placed[digest], v.repository)
	if len(v.placed[digest]) == 0 {
		delete(v.placed, digest)
		delete(v.store.Manifests, digest)
	}
}

func digestOf(body []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(body)) }
