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
	dir, err := a.cacheFolder()
	if err != nil || a.cacheDir == noCache {
		return nil
	}
	log := a.logger()
	return cache.Open(dir, cache.DefaultLimit, func(err error) { log.Warn(report.Printable(err.Error())) })
}

// cacheFolder is the one that the flag names, or else the user's.
func (a *app) cacheFolder() (string, error) {
	if a.cacheDir != "" && a.cacheDir != noCache {
		return a.cacheDir, nil
	}
	user, err := os.UserCacheDir()
	return filepath.Join(user, "tagline"), err
}
