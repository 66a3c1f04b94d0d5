package oci

import (
	"context"

	"github.com/google/go-containerregistry/pkg/v1/remote"

	"tagline/config"
)

// Repositories returns the names of a host's repositories, in the order in which it
// lists them: GET /v2/_catalog, which distribution-spec leaves to registries. It
// returns no list that is not whole.
//
// Many registries refuse it, and some list what the credentials may read alone.
func (c *Client) Repositories(ctx context.Context, host string) ([]string, error) {
	of := c.named(config.Repository{Host: host})
	names, err := []string(nil), of.err
	if err == nil {
		var lister *remote.Catalogger
		if lister, err = c.puller.Catalogger(ctx, of.name.Registry); err == nil {
			names, err = list(ctx, lister, func(page *remote.Catalogs) []string { return page.Repos })
		}
	}
	if err != nil {
		return nil, of.failure("list of repositories of "+host, unlisted(err))
	}
	return names, nil
}
