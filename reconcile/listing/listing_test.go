package listing_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"tagline/config"
	"tagline/reconcile/listing"
	"tagline/reconcile/registry"
	"tagline/reconcile/registry/registrytest"
)

// api lists what a memory holds, so many manifests a page.
type api struct {
	*registrytest.Memory
	page    int
	known   bool // how many pages are left
	asked   int
	between func(page int) // happens after a page
	err     error
}

func (a *api) Facts(context.Context) (registry.Facts, error) {
	return registry.Facts{Tags: registry.Mutability{Immutable: true}}, nil
}

func (a *api) manifests() []registry.StoredManifest {
	var all []registry.StoredManifest
	for digest, m := range a.Manifests {
		var tags []string
		for name, of := range a.Tags {
			if of == digest {
				tags = append(tags, name[strings.LastIndexByte(name, ':')+1:])
			}
		}
		slices.Sort(tags)
		all = append(all, registry.StoredManifest{Descriptor: registry.Descriptor{Digest: digest, MediaType: m.MediaType}, Tags: tags})
	}
	slices.SortFunc(all, func(a, b registry.StoredManifest) int { return strings.Compare(b.Digest, a.Digest) })
	return all
}

func (a *api) Pages(context.Context) iter.Seq2[listing.Page, error] {
	return func(yield func(listing.Page, error) bool) {
		for n := 0; ; n++ {
			if a.asked++; a.err != nil {
				yield(listing.Page{}, a.err)
				return
			}
			all := a.manifests()
			from, to := min(n*a.page, len(all)), min((n+1)*a.page, len(all))
			left := -1
			if a.known || to == len(all) {
				left = (len(all) - to + a.page - 1) / a.page
			}
			if !yield(listing.Page{Manifests: all[from:to], Left: left}, nil) || to == len(all) {
				return
			}
			if a.between != nil {
				a.between(n)
			}
		}
	}
}

func push(m *registrytest.Memory, tag string) {
	body := fmt.Sprintf(`{"schemaVersion":2,"name":%q}`, tag)
	d := digest.FromString(body).String()
	m.Manifests[d] = registry.RawManifest{Digest: d, MediaType: "application/vnd.oci.image.manifest.v1+json", Body: []byte(body)}
	m.Tags["r.test/app:"+tag] = d
}

func open(tags, page int) (*api, *listing.Reader, []string) {
	a := &api{Memory: registrytest.NewMemory(), page: page}
	var names []string
	for i := range tags {
		names = append(names, fmt.Sprintf("1.%d", i))
		push(a.Memory, names[i])
	}
	repository := config.Repository{Host: "r.test", Path: "app"}
	return a, listing.NewReader(repository.String(), a.Reader(repository), a, slog.New(slog.DiscardHandler)), names
}

func TestResolveListsWhereThatIsLess(t *testing.T) {
	for name, test := range map[string]struct {
		manifests, page, ask int
		known                bool
		pages                int // of the listing
	}{
		"all on one page":               {5, 100, 5, false, 1},
		"one tag is one request":        {5, 100, 1, false, 0},
		"more pages than tags":          {50, 10, 3, true, 1},
		"as many pages as it takes":     {50, 10, 20, true, 6}, // the first one twice
		"until there are too many":      {50, 10, 3, false, 3},
		"the count of pages is unknown": {50, 10, 20, false, 6},
	} {
		t.Run(name, func(t *testing.T) {
			a, r, tags := open(test.manifests, test.page)
			a.known = test.known
			ask := append(slices.Clone(tags[:test.ask-1]), "none")
			for i, answer := range r.Resolve(t.Context(), ask) {
				switch d, ok := a.Tags["r.test/app:"+ask[i]]; {
				case !ok && !errors.Is(answer.Err, registry.ErrNotFound):
					t.Errorf("%s: got %+v", ask[i], answer)
				case ok && answer.Value.Digest != d:
					t.Errorf("%s: got %+v, want %s", ask[i], answer, d)
				}
			}
			if a.asked != test.pages {
				t.Errorf("%d pages were read, want %d", a.asked, test.pages)
			}
			before := a.asked
			r.Resolve(t.Context(), ask)
			if a.asked != before {
				t.Errorf("the same question again read %d pages", a.asked-before)
			}
		})
	}
}

// lags lists a tag only after a while.
type lags struct {
	*api
	without string
}

func (l lags) Pages(ctx context.Context) iter.Seq2[listing.Page, error] {
	return func(yield func(listing.Page, error) bool) {
		for p, err := range l.api.Pages(ctx) {
			p.Manifests = slices.DeleteFunc(p.Manifests, func(m registry.StoredManifest) bool { return slices.Contains(m.Tags, l.without) })
			if !yield(p, err) {
				return
			}
		}
	}
}

// counted counts what the OCI protocol is asked.
type counted struct {
	registry.Reader
	asked []string
}

func (c *counted) Resolve(ctx context.Context, references []string) []registry.Answer[registry.Descriptor] {
	c.asked = append(c.asked, references...)
	return c.Reader.Resolve(ctx, references)
}

// A tag that a listing lacks may exist: the OCI protocol says whether it does, once.
func TestListingLags(t *testing.T) {
	a, _, tags := open(5, 100)
	over := &counted{Reader: a.Reader(config.Repository{Host: "r.test", Path: "app"})}
	r := listing.NewReader("r.test/app", over, lags{a, "1.2"}, slog.New(slog.DiscardHandler))
	signature := registry.FallbackTag(a.Tags["r.test/app:1.1"]) + ".sig"
	ask := append(slices.Clone(tags), "none", signature)
	for range 2 {
		for i, answer := range r.Resolve(t.Context(), ask) {
			if want := a.Tags["r.test/app:"+ask[i]]; answer.Value.Digest != want || errors.Is(answer.Err, registry.ErrNotFound) != (want == "") {
				t.Errorf("%s: got %+v, want %q", ask[i], answer, want)
			}
		}
	}
	if !slices.Equal(over.asked, []string{"1.2", "none"}) {
		t.Errorf("the OCI protocol was asked for %q", over.asked)
	}
	a.Broken["other"] = errors.New("503")
	if answer := r.Resolve(t.Context(), []string{"other"})[0]; answer.Err == nil || errors.Is(answer.Err, registry.ErrNotFound) {
		t.Errorf("what can't be asked for: %+v", answer)
	}
}

// Where the API refuses, tags are asked for by the OCI protocol. Deletions wait.
func TestListingRefused(t *testing.T) {
	a, r, tags := open(3, 10)
	a.err = errors.New("403 Forbidden: no permission to list")
	for i, answer := range r.Resolve(t.Context(), tags) {
		if answer.Err != nil {
			t.Errorf("%s: %v", tags[i], answer.Err)
		}
	}
	if got, err := r.Tags(t.Context()); err != nil || len(got) != 3 {
		t.Errorf("tags are %v, %v", got, err)
	}
	if _, err := r.Inventory(t.Context()); err == nil || !strings.Contains(err.Error(), "no permission to list") {
		t.Errorf("inventory: %v", err)
	}
}

// An API that knows no such repository is not believed where there are tags.
func TestListingOfNoRepository(t *testing.T) {
	for tags, absent := range map[int]bool{0: true, 3: false} {
		a, r, _ := open(tags, 10)
		a.err = registry.ErrNotFound
		if _, err := r.Inventory(t.Context()); err == nil || errors.Is(err, registry.ErrNotFound) != absent {
			t.Errorf("with %d tags: %v", tags, err)
		}
	}
}

// A listing that changes under the reader is read again, and not believed.
func TestTornListing(t *testing.T) {
	for name, change := range map[string]struct {
		once bool
		do   func(*api)
	}{
		"a push between two pages":       {true, func(a *api) { push(a.Memory, fmt.Sprint("new-", len(a.Tags))) }},
		"pushes that never end":          {false, func(a *api) { push(a.Memory, fmt.Sprint("new-", len(a.Tags))) }},
		"a tag that moves to a new page": {true, func(a *api) { a.Tags["r.test/app:1.0"] = a.Tags["r.test/app:1.29"] }},
	} {
		t.Run(name, func(t *testing.T) {
			a, r, _ := open(30, 10)
			happened := false
			a.between = func(int) {
				if !happened || !change.once {
					happened = true
					change.do(a)
				}
			}
			all, err := r.Inventory(t.Context())
			if !change.once {
				if err == nil || !strings.Contains(err.Error(), "run again") {
					t.Errorf("got %d manifests, %v", len(all.Manifests), err)
				}
				return
			}
			if err != nil || len(all.Manifests) != len(a.Manifests) {
				t.Fatalf("got %d manifests, %v; want %d", len(all.Manifests), err, len(a.Manifests))
			}
			for _, m := range all.Manifests {
				for _, tag := range m.Tags {
					if a.Tags["r.test/app:"+tag] != m.Digest {
						t.Errorf("tag %s is at %s", tag, m.Digest)
					}
				}
			}
		})
	}
}

// A listing that lacks what a tag names is not believed either.
func TestListingLacksATag(t *testing.T) {
	a, _, _ := open(3, 10)
	hidden := a.Tags["r.test/app:1.1"]
	lacking := &lacks{api: a, digest: hidden}
	r := listing.NewReader("r.test/app", a.Reader(config.Repository{Host: "r.test", Path: "app"}), lacking, slog.New(slog.DiscardHandler))
	if _, err := r.Inventory(t.Context()); err == nil || !strings.Contains(err.Error(), `only the list of tags has the tag "1.1"`) {
		t.Errorf("got %v", err)
	}
}

type lacks struct {
	*api
	digest string
}

func (l *lacks) Pages(ctx context.Context) iter.Seq2[listing.Page, error] {
	return func(yield func(listing.Page, error) bool) {
		for page, err := range l.api.Pages(ctx) {
			page.Manifests = slices.DeleteFunc(page.Manifests, func(m registry.StoredManifest) bool { return m.Digest == l.digest })
			if !yield(page, err) {
				return
			}
		}
	}
}

// prefaced asks for something else before it lists.
type prefaced struct{ *api }

func (p prefaced) Least() int { return 3 }

func (p prefaced) Pages(ctx context.Context) iter.Seq2[listing.Page, error] {
	return func(yield func(listing.Page, error) bool) {
		p.asked++
		if !yield(listing.Page{Left: 1}, nil) {
			return
		}
		for page, err := range p.api.Pages(ctx) {
			if !yield(page, err) {
				return
			}
		}
	}
}

// A page without manifests is a request, and no part of what must stay the same.
func TestPagesWithoutManifests(t *testing.T) {
	for name, test := range map[string]struct {
		page, ask int
		asked     int
	}{
		"fewer tags than the least":              {100, 3, 0},
		"more":                                   {100, 4, 2},
		"the first manifests are read again":     {2, 5, 1 + 3 + 1 + 1},
		"more pages than tags, from where it is": {1, 4, 1 + 3},
	} {
		t.Run(name, func(t *testing.T) {
			a, _, tags := open(5, test.page)
			repository := config.Repository{Host: "r.test", Path: "app"}
			r := listing.NewReader(repository.String(), a.Reader(repository), prefaced{a}, slog.New(slog.DiscardHandler))
			for i, answer := range r.Resolve(t.Context(), tags[:test.ask]) {
				if answer.Err != nil || answer.Value.Digest != a.Tags["r.test/app:"+tags[i]] {
					t.Errorf("%s: %+v", tags[i], answer)
				}
			}
			if a.asked != test.asked {
				t.Errorf("%d requests, want %d", a.asked, test.asked)
			}
		})
	}
	a, _, tags := open(5, 2)
	a.between = func(page int) {
		if page == 1 && a.asked < 6 {
			push(a.Memory, fmt.Sprint("new-", a.asked))
		}
	}
	repository := config.Repository{Host: "r.test", Path: "app"}
	all, err := listing.NewReader(repository.String(), a.Reader(repository), prefaced{a}, slog.New(slog.DiscardHandler)).Inventory(t.Context())
	if err != nil || len(all.Manifests) != len(a.Manifests) || len(all.Manifests) == len(tags) {
		t.Errorf("a push after a page: %d manifests of %d, %v", len(all.Manifests), len(a.Manifests), err)
	}
}
