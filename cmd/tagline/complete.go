package main

import (
	"cmp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tagline/config"
	"tagline/reconcile/report"
)

// forShell loads images.yaml for the completion of an argument. The registry may be
// missing, and if the files can't be read, there are no images.
func (a *app) forShell(keep func(config.Image) bool) *config.Config {
	a.images, a.registry = nil, cmp.Or(a.registry, "localhost")
	if slices.Contains(a.files, config.Stdin) {
		return &config.Config{} // it is the shell's
	}
	cfg, err := a.load(keep)
	if err != nil {
		return &config.Config{}
	}
	return cfg
}

// completeImage completes a value of --image.
func (a *app) completeImage(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	given := a.images
	var all []string
	for _, image := range a.forShell(func(config.Image) bool { return false }).Listed {
		if !slices.Contains(given, image.Name) {
			all = append(all, cobra.CompletionWithDesc(image.Name, report.Count(image.Aliases, "alias")))
		}
	}
	return all, cobra.ShellCompDirectiveNoFileComp
}

// completeReference completes an image first, then one of its aliases.
func (a *app) completeReference(_ *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var images, tags []string
	cfg := a.forShell(func(image config.Image) bool { return strings.HasPrefix(begun, image.Name+":") })
	for _, image := range cfg.Listed {
		images = append(images, image.Name+":")
	}
	for _, image := range cfg.Images {
		for _, alias := range image.Aliases {
			if !alias.Absent {
				tags = append(tags, image.Name+":"+alias.Tag)
			}
		}
	}
	if len(tags) > 0 {
		return tags, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
	return images, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// imageFlag adds --image, which limits load to the images that it names.
func (a *app) imageFlag(c *cobra.Command) {
	c.Flags().StringArrayVar(&a.images, "image", nil, "only the image of this `NAME`, as images.yaml spells it or with its host (repeatable)")
	_ = c.RegisterFlagCompletionFunc("image", a.completeImage)
}
