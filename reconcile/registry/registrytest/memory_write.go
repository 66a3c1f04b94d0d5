package registrytest

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"tagline/config"
	"tagline/reconcile/registry"
)

// Put puts any index under a tag of the repository app of [Host], and returns
// its digest.
func (m *Memory) Put(tag, body string) string {
	d := digestOf([]byte(body))
	m.Manifests[d] = registry.RawManifest{Digest: d, MediaType: ociIndex, Body: []byte(body)}
	m.place(config.Repository{Host: Host, Path: "app"}, d)
	m.Tags[Host+"/app:"+tag] = d
	return d
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
