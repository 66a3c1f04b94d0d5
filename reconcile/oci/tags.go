package oci

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// maxPages limits a listing, in case a registry has something new on every page
// for ever. A real registry has a hundred tags or more on a page.
const maxPages = 1000

// Tags follows the pages of a listing (distribution-spec, "Listing Tags"). A
// page with nothing new means that the pages lead in a circle.
// go-containerregistry refuses a page on another host. If a listing does not
// come to its end, Tags returns an error, never a shorter list.
//
// Errors: [registry.ErrNotFound] if the registry answers 404, with
// [registry.ErrNoRepository] if it says that there is no such repository.
func (r *reader) Tags(ctx context.Context) ([]string, error) {
	if r.err != nil {
		return nil, r.failure(r.String(), r.err)
	}
	var tags []string
	seen := map[string]bool{}
	lister, err := r.client.puller.Lister(ctx, r.name)
	if err != nil {
		return nil, r.listing(err)
	}
	for page := 1; lister.HasNext(); page++ {
		var got *remote.Tags
		if got, err = lister.Next(ctx); err != nil {
			return nil, r.listing(err)
		}
		before := len(seen)
		for _, tag := range got.Tags {
			if !seen[tag] {
				seen[tag] = true
				tags = append(tags, tag)
			}
		}
		switch {
		case len(got.Tags) > 0 && len(seen) == before:
			return nil, r.listing(errors.New("its pages lead in a circle"))
		case page == maxPages:
			return nil, r.listing(fmt.Errorf("it has more than %d pages", maxPages))
		}
	}
	return tags, nil
}

func (r *reader) listing(err error) error {
	return r.answer("list of tags of "+r.String(), err)
}
