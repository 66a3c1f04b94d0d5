package main

import (
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"tagline/reconcile/cache"
	"tagline/reconcile/report"
)

// noCache is the --cache-dir of a run that keeps nothing.
const noCache = "off"

func (a *app) cacheFlag(c *cobra.Command) {
	c.Flags().StringVar(&a.cacheDir, "cache-dir", "",
		"keep manifests in this `DIR` between runs, so that tags which did not move cost one HEAD; "+noCache+" keeps none (default: tagline in the user's cache folder)")
	_ = c.MarkFlagDirname("cache-dir")
}

// cache opens the cache that the flag names. It is nil without the flag if the
// system has no folder for caches.
func (a *app) cache() *cache.Cache {
	dir := a.cacheDir
	switch user, err := os.UserCacheDir(); {
	case dir == noCache, dir == "" && err != nil:
		return nil
	case dir == "":
		dir = filepath.Join(user, "tagline")
	}
	log := a.logger()
	return cache.Open(dir, cache.DefaultLimit, func(err error) { log.Warn(report.Printable(err.Error())) })
}
