package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tagline/config"
	"tagline/policies"
)

// defaultFile is what is read without -f.
const defaultFile = "images.yaml"

// fileFlag adds -f, which names what load reads.
func (a *app) fileFlag(c *cobra.Command) {
	c.Flags().StringArrayVarP(&a.files, "file", "f", []string{defaultFile}, "`FILE` to read, or a folder with such files, or - for stdin; the first is the root file (repeatable)")
	_ = c.MarkFlagFilename("file", "yaml", "yml")
}

// registryFlag adds --registry, for images that name no host.
func (a *app) registryFlag(c *cobra.Command) {
	c.Flags().StringVar(&a.registry, "registry", "",
		"`HOST` for images that name none, instead of the file's registry (or set TAGLINE_REGISTRY)")
}

// load reads images.yaml, and keeps the images that --image asks for and that keep
// does; nil for all.
func (a *app) load(keep func(config.Image) bool) (*config.Config, error) {
	var wanted []named
	for _, asked := range a.images {
		wanted = append(wanted, nameOf(asked))
	}
	cfg, err := config.Load(a.files, config.Options{
		Registry: a.registry, RegistryFrom: a.registryFrom, Policies: policies.Keys(), Once: a.once,
		Keep: func(image config.Image) bool {
			return (keep == nil || keep(image)) && (len(wanted) == 0 || slices.ContainsFunc(wanted, func(is named) bool {
				return is(image.Name, image.Repository)
			}))
		},
	})
	switch at := (*fs.PathError)(nil); {
	case errors.Is(err, fs.ErrNotExist) && slices.Equal(a.files, []string{defaultFile}):
		if _, other := os.Stat("images.yml"); other == nil {
			return nil, fmt.Errorf("%w; there is images.yml: rename it, or name it with --file", err)
		}
		return nil, fmt.Errorf("%w; name another file with --file, or draft one: tagline init REPOSITORY -o %s", err, defaultFile)
	case errors.As(err, &at):
		return nil, fmt.Errorf("%w; name another file with --file", err)
	case err != nil:
		return nil, err
	}
	a.said = cfg.Registries
	for i, name := range a.images {
		if !slices.ContainsFunc(cfg.Listed, func(l config.Listed) bool { return wanted[i](l.Name, l.Repository) }) {
			return nil, fmt.Errorf("%s %q is not in %s, which has %s", cmp.Or(a.imagesFrom, "--image"), name, a.source(), some(name, cfg.Listed))
		}
	}
	return cfg, nil
}

// loadUntil is load that an interruption ends at once, for commands that write
// nothing. What it leaves running ends with the process.
func (a *app) loadUntil(ctx context.Context, keep func(config.Image) bool) (*config.Config, error) {
	type result struct {
		cfg *config.Config
		err error
	}
	loaded := make(chan result, 1)
	go func() {
		cfg, err := a.load(keep)
		loaded <- result{cfg, err}
	}()
	select {
	case r := <-loaded:
		return r.cfg, r.err
	case <-ctx.Done():
		return nil, errors.New("the run was interrupted")
	}
}

// source names what -f does, for messages.
func (a *app) source() string {
	names := slices.Clone(a.files)
	for i, name := range names {
		if name == config.Stdin {
			names[i] = "stdin"
		}
	}
	return strings.Join(names, ", ")
}
