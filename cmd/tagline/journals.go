package main

import (
	"errors"
	"slices"

	"github.com/spf13/cobra"

	"tagline/config"
	"tagline/reconcile"
	"tagline/reconcile/journal"
	"tagline/reconcile/report"
)

// journalsFlag is the flag of the commands that read journals.
func (a *app) journalsFlag(c *cobra.Command, files *[]string) {
	c.Flags().StringArrayVar(files, "journal", nil, "a `FILE` that apply had as its --journal, or a folder with such files, named *"+journal.Suffix+" (repeatable)")
}

// readJournals reads journals, and warns of the lines that it skips.
func (a *app) readJournals(paths []string, wanted func(journal.Move) bool) ([]journal.Move, []journal.Skipped, error) {
	if len(paths) == 0 {
		return nil, nil, errors.New("there is no journal; name the FILE that apply had with --journal FILE")
	}
	files, err := journal.Files(paths)
	if err != nil {
		return nil, nil, err
	}
	moves, skipped, err := journal.Read(files, wanted)
	const told = 10
	for _, s := range skipped[:min(told, len(skipped))] {
		a.warn("%s; it is skipped", s)
	}
	if more := len(skipped) - told; more > 0 {
		a.warn("%s more skipped", report.Count(more, "line"))
	}
	return moves, skipped, err
}

// formerAliases returns the tags of images that were aliases by journals, and that
// images.yaml does not list.
func formerAliases(files []string, images []config.Image) (map[config.Repository][]reconcile.TagDigest, error) {
	at := map[config.Repository]config.Image{}
	for _, image := range images {
		at[image.Repository.Place()] = image
	}
	return journal.Aliases(files, func(place config.Repository, tag string) bool {
		image, ok := at[place]
		_, listed := slices.BinarySearchFunc(image.Aliases, tag, func(a config.Alias, tag string) int { return config.CompareTags(a.Tag, tag) })
		return ok && !listed
	})
}
