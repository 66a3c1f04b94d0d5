// Package harbor reads and writes Harbor, whose API lists the artifacts of a
// repository with their tags, and deletes both. All else is the OCI protocol.
//
// A listing has pages by number, so what happens between two of them moves what
// follows. A push changes the first page, which is read again. A deletion changes
// the number of artifacts, which each page states (X-Total-Count); it must be the
// same on all, and that of the artifacts that were read.
//
// File names in comments are those of goharbor/harbor.
package harbor

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"tagline/config"
	"tagline/reconcile/listing"
	"tagline/reconcile/oci"
	"tagline/reconcile/registry"
)

// Client reads and writes registries that are Harbor.
type Client struct {
	over *oci.Client
	log  *slog.Logger
}

// New returns a client that speaks the OCI protocol by over.
func New(over *oci.Client, log *slog.Logger) *Client { return &Client{over, log} }

// Reader opens a repository for reading. It asks nothing yet.
func (c *Client) Reader(repository config.Repository, over registry.Reader) registry.Reader {
	return listing.NewReader(repository.String(), over, &artifacts{client: c, repository: repository, over: over}, c.log)
}

// Writer opens a repository for writing. It asks nothing yet.
func (c *Client) Writer(repository config.Repository, over registry.Writer) registry.Writer {
	return &writer{over, &artifacts{client: c, repository: repository, over: over}}
}

// artifacts are the manifests of one repository.
type artifacts struct {
	client     *Client
	repository config.Repository
	over       tags

	mu    sync.Mutex
	fixed []string // tags that can't be moved
	whole bool     // fixed has all of them
}

type tags interface {
	Tags(ctx context.Context) ([]string, error)
}

// artifact is a manifest (api/v2.0/swagger.yaml, definition Artifact). Its size is
// that of the layers too.
type artifact struct {
	Digest     string
	MediaType  string    `json:"manifest_media_type"`
	Pushed     time.Time `json:"push_time"`
	Pulled     time.Time `json:"pull_time"` // the year 1 if it never was
	Tags       []tag
	References []struct {
		Digest string `json:"child_digest"`
	}
	Accessories []struct { // signatures, SBOMs and other referrers
		Digest string
		Pushed time.Time `json:"creation_time"`
	}
}

type tag struct {
	Name      string
	Immutable bool
}

// Queries for a listing (src/pkg/artifact/dao/dao.go, setBaseQuery, setTagQuery).
// Without one, the listing lacks what an index lists and no tag names.
const (
	everything = "base=*"
	onlyTagged = "tags=*"
)

// pageSize is the largest that Harbor has (goharbor/harbor#13765).
const pageSize = 100

// page is a page of a listing.
type page struct {
	artifacts []artifact
	left      int // pages after this one, 0 for the last
	now       time.Time
}

// pages lists the artifacts that a query selects.
//
// Accessories take room on a page and are left out of it (src/controller/artifact/
// controller.go, List), so a page can have less than pageSize artifacts, or none,
// though others follow. Their total ends a listing, and no Link.
func (a *artifacts) pages(ctx context.Context, query string) iter.Seq2[page, error] {
	return func(yield func(page, error) bool) {
		total, read, empty := 0, 0, 0
		for n := 1; ; n++ {
			p, all, err := a.page(ctx, query, n)
			switch {
			case err != nil:
			case n == 1:
				total = all
			case all != total:
				err = fmt.Errorf("%s: %w: it had %d artifacts, and then %d", a.repository, listing.ErrTorn, total, all)
			}
			read += len(p.artifacts)
			if empty++; len(p.artifacts) > 0 {
				empty = 0
			}
			if err == nil && (read > total || empty > mostEmpty && n*pageSize > total) {
				err = fmt.Errorf("%s: %w: %d artifacts were read of %d", a.repository, listing.ErrTorn, read, total)
			}
			p.left = (total - read + pageSize - 1) / pageSize
			if !yield(p, err) || err != nil || p.left == 0 {
				return
			}
		}
	}
}

// mostEmpty is how many pages of accessories alone are read in a row.
const mostEmpty = 10

func (a *artifacts) page(ctx context.Context, query string, n int) (p page, total int, err error) {
	header, err := a.get(ctx, toList, "artifacts?q="+query+"&page="+strconv.Itoa(n)+"&page_size="+strconv.Itoa(pageSize)+with, &p.artifacts)
	if err != nil {
		return page{}, 0, err
	}
	if total, err = strconv.Atoi(header.Get("X-Total-Count")); err != nil || total < 0 {
		return page{}, 0, fmt.Errorf("%s: the listing does not say how many artifacts there are (X-Total-Count), so this is no Harbor", a.repository)
	}
	for i, one := range p.artifacts {
		if err := one.check(); err != nil {
			return page{}, 0, fmt.Errorf("%s: artifact %d of page %d: %w", a.repository, i+1, n, err)
		}
	}
	p.now, _ = http.ParseTime(header.Get("Date"))
	return p, total, nil
}

const with = "&with_tag=true&with_immutable_status=true&with_accessory=true"

// check returns an error for an artifact that can't be relied on.
func (one *artifact) check() error {
	digests := []string{one.Digest}
	for _, child := range one.References {
		digests = append(digests, child.Digest)
	}
	for _, accessory := range one.Accessories {
		digests = append(digests, accessory.Digest)
	}
	for _, text := range digests {
		if err := digest.Digest(text).Validate(); err != nil {
			return fmt.Errorf("%q: %w", text, err)
		}
	}
	return nil
}

func (one *artifact) stored() registry.StoredManifest {
	m := registry.StoredManifest{
		Descriptor: registry.Descriptor{Digest: one.Digest, MediaType: one.MediaType},
		Pushed:     one.Pushed, LastPulled: one.Pulled,
	}
	for _, t := range one.Tags {
		m.Tags = append(m.Tags, t.Name)
	}
	return m
}

func (one *artifact) fixed() (names []string) {
	for _, t := range one.Tags {
		if t.Immutable {
			names = append(names, t.Name)
		}
	}
	return names
}

// Pages implements [listing.API].
func (a *artifacts) Pages(ctx context.Context) iter.Seq2[listing.Page, error] {
	return func(yield func(listing.Page, error) bool) {
		all := found{listed: map[string]bool{}, tags: map[string]bool{}, pushed: map[string]time.Time{}}
		for p, err := range a.pages(ctx, everything) {
			if err != nil {
				yield(listing.Page{}, err)
				return
			}
			listed := listing.Page{Left: p.left, Now: p.now}
			for _, one := range p.artifacts {
				if twice := all.add(one); twice != "" { // it has moved between two pages
					yield(listing.Page{}, fmt.Errorf("%s: %w: tag %q is on two of them", a.repository, listing.ErrTorn, twice))
					return
				}
				listed.Manifests = append(listed.Manifests, one.stored())
			}
			if p.left == 0 && len(all.hidden()) > 0 {
				listed.Left = 1 // the list of tags, at least
			}
			if p.left == 0 && len(all.listed) == 0 { // or there is no such repository
				if _, err := a.over.Tags(ctx); err != nil {
					yield(listing.Page{}, err)
					return
				}
			}
			if !yield(listed, nil) {
				return
			}
		}
		for p, err := range a.accessories(ctx, &all) {
			if !yield(p, err) || err != nil {
				return
			}
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		a.fixed, a.whole = all.fixed, true
	}
}

// found is what a listing has and mentions.
type found struct {
	listed map[string]bool // digests
	tags   map[string]bool
	fixed  []string             // tags
	pushed map[string]time.Time // when what is mentioned was pushed, by digest; zero if that is not known
}

// add notes an artifact, and returns a tag that another one has.
func (f *found) add(one artifact) (twice string) {
	f.listed[one.Digest] = true
	for _, t := range one.Tags {
		if f.tags[t.Name] {
			twice = t.Name
		}
		f.tags[t.Name] = true
	}
	f.fixed = append(f.fixed, one.fixed()...)
	for _, child := range one.References {
		if _, known := f.pushed[child.Digest]; !known { // a listed child says it, an accessory its subject
			f.pushed[child.Digest] = time.Time{}
		}
	}
	for _, accessory := range one.Accessories {
		f.pushed[accessory.Digest] = accessory.Pushed
	}
	return twice
}

// hidden are the digests that are mentioned and not listed.
func (f *found) hidden() (digests []string) {
	for digest := range f.pushed {
		if !f.listed[digest] {
			digests = append(digests, digest)
		}
	}
	slices.Sort(digests)
	return digests
}

// atOnce is how many artifacts are asked for at the same time.
const atOnce = 16

// accessories are the artifacts that no listing has, since they are accessories of
// others. Those with tags are asked for by them, such as cosign's signatures: the
// list of tags has them all (src/server/registry/tag.go). Of the others, Harbor
// says no media type.
func (a *artifacts) accessories(ctx context.Context, all *found) iter.Seq2[listing.Page, error] {
	return func(yield func(listing.Page, error) bool) {
		if len(all.hidden()) == 0 {
			return
		}
		names, err := a.over.Tags(ctx)
		if err != nil && !errors.Is(err, registry.ErrNotFound) {
			yield(listing.Page{}, err)
			return
		}
		names = slices.DeleteFunc(names, func(name string) bool { return all.tags[name] })
		if !yield(listing.Page{Left: len(names)}, nil) {
			return
		}
		left := len(names)
		for part := range slices.Chunk(names, atOnce) {
			asked := make([]artifact, len(part))
			var group errgroup.Group
			for i, name := range part {
				group.Go(func() error {
					_, err := a.get(ctx, toRead, "artifacts/"+name+"?"+with[1:], &asked[i])
					if err != nil {
						return err
					}
					return asked[i].check()
				})
			}
			if err := group.Wait(); err != nil {
				if errors.Is(err, registry.ErrNotFound) {
					err = fmt.Errorf("%s: %w: %w", a.repository, listing.ErrTorn, err)
				}
				yield(listing.Page{}, err)
				return
			}
			for _, one := range asked {
				left--
				var p listing.Page
				if !all.listed[one.Digest] { // two tags may name it
					all.add(one)
					p.Manifests = append(p.Manifests, one.stored())
				}
				if p.Left = left; !yield(p, nil) {
					return
				}
			}
		}
		var rest listing.Page
		for _, digest := range all.hidden() {
			rest.Manifests = append(rest.Manifests, registry.StoredManifest{Descriptor: registry.Descriptor{Digest: digest}, Pushed: all.pushed[digest]})
		}
		yield(rest, nil)
	}
}

// Facts has the tags that can't be moved, and what Harbor always does. It deletes
// no artifact that another one lists, and with an artifact its accessories and
// what only it lists, unless that has a tag (src/controller/artifact/controller.go,
// deleteDeeply).
func (a *artifacts) Facts(ctx context.Context) (registry.Facts, error) {
	facts := registry.Facts{KeepsChildren: true, Cascades: true}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.whole {
		fixed, err := a.immutable(ctx)
		switch {
		case isRefused(err):
			a.client.log.DebugContext(ctx, "whether tags are immutable is not known", "repository", a.repository.String(), "reason", err.Error())
			return facts, nil // a push will tell
		case err != nil:
			return registry.Facts{}, err
		}
		a.fixed, a.whole = fixed, true
	}
	facts.Tags.Except = slices.Clone(a.fixed)
	return facts, nil
}

// attempts is how often tags are read that change under the reader.
const attempts = 3

// immutable returns the tags that can't be moved.
func (a *artifacts) immutable(ctx context.Context) (fixed []string, err error) {
	for range attempts {
		fixed, err = nil, nil
		for p, failed := range a.pages(ctx, onlyTagged) {
			err = failed
			for _, one := range p.artifacts {
				fixed = append(fixed, one.fixed()...)
			}
		}
		if !errors.Is(err, listing.ErrTorn) {
			break
		}
	}
	return fixed, err
}
