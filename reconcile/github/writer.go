package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"tagline/reconcile/listing"
	"tagline/reconcile/oci"
	"tagline/reconcile/registry"
)

// writer writes one repository. GitHub's registry answers a DELETE of the OCI
// protocol with 405 (podman-container-tools/skopeo#1880); its API deletes
// versions.
type writer struct {
	registry.Writer // by the OCI protocol
	versions        *versions
}

// Deletes implements [registry.Writer]. The API deletes for whoever has a token;
// whether it may do so, no question tells.
func (w *writer) Deletes(ctx context.Context) error {
	_, err := w.versions.client.token(ctx)
	return err
}

// DeleteTags implements [registry.Writer]. A tag goes with its version, and only
// if that has no other tag that stays.
//
// Errors: registry.ErrUnsupported if the version has other tags.
func (w *writer) DeleteTags(ctx context.Context, tags []registry.TagDigest) []error {
	asked := map[string]string{}
	for _, t := range tags {
		asked[t.Tag] = t.Digest
	}
	errs := make([]error, len(tags))
	if len(tags) == 0 {
		return errs
	}
	versions, err := w.find(ctx, func(v version) bool {
		return slices.ContainsFunc(v.Metadata.Container.Tags, func(tag string) bool { return asked[tag] != "" })
	})
	outcome := map[string]error{} // by digest
	for i, t := range tags {
		errs[i] = err
		if err == nil {
			errs[i] = w.deleteTag(ctx, t, asked, versions, outcome)
		}
		if errs[i] != nil {
			errs[i] = fmt.Errorf("delete tag %s: %w", w.versions.repository.Reference(t.Tag), errs[i])
		}
	}
	registry.Forget(w.Writer)
	return errs
}

func (w *writer) deleteTag(ctx context.Context, t registry.TagDigest, asked map[string]string, versions []version, outcome map[string]error) error {
	at := slices.IndexFunc(versions, func(v version) bool { return slices.Contains(v.Metadata.Container.Tags, t.Tag) })
	if at < 0 {
		if err := t.Check(ctx, w); err != nil {
			return err
		}
		return errors.New("GitHub's API does not list it, and the registry has it; run again")
	}
	named := versions[at]
	if named.Name != t.Digest {
		return &registry.MovedError{Now: named.Name}
	}
	if known, done := outcome[named.Name]; done {
		return known
	}
	var others []string
	for _, tag := range named.Metadata.Container.Tags {
		if asked[tag] != named.Name {
			others = append(others, strconv.Quote(tag))
		}
	}
	if len(others) > 0 {
		return fmt.Errorf("%w: GitHub deletes a tag only with its manifest, which also has the tag %s", registry.ErrUnsupported, strings.Join(others, ", "))
	}
	err := w.deleteVersion(ctx, named, func(tags []string) error {
		if !sameTags(tags, named.Metadata.Container.Tags) {
			return errors.New("its manifest has got other tags meanwhile; run again")
		}
		return nil
	})
	outcome[named.Name] = err
	return err
}

// DeleteManifests implements [registry.Writer]. Each costs a GET, for its tags, and a
// DELETE.
func (w *writer) DeleteManifests(ctx context.Context, due []registry.Removal) []error {
	errs := make([]error, len(due))
	if len(due) == 0 {
		return errs
	}
	wanted := map[string]bool{}
	for _, r := range due {
		wanted[r.Digest] = true
	}
	versions, err := w.find(ctx, func(v version) bool { return wanted[v.Name] })
	outcome := map[string]error{}
	for i, r := range due {
		known, done := outcome[r.Digest]
		if !done {
			known = err
			at := slices.IndexFunc(versions, func(v version) bool { return v.Name == r.Digest })
			if err == nil && at >= 0 {
				known = w.deleteVersion(ctx, versions[at], func(tags []string) error { return r.Check(ctx, w, tags) })
			}
			if at < 0 && err == nil || errors.Is(known, registry.ErrNotFound) {
				known = w.unlisted(ctx, r.Digest)
			}
			outcome[r.Digest] = known
		}
		if errs[i] = known; known != nil {
			errs[i] = fmt.Errorf("delete %s: %w", w.versions.repository.Reference(r.Digest), known)
		}
	}
	registry.Forget(w.Writer)
	return errs
}

// unlisted is the outcome for what the API does not list: nil if the registry
// does not have it either.
func (w *writer) unlisted(ctx context.Context, digest string) error {
	switch now := w.Resolve(ctx, []string{digest})[0]; {
	case errors.Is(now.Err, registry.ErrNotFound):
		return nil
	case now.Err != nil:
		return now.Err
	}
	return errors.New("GitHub's API does not list it, and the registry has it; run again")
}

// find lists the versions, and returns some of them. A listing that changes under it
// is read again.
func (w *writer) find(ctx context.Context, wanted func(version) bool) (found []version, err error) {
	for range attempts {
		if found, err = w.findOnce(ctx, wanted); !errors.Is(err, listing.ErrTorn) {
			break
		}
	}
	return found, err
}

const attempts = 3

func (w *writer) findOnce(ctx context.Context, wanted func(version) bool) ([]version, error) {
	var found []version
	for p, err := range w.versions.pages(ctx) {
		if errors.Is(err, registry.ErrNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		for _, v := range p.versions {
			if wanted(v) {
				found = append(found, v)
			}
		}
	}
	return found, ctx.Err()
}

// deleteVersion deletes a version by its id. All of its tags go with it, so check is
// asked at the last moment whether they may. GitHub can't compare them in the
// deletion itself.
func (w *writer) deleteVersion(ctx context.Context, v version, check func(tags []string) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	address, err := w.address(v.ID)
	if err != nil {
		return err
	}
	unchanged := func(ctx context.Context) error {
		now, err := w.read(ctx, address)
		switch {
		case errors.Is(err, registry.ErrNotFound):
			return registry.ErrNotFound
		case err != nil:
			return err
		case now.ID != v.ID || now.Name != v.Name:
			return fmt.Errorf("%s is another version now; run again", address)
		}
		return check(now.Metadata.Container.Tags)
	}
	if err := unchanged(ctx); err != nil {
		return err
	}
	ctx = oci.Checked(ctx, strconv.FormatInt(v.ID, 10), unchanged)
	ctx, done := registry.Finishing(ctx)
	defer done()
	resp, err := w.versions.client.send(ctx, http.MethodDelete, address)
	if err == nil {
		return resp.Body.Close()
	}
	if errors.Is(err, registry.ErrNotFound) { // also the answer to who may not delete
		switch _, still := w.read(ctx, address); {
		case errors.Is(still, registry.ErrNotFound):
			return nil
		case still != nil:
			return still
		}
		err = oci.NewRefusal(http.StatusForbidden, "the deletion was answered with 404, and the version is there")
	}
	return w.versions.failure(fmt.Sprintf("delete version %d", v.ID), err)
}

func sameTags(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// read reads one version.
func (w *writer) read(ctx context.Context, address string) (version, error) {
	var now version
	if _, err := w.versions.client.get(ctx, address, &now); err != nil {
		return version{}, w.versions.failure("read a version", err)
	}
	if now.Metadata.Container == nil {
		return version{}, fmt.Errorf("%s: the answer is no version of a container package", address)
	}
	return now, nil
}

// address is that of a version of a package that was listed.
func (w *writer) address(id int64) (string, error) {
	owner, _, _ := strings.Cut(w.versions.repository.Path, "/")
	base, ok := w.versions.client.owners.Load(owner)
	if !ok {
		return "", errors.New("the owner of the package is not known")
	}
	list, _, _ := strings.Cut(w.versions.path(base.(string)), "?")
	return fmt.Sprintf("%s/%d", list, id), nil
}
