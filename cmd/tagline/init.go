package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"tagline/config"
	"tagline/reconcile"
	"tagline/reconcile/registry"
	"tagline/reconcile/report"
)

func (a *app) initCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "init REPOSITORY",
		Short: "Print an images.yaml for what a repository holds now",
		Long: `Print an images.yaml for what a repository holds now.

Tags that are the same image as other tags, as a whole or platform by platform,
become aliases of them, where applying the file would change nothing. What else
there is stands in comments.

If no tag is such an alias, the file has what the names of the tags suggest, and
says that apply would push it: 10 for the newest 10.x of each platform, 10.9 for
10.9-amd64 and 10.9-arm64, and tags that would become aliases with a new digest.

REPOSITORY is host/repository, or on the --registry or the registry of an
images.yaml that is there already. Every tag's manifest is read once; some
registries count that as a pull.

Exit codes:
  0  the file is printed
  1  something failed; what could be read is printed
  3  there is nothing to manage, and nothing is printed`,
		Example: `  tagline init ghcr.io/team/my-image > images.yaml
  tagline check && tagline apply --dry-run`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("init wants one REPOSITORY, such as ghcr.io/team/my-image, not %d", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			repository, err := a.repository(args[0], cmd.Flags().Changed("file"))
			if err != nil {
				return err
			}
			client := a.client()
			defer client.Close()
			draft, err := reconcile.DraftOf(cmd.Context(), client, repository)
			switch missing := errors.Is(err, registry.ErrNotFound); {
			case err != nil && !missing:
				return err
			case missing || len(draft.Tags) == 0: // some registries list no tags for a missing repository
				return fmt.Errorf("repository %s has no tags, or does not exist", repository)
			}
			if !draft.Empty() {
				if err := report.Draft(a.stdout, draft); err != nil {
					return err
				}
			}
			if err := draft.Unread(); err != nil {
				first, rest, _ := strings.Cut(err.Error(), "\n")
				if more := strings.Count(rest, "\n"); rest != "" {
					first += fmt.Sprintf("; and %d more", more+1)
				}
				return fmt.Errorf("not all tags could be read, so the draft may lack some: %s", first)
			}
			if draft.Empty() {
				a.warn("%s has nothing to manage: none of its %s is an alias of another one, and no version or platform in a name suggests one; nothing is printed", repository, report.Count(len(draft.Tags), "tag"))
				return exitCode(exitBlocked)
			}
			return nil
		},
	}
	a.fileFlag(c)
	a.connectionFlags(c)
	return c
}

// repository resolves REPOSITORY, as reference does REF.
func (a *app) repository(text string, named bool) (repository config.Repository, err error) {
	err = a.onRegistry(named, func(host string) error {
		repository, err = config.ParseRepository(text, host)
		return err
	})
	return repository, err
}
