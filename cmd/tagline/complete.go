package main

import (
	"cmp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tagline/config"
	"tagline/reconcile/report"
)

// named returns the images of images.yaml for the shell, of any registry. There
// are none if the file can't be read.
func (a *app) named() []config.Image {
	a.images, a.registry = nil, cmp.Or(a.registry, "localhost")
	cfg, err := a.load()
	if err != nil {
		return nil
	}
	return cfg.Images
}

// completeImage completes a value of --image.
func (a *app) completeImage(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	given := a.images
	var all []string
	for _, image := range a.named() {
		if !slices.Contains(given, image.Name) {
			all = append(all, cobra.CompletionWithDesc(image.Name, report.Count(len(image.Aliases), "alias")))
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
	for _, image := range a.named() {
		images = append(images, image.Name+":")
		for _, alias := range image.Aliases {
			if !alias.Absent && strings.HasPrefix(begun, image.Name+":") {
				tags = append(tags, image.Name+":"+alias.Tag)
			}
		}
	}
	if len(tags) > 0 {
		return tags, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
	return images, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// completeOutput completes the format; after the "=" it is a file.
func completeOutput(names []string) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
		if strings.Contains(begun, "=") {
			return nil, cobra.ShellCompDirectiveDefault
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}
