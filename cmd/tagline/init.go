package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"tagline/config"
	"tagline/reconcile"
	"tagline/reconcile/registry"
	"tagline/reconcile/report"
)

func (a *app) initCommand() *cobra.Command {
	var output string
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

A redirection with > empties the file before tagline starts. --output does not: it
refuses a file that has content.

Exit codes:
  0  the file is printed
  1  something failed; what could be read is printed
  3  there is nothing to manage, and nothing is printed`,
		Example: `  tagline init ghcr.io/team/my-image -o images.yaml
  tagline check && tagline apply --dry-run`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("init wants one REPOSITORY, such as ghcr.io/team/my-image, not %d", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			write, err := a.draftWriter(output)
			if err != nil {
				return err
			}
			repository, err := a.repository(args[0], cmd.Flags().Changed("file"))
			file := a.files[0]
			if info, unread := os.Stat(file); err != nil && unread == nil && info.Mode().IsRegular() && info.Size() == 0 {
				return fmt.Errorf("%s is empty, so it names no registry for %q: a redirection with > empties a file before it is read; use -o, or write host/repository", file, args[0])
			}
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
				var text bytes.Buffer
				if err := report.Draft(&text, draft); err != nil {
					return err
				}
				if err := write(text.Bytes()); err != nil {
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
	c.Flags().StringVarP(&output, "output", "o", "", "`FILE` to write instead of stdout; one with content is refused")
	_ = c.MarkFlagFilename("output", "yaml", "yml")
	a.connectionFlags(c)
	return c
}

// draftWriter returns what writes a draft to a file, or to stdout. It refuses a
// file that has content.
func (a *app) draftWriter(path string) (func([]byte) error, error) {
	if path == "" {
		return func(text []byte) error {
			_, err := a.stdout.Write(text)
			return err
		}, nil
	}
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Size() > 0 {
		return nil, fmt.Errorf("--output: %s has content, which is not replaced; name another file", path)
	}
	write, err := fileWriter(path)
	if err != nil {
		return nil, fmt.Errorf("--output: %s: %w", path, err)
	}
	return func(text []byte) error {
		if err := write(text); err != nil {
			return fmt.Errorf("--output: %s: %w", path, err)
		}
		return nil
	}, nil
}

// repository resolves REPOSITORY, as reference does REF.
func (a *app) repository(text string, named bool) (repository config.Repository, err error) {
	err = a.onRegistry(named, func(host string) error {
		repository, err = config.ParseRepository(text, host)
		return err
	})
	return repository, err
}
