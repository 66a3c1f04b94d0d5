package registrytest

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"tagline/reconcile/registry"
)

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
