// Package listing reads registries whose own API lists every manifest of a
// repository with its tags. What the API lacks is left to the OCI protocol.
//
// A kind of registry implements [API] in a few hundred lines; this package
// decides when a listing is read, and whether it can be believed.
package listing

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"sync"
	"time"

	"tagline/reconcile/registry"
)

// API is what a registry's own API says about one repository.
type API interface {
	// Pages lists every manifest, tagged or not, a page a request. It ends after
	// the first error.
	//
	// Errors: registry.ErrNotFound if there is no such repository. Other errors
	// say what is missing: a login, a permission, an answer.
	Pages(ctx context.Context) iter.Seq2[Page, error]
	// Facts is [registry.Reader.Facts].
	Facts(ctx context.Context) (registry.Facts, error)
}

// Page is a part of a listing. It has no manifests if its request asked for
// something else that the listing takes.
type Page struct {
	Manifests []registry.StoredManifest
	Left      int       // pages after this one, -1 if that is not known
	Now       time.Time // by the registry's clock
}

// Reader reads one repository. Its methods are safe for concurrent use.
type Reader struct {
	registry.Reader // by the OCI protocol
	api             API
	log             *slog.Logger
	name            string

	mu     sync.Mutex
	known  *registry.Inventory
	byRef  map[string]registry.Descriptor
	absent map[string]error // what the listing lacks, once the OCI protocol has said so too
	least  int              // pages that a listing has at least, as far as it was read
}

// NewReader returns a reader that asks api where that takes fewer requests than
// over. name is the repository's, for the log.
//
// An api whose listings take several requests may have a method Least, which
// returns how many at least.
func NewReader(name string, over registry.Reader, api API, log *slog.Logger) *Reader {
	r := &Reader{Reader: over, api: api, log: log, name: name}
	if known, ok := api.(interface{ Least() int }); ok {
		r.least = known.Least()
	}
	return r
}

// Listed reports that a tag may be answered without a request of its own.
func (r *Reader) Listed() bool { return true }

// Facts implements [registry.Reader].
func (r *Reader) Facts(ctx context.Context) (registry.Facts, error) { return r.api.Facts(ctx) }

// Resolve lists the repository if that takes fewer requests than one for each
// reference. If it has more pages, or the API refuses, each reference is asked for
// by itself, and so is each that the listing lacks, but for the tags that stand for
// signatures and other referrers.
func (r *Reader) Resolve(ctx context.Context, references []string) []registry.Answer[registry.Descriptor] {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ctx.Err() != nil { // what a listing told is no answer any more
		return r.Reader.Resolve(ctx, references)
	}
	if r.known == nil && len(references) > max(1, r.least) {
		if err := r.read(ctx, len(references)); err != nil && ctx.Err() == nil {
			r.log.DebugContext(ctx, "tags are asked for one by one", "repository", r.name, "tags", len(references), "reason", err.Error())
		}
	}
	if r.known == nil {
		return r.Reader.Resolve(ctx, references)
	}
	answers := make([]registry.Answer[registry.Descriptor], len(references))
	var at []int
	var open []string
	for i, reference := range references {
		d, listed := r.byRef[reference]
		err, known := r.absent[reference]
		switch {
		case listed:
			answers[i].Value = d
		case known:
			answers[i].Err = err
		case registry.FallbackSubject(reference) != "": // asked for every image, and few have one
			answers[i].Err = fmt.Errorf("%s: %w in the listing", r.name+":"+reference, registry.ErrNotFound)
		default:
			at, open = append(at, i), append(open, reference)
		}
	}
	if len(open) > 0 {
		for k, answer := range r.confirm(ctx, open) {
			answers[at[k]] = answer
		}
	}
	return answers
}

// confirm asks the OCI protocol for what the listing lacks: it may lag behind, and only
// a 404 says that something does not exist.
func (r *Reader) confirm(ctx context.Context, references []string) []registry.Answer[registry.Descriptor] {
	answers := r.Reader.Resolve(ctx, references)
	for i, answer := range answers {
		switch {
		case answer.Err == nil:
			r.byRef[references[i]] = answer.Value
		case errors.Is(answer.Err, registry.ErrNotFound):
			r.absent[references[i]] = answer.Err
		}
	}
	return answers
}

// Tags returns those of the listing if there is one, or else asks for them.
func (r *Reader) Tags(ctx context.Context) ([]string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known == nil || ctx.Err() != nil {
		return r.Reader.Tags(ctx)
	}
	return r.tags(), nil
}

func (r *Reader) tags() []string {
	var tags []string
	for _, m := range r.known.Manifests {
		tags = append(tags, m.Tags...)
	}
	return tags
}

// attempts is how often a listing is read that changes under the reader.
const attempts = 3

// Inventory lists the repository. Deletions follow from it, so its tags must be
// those that the OCI protocol lists: a push between two pages can hide a
// manifest.
func (r *Reader) Inventory(ctx context.Context) (registry.Inventory, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var torn error
	for range attempts {
		if r.known == nil {
			if err := r.read(ctx, 0); errors.Is(err, ErrTorn) {
				torn = err
				continue
			} else if err != nil {
				return registry.Inventory{}, r.missing(ctx, err)
			}
		}
		tags, err := r.Reader.Tags(ctx)
		if err != nil && !errors.Is(err, registry.ErrNotFound) {
			return registry.Inventory{}, err
		}
		if torn = compare(r.tags(), tags); torn == nil {
			return *r.known, nil
		}
		r.known = nil
	}
	return registry.Inventory{}, fmt.Errorf("%s: %w; run again", r.name, torn)
}

// missing takes an API's word that there is no such repository only if the OCI
// protocol lists no tags of it: the API may not be that of this host.
func (r *Reader) missing(ctx context.Context, err error) error {
	if !errors.Is(err, registry.ErrNotFound) {
		return err
	}
	switch tags, unlisted := r.Reader.Tags(ctx); {
	case unlisted != nil && !errors.Is(unlisted, registry.ErrNotFound):
		return unlisted
	case len(tags) > 0:
		return fmt.Errorf("%s: the registry has tags of it, and its API knows no such repository (%s)", r.name, registry.Line(err))
	}
	return err
}

// compare returns an error that names a tag that only one of two lists has.
func compare(listed, tags []string) error {
	for _, side := range []struct {
		has, lacks []string
		where      string
	}{{listed, tags, "the listing of manifests"}, {tags, listed, "the list of tags"}} {
		lacks := map[string]bool{}
		for _, tag := range side.lacks {
			lacks[tag] = true
		}
		for _, tag := range side.has {
			if !lacks[tag] {
				return fmt.Errorf("only %s has the tag %q", side.where, tag)
			}
		}
	}
	return nil
}

// ErrTorn means that a listing changed while it was read. It is read again then.
var ErrTorn = errors.New("the listing changed while it was read")

var errLong = errors.New("the listing has more pages than there are tags to ask for")

// read lists the repository, in at most so many pages; 0 is for all.
func (r *Reader) read(ctx context.Context, most int) error {
	var (
		all           registry.Inventory
		first         []registry.StoredManifest
		pages, filled int
		seen          = map[string]bool{}
	)
	for page, err := range r.api.Pages(ctx) {
		if err != nil {
			return err
		}
		if pages++; pages == 1 {
			all.Now = page.Now
		}
		if len(page.Manifests) > 0 {
			if filled++; filled == 1 {
				first = page.Manifests
			}
		}
		for _, m := range page.Manifests {
			if seen[m.Digest] {
				return fmt.Errorf("%s: %w: %s is on two pages", r.name, ErrTorn, m.Digest)
			}
			seen[m.Digest] = true
		}
		all.Manifests = append(all.Manifests, page.Manifests...)
		if r.least = pages + max(page.Left, 0); most > 0 && (r.least > most || pages == most && page.Left != 0) {
			r.least = max(r.least, most+1)
			return errLong
		}
	}
	if filled > 1 {
		if err := r.settled(ctx, first); err != nil {
			return err
		}
	}
	r.log.DebugContext(ctx, "the repository was listed", "repository", r.name, "pages", pages, "manifests", len(all.Manifests))
	r.keep(all)
	return nil
}

// settled reads the first manifests again. A push puts its manifest there, and moves
// all others on.
func (r *Reader) settled(ctx context.Context, before []registry.StoredManifest) error {
	for page, err := range r.api.Pages(ctx) {
		if err != nil {
			return err
		}
		if len(page.Manifests) == 0 {
			continue
		}
		same := slices.EqualFunc(before, page.Manifests, func(a, b registry.StoredManifest) bool {
			return a.Digest == b.Digest && slices.Equal(a.Tags, b.Tags)
		})
		if !same {
			return fmt.Errorf("%s: %w", r.name, ErrTorn)
		}
		break
	}
	return nil
}

func (r *Reader) keep(all registry.Inventory) {
	r.known, r.byRef, r.absent = &all, map[string]registry.Descriptor{}, map[string]error{}
	for _, m := range all.Manifests {
		r.byRef[m.Digest] = m.Descriptor
		for _, tag := range m.Tags {
			r.byRef[tag] = m.Descriptor
		}
	}
}
