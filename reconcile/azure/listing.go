package azure

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	"tagline/reconcile/listing"
	"tagline/reconcile/oci"
	"tagline/reconcile/registry"
)

// What follows are the parts of the answers that are read (azure-rest-api-specs,
// data-plane/Azure.ContainerRegistry, stable/2021-07-01, definitions
// RepositoryAttributes, TagAttributesBase and ManifestAttributesBase).

// locks are changeableAttributes. What is not said is allowed.
type locks struct {
	Delete *bool `json:"deleteEnabled"`
	Write  *bool `json:"writeEnabled"`
}

// writable reports whether a push may change it.
func (l locks) writable() bool { return l.Write == nil || *l.Write }

// deletable reports whether it can be deleted: writeEnabled forbids that too
// (Azure/acr#561).
func (l locks) deletable() bool { return l.writable() && (l.Delete == nil || *l.Delete) }

type attributes struct {
	Manifests int   `json:"manifestCount"`
	Tags      int   `json:"tagCount"`
	Locks     locks `json:"changeableAttributes"`
}

type tag struct {
	Name   string `json:"name"`
	Digest string `json:"digest"`
	Locks  locks  `json:"changeableAttributes"`
}

type manifest struct {
	Digest    string    `json:"digest"`
	MediaType string    `json:"mediaType"`
	Created   time.Time `json:"createdTime"`
	Tags      []string  `json:"tags"` // some of them
}

// lists implements [listing.API].
type lists struct {
	*api
	over registry.Reader
}

// pageSize is the most that the service puts on a page (Azure/acr#749).
const pageSize = 1000

// Least counts the token, the repository, its tags and its manifests.
func (l *lists) Least() int { return 4 }

func (a *api) attributes(ctx context.Context) (attributes, http.Header, error) {
	var all attributes
	header, err := a.ask(ctx, http.MethodGet, "", metadataRead, "attributes of "+a.repository.String(), &all)
	return all, header, err
}

// pages follows a list. Its order and its parameters are those of the
// specification: "last" is the last item of the page before, and Link says whether
// there is more.
func pages[T any](ctx context.Context, a *api, list, query, subject string, items func(*T) int) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		last, seen := "", map[string]bool{}
		for {
			path := fmt.Sprintf("/%s?n=%d%s", list, pageSize, query)
			if last != "" {
				path += "&last=" + url.QueryEscape(last)
			}
			page := new(T)
			header, err := a.ask(ctx, http.MethodGet, path, metadataRead, subject, page)
			if err != nil {
				yield(nil, err)
				return
			}
			last, err = next(header)
			if err == nil && last != "" && (seen[last] || items(page) == 0) {
				err = errors.New("its pages lead in a circle")
			}
			if err != nil {
				yield(nil, fmt.Errorf("%s: %w", subject, err))
				return
			}
			if seen[last] = true; !yield(page, nil) || last == "" {
				return
			}
		}
	}
}

// next returns where the page after this one begins, "" if there is none. The link
// is </acr/v1/NAME/_manifests?last=DIGEST&n=1&orderby=>; rel="next"
// (azure-sdk-for-js, container-registry, recordings). Its host is of no interest.
func next(header http.Header) (string, error) {
	link := header.Get("Link")
	if link == "" {
		return "", nil
	}
	u, err := url.Parse(oci.Links(header)["next"])
	if err != nil || u.Query().Get("last") == "" {
		return "", fmt.Errorf("the link to the next page is not understood: %q", link)
	}
	return u.Query().Get("last"), nil
}

// tagPages lists the tags by name, a page a step. query may select those of one
// manifest: "&digest=".
func (a *api) tagPages(ctx context.Context, query, subject string, into map[string]tag) iter.Seq2[int, error] {
	type page struct {
		Tags []tag `json:"tags"`
	}
	return func(yield func(int, error) bool) {
		for p, err := range pages(ctx, a, "_tags", query, subject, func(p *page) int { return len(p.Tags) }) {
			if err != nil {
				yield(0, err)
				return
			}
			for _, t := range p.Tags {
				into[t.Name] = t
			}
			if !yield(len(p.Tags), nil) {
				return
			}
		}
	}
}

func (a *api) allTags() string { return "tags of " + a.repository.String() }

// Pages implements [listing.API]. It asks for the repository, its tags and its
// manifests, in this order.
func (l *lists) Pages(ctx context.Context) iter.Seq2[listing.Page, error] {
	return func(yield func(listing.Page, error) bool) {
		if err := l.pages(ctx, func(p listing.Page) bool { return yield(p, nil) }); err != nil {
			yield(listing.Page{}, err)
		}
	}
}

func (l *lists) pages(ctx context.Context, yield func(listing.Page) bool) error {
	all, header, err := l.attributes(ctx)
	if err != nil {
		return err
	}
	requests := func(items int) int { return max(1, (items+pageSize-1)/pageSize) }
	left := requests(all.Tags) + requests(all.Manifests)
	now, _ := http.ParseTime(header.Get("Date"))
	if !yield(listing.Page{Left: left, Now: now}) {
		return nil
	}
	tags := map[string]tag{}
	for _, err := range l.tagPages(ctx, "", l.allTags(), tags) {
		if err != nil {
			return err
		}
		if left = max(left-1, 1); !yield(listing.Page{Left: left}) {
			return nil
		}
	}
	l.keep(all, tags)
	return l.manifests(ctx, all, tags, left, yield)
}

// manifests lists the manifests with their tags, the last updated first.
func (l *lists) manifests(ctx context.Context, all attributes, tags map[string]tag, left int, yield func(listing.Page) bool) error {
	named := map[string][]string{}
	for _, name := range slices.Sorted(maps.Keys(tags)) {
		named[tags[name].Digest] = append(named[tags[name].Digest], name)
	}
	listed, subject := 0, "manifests of "+l.repository.String()
	torn := func(format string, args ...any) error {
		return fmt.Errorf("%s: %w: %s", subject, listing.ErrTorn, fmt.Sprintf(format, args...))
	}
	type page struct {
		Manifests []manifest `json:"manifests"`
	}
	var held *listing.Page // is the last one unless another comes
	for p, err := range pages(ctx, l.api, "_manifests", "&orderby=timedesc", subject, func(p *page) int { return len(p.Manifests) }) {
		if err != nil {
			return err
		}
		if held != nil {
			if left = max(left-1, 1); !yield(listing.Page{Manifests: held.Manifests, Left: left}) {
				return nil
			}
		}
		held = &listing.Page{}
		for _, m := range p.Manifests {
			for _, name := range m.Tags {
				if tags[name].Digest != m.Digest {
					return torn("tag %q of %s is not, or not its, in the list of tags", name, m.Digest)
				}
			}
			held.Manifests = append(held.Manifests, registry.StoredManifest{
				// imageSize is that of the layers.
				Descriptor: registry.Descriptor{Digest: m.Digest, MediaType: m.MediaType},
				Tags:       named[m.Digest], Pushed: m.Created,
			})
			delete(named, m.Digest)
		}
		if listed += len(p.Manifests); listed > 0 {
			if err := l.mediaTypes(ctx, held.Manifests); err != nil {
				return err
			}
		}
	}
	for digest, names := range named {
		return torn("tag %q names %s, which is not listed", names[0], digest)
	}
	if listed < all.Manifests || len(tags) < all.Tags {
		return torn("%d of %d manifests and %d of %d tags are listed; listEnabled may hide the others, and nothing is told without them",
			listed, all.Manifests, len(tags), all.Tags)
	}
	yield(*held)
	return nil
}

// mediaTypes asks the OCI protocol for those that the list lacks: examples of the
// specification have none.
func (l *lists) mediaTypes(ctx context.Context, manifests []registry.StoredManifest) error {
	var at []int
	var digests []string
	for i, m := range manifests {
		if m.MediaType == "" {
			at, digests = append(at, i), append(digests, m.Digest)
		}
	}
	for i, answer := range l.over.Resolve(ctx, digests) {
		if answer.Err != nil {
			return fmt.Errorf("a media type that the list of manifests lacks: %w", answer.Err)
		}
		manifests[at[i]].MediaType = answer.Value.MediaType
	}
	return nil
}

func (a *api) keep(all attributes, tags map[string]tag) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.known = &known{all, tags}
}

// Facts has what is locked, and that referrers go with a manifest (Azure/acr-cli,
// cmd/common/image_functions.go, which leaves them to the service). Where the
// credentials may not read what is locked, the first push of a locked tag is refused.
func (l *lists) Facts(ctx context.Context) (registry.Facts, error) {
	known, err := l.locks(ctx)
	switch {
	case errors.Is(err, registry.ErrNotFound): // a push makes it
		return registry.Facts{TakesReferrers: true}, nil
	case isForbidden(err):
		l.mu.Lock()
		defer l.mu.Unlock()
		if !l.warned {
			l.warned = true
			l.log.WarnContext(ctx, "what is locked can't be read, so it is not known before a push", "repository", l.repository.String(), "error", err.Error())
		}
		return registry.Facts{TakesReferrers: true}, nil
	case err != nil:
		return registry.Facts{}, err
	}
	facts := registry.Facts{TakesReferrers: true, Locked: !known.attributes.Locks.writable()}
	facts.Tags.Immutable = facts.Locked
	for name, t := range known.tags {
		if !t.Locks.writable() {
			if facts.Tags.Locked == nil {
				facts.Tags.Locked = map[string]bool{}
			}
			facts.Tags.Locked[name] = true
		}
	}
	return facts, nil
}

// locks returns what a listing told, or else asks for it.
func (a *api) locks(ctx context.Context) (*known, error) {
	a.mu.Lock()
	told := a.known
	a.mu.Unlock()
	if told != nil && ctx.Err() == nil {
		return told, nil
	}
	all, _, err := a.attributes(ctx)
	if err != nil {
		return nil, err
	}
	tags := map[string]tag{}
	for _, err := range a.tagPages(ctx, "", a.allTags(), tags) {
		if err != nil {
			return nil, err
		}
	}
	a.keep(all, tags)
	return &known{all, tags}, nil
}
