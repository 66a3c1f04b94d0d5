package oci

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Tags returns no list that is not whole (distribution-spec, "Listing Tags").
//
// Errors: [registry.ErrNotFound] if the registry answers 404, with
// [registry.ErrNoRepository] if it says that there is no such repository.
func (r *reader) Tags(ctx context.Context) ([]string, error) {
	if r.err != nil {
		return nil, r.failure(r.String(), r.err)
	}
	lister, err := r.client.puller.Lister(ctx, r.name)
	var tags []string
	if err == nil {
		tags, err = list(ctx, lister, func(page *remote.Tags) []string { return page.Tags })
	}
	if err != nil {
		return nil, r.answer("list of tags of "+r.String(), unlisted(err))
	}
	return tags, nil
}

// unlisted explains what came in place of a list.
func unlisted(err error) error {
	if syntax := (*json.SyntaxError)(nil); errors.As(err, &syntax) {
		return fmt.Errorf("answered with no list (%w): is there a proxy or a login page in front?", err)
	}
	return err
}

// maxPages limits a listing, in case a registry has something new on every page
// for ever. A real registry has a hundred names or more on a page.
const maxPages = 1000

// list follows the pages of a listing and returns each name once. A page with nothing
// new means that the pages lead in a circle. go-containerregistry refuses a page on
// another host. If the listing does not come to its end, list returns an error, never
// a shorter list.
func list[P any](ctx context.Context, lister interface {
	HasNext() bool
	Next(context.Context) (P, error)
}, of func(P) []string) (names []string, _ error) {
	seen := map[string]bool{}
	for page := 1; lister.HasNext(); page++ {
		got, err := lister.Next(ctx)
		if err != nil {
			return nil, err
		}
		before := len(seen)
		for _, name := range of(got) {
			if !seen[name] {
				seen[name] = true
				names = append(names, name)
			}
		}
		switch {
		case len(of(got)) > 0 && len(seen) == before:
			return nil, errors.New("its pages lead in a circle")
		case page == maxPages:
			return nil, fmt.Errorf("it has more than %d pages", maxPages)
		}
	}
	return names, nil
}
