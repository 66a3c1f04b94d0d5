package main

import (
	"errors"
	"os"
	"regexp"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// manCommand is for packagers. help does not list it.
func (a *app) manCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "man FOLDER",
		Short: "Write a man page for each command",
		Long: `Write a man page for each command.

FOLDER is made if it does not exist. The pages have the date that
SOURCE_DATE_EPOCH gives, or today's.`,
		Example:           `  tagline man /usr/local/share/man/man1`,
		Hidden:            true,
		ValidArgsFunction: cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs),
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 || args[0] == "" {
				return errors.New("man takes the folder to write to, and nothing else")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o777); err != nil {
				return err
			}
			root := cmd.Root()
			root.DisableAutoGenTag = true // the date is in the header
			fenceIndented(root)
			return doc.GenManTree(root, &doc.GenManHeader{Source: "tagline " + versionName(), Manual: "tagline"}, args[0])
		},
	}
}

var indented = regexp.MustCompile(`(?m)(^  .*\n?)+`)

// fenceIndented makes code blocks of the indented lines in the long help of a
// command and those below it. cobra/doc reads the text as Markdown, which would
// join the lines.
func fenceIndented(c *cobra.Command) {
	c.Long = indented.ReplaceAllString(c.Long, "\n```\n$0\n```\n")
	for _, below := range c.Commands() {
		fenceIndented(below)
	}
}
