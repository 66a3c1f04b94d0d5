package oci

import (
	"context"
	"errors"
	"fmt"

	"tagline/config"
)

// Repositories returns the names of a host's repositories, in the order in which it
// lists them: GET /v2/_catalog, which distribution-spec leaves to registries. It
// follows the pages as [reader.Tags] does, and returns no list that is not whole.
//
// Many registries refuse it, and some list what the credentials may read alone.
func (c *Client) Repositories(ctx context.Context, host string) ([]string, error) {
	of := c.named(config.Repository{Host: host})
	failed := func(err error) error { return of.failure("list of repositories of "+host, err) }
	if of.err != nil {
		return nil, failed(of.err)
	}
	lister, err := c.puller.Catalogger(ctx, of.name.Registry)
	if err != nil {
		return nil, failed(err)
	}
	var names []string
	seen := map[string]bool{}
	for page := 1; lister.HasNext(); page++ {
		got, err := lister.Next(ctx)
		if err != nil {
			return nil, failed(err)
		}
		before := len(seen)
		for _, name := range got.Repos {
			if !seen[name] {
				seen[name] = true
				names = append(names, name)
			}
		}
		switch {
		case len(got.Repos) > 0 && len(seen) == before:
			return nil, failed(errors.New("its pages lead in a circle"))
		case page == maxPages:
			return nil, failed(fmt.Errorf("it has more than %d pages", maxPages))
		}
	}
	return names, nil
}
