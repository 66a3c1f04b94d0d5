package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"tagline/config"
	"tagline/reconcile"
	"tagline/reconcile/kinds"
	"tagline/reconcile/registry"
	"tagline/reconcile/report"
)

func (a *app) initCommand() *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:   "init REPOSITORY|HOST...",
		Short: "Print an images.yaml for what repositories hold now",
		Long: `Print an images.yaml for what repositories hold now.

Tags that are the same image as other tags, as a whole or platform by platform,
become aliases of them, where applying the file would change nothing. The rest
is in comments.

If no tag of a repository is such an alias, the file has what the names of its tags
suggest, and says that apply would push it: 10 for the newest 10.x of each platform,
10.9 for 10.9-amd64 and 10.9-arm64, and tags that would become aliases with a new
digest.

REPOSITORY is host/repository, or on the --registry or the registry of an
images.yaml that is there already. HOST stands for all repositories of a registry,
if it lists them. Text with a dot or a port and without a slash is a HOST, and so is
text that ends in a slash. Every tag's manifest is read once; some registries count
that as a pull.

With --output, a FILE that has images already gets the others behind them; its own
content stays. A repository that is in it already is an error, unless it is one of a
HOST: then it is left out. A redirection with > would empty the file before tagline
starts.

Exit codes:
  0  the file is printed
  1  something failed; what could be read of the repositories is printed
  3  there is nothing to manage, and nothing is printed`,
		Example: `  tagline init ghcr.io/team/my-image -o images.yaml
  tagline check && tagline apply --dry-run
  tagline init ghcr.io/team/web ghcr.io/team/api -o images.yaml
  tagline init registry.example.com > images.yaml`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("init wants a REPOSITORY, such as ghcr.io/team/my-image, or a HOST, such as ghcr.io")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.init(cmd, args, output) },
	}
	a.fileFlag(c)
	c.Flags().StringVarP(&output, "output", "o", "", "`FILE` to write, or to add the images to, instead of stdout, which is - too")
	_ = c.MarkFlagFilename("output", "yaml", "yml")
	a.connectionFlags(c)
	return c
}

func (a *app) init(cmd *cobra.Command, args []string, output string) error {
	to, err := a.openDraft(output)
	if err != nil {
		return err
	}
	client := a.client()
	defer client.Close()
	wanted, err := a.toDraft(cmd, client, args, to)
	if err != nil {
		return err
	}
	drafts, failed, err := a.drafts(cmd.Context(), client, wanted)
	if err != nil {
		return err
	}
	full := slices.DeleteFunc(slices.Clone(drafts), reconcile.Draft.Empty)
	if len(full) > 0 {
		if err := to.write(full); err != nil {
			return err
		}
	}
	for _, d := range drafts {
		if err := d.Unread(); err != nil {
			failed = append(failed, fmt.Errorf("not all tags could be read, so the draft may lack some: %w", err))
		}
	}
	if err := errors.Join(failed...); err != nil {
		return firstOf(err)
	}
	a.nothing(drafts)
	if len(full) == 0 {
		return exitCode(exitBlocked)
	}
	return nil
}

// nothing warns of repositories without an alias.
func (a *app) nothing(drafts []reconcile.Draft) {
	const told = 10
	var names []string
	for _, d := range drafts {
		if d.Empty() {
			names = append(names, d.Repository.String())
		}
	}
	switch {
	case len(names) == 1 && len(drafts) == 1:
		a.warn("%s has nothing to manage: none of its %s is an alias of another one, and no version or platform in a name suggests one; nothing is printed", names[0], report.Count(len(drafts[0].Tags), "tag"))
	case len(names) > told:
		names = append(names[:told], fmt.Sprintf("and %d more", len(names)-told))
		fallthrough
	case len(names) > 0:
		a.warn("no tag is an alias of another one, and no version or platform in a name suggests one, in: %s", strings.Join(names, ", "))
	case len(drafts) == 0:
		a.warn("there is nothing to manage, so nothing is printed")
	}
}

// wantedRepository is a repository to draft. If a registry listed it, its problems do
// not stop the others.
type wantedRepository struct {
	config.Repository
	listed bool
}

// toDraft resolves the arguments. It asks registries that are named as a whole for what
// they have.
func (a *app) toDraft(cmd *cobra.Command, client *kinds.Client, args []string, to *drafted) ([]wantedRepository, error) {
	var all []wantedRepository
	has := func(r config.Repository) bool {
		return slices.ContainsFunc(all, func(w wantedRepository) bool { return w.Repository == r })
	}
	for _, arg := range args {
		if text := strings.TrimSuffix(arg, "/"); text != arg || config.IsRegistry(text) {
			found, err := a.listed(cmd.Context(), client, text, to)
			if err != nil {
				return nil, err
			}
			for _, r := range found {
				if !has(r) {
					all = append(all, wantedRepository{r, true})
				}
			}
			continue
		}
		r, err := a.repository(arg, cmd.Flags().Changed("file"))
		file := a.files[0]
		if info, unread := os.Stat(file); err != nil && unread == nil && info.Mode().IsRegular() && info.Size() == 0 {
			return nil, fmt.Errorf("%s is empty, so it names no registry for %q: a redirection with > empties a file before it is read; use -o, or write host/repository", file, arg)
		}
		if err != nil {
			return nil, err
		}
		if pos := to.has[r.Place()]; pos != (config.Pos{}) {
			return nil, fmt.Errorf("%s is in %s already, in line %d; nothing is written: leave it out, or write it to another file", r, to.path, pos.Line)
		}
		if !has(r) {
			all = append(all, wantedRepository{Repository: r})
		}
	}
	return all, nil
}

// listed returns the repositories that a registry lists, without those that the file
// has already.
func (a *app) listed(ctx context.Context, client *kinds.Client, text string, to *drafted) (found []config.Repository, err error) {
	host, err := config.ParseHost(text)
	if err != nil {
		return nil, err
	}
	names, err := client.Repositories(ctx, host)
	if err != nil {
		return nil, fmt.Errorf("%w; many registries list no repositories, so name them: tagline init %s/team/one %s/team/two", err, host, host)
	}
	slices.Sort(names)
	known := 0
	for _, name := range names {
		r, err := config.ParseRepository(host+"/"+name, "")
		if err != nil {
			return nil, fmt.Errorf("list of repositories of %s: %w", host, err)
		}
		if to.has[r.Place()] != (config.Pos{}) {
			known++
		} else {
			found = append(found, r)
		}
	}
	if known > 0 {
		a.warn("%s has %d of the %d repositories of %s already; they stay as they are", to.path, known, len(names), host)
	}
	if len(names) == 0 {
		a.warn("%s lists no repositories; if it has some, its list needs other credentials", host)
	}
	return found, nil
}

// drafts reads repositories. failed are the problems of listed ones, and err is that of
// one that was named.
func (a *app) drafts(ctx context.Context, client *kinds.Client, wanted []wantedRepository) (drafts []reconcile.Draft, failed []error, err error) {
	const atOnce = 8
	progress := a.startProgress(len(wanted), client)
	defer progress.stop()
	var group errgroup.Group
	group.SetLimit(atOnce)
	read := make([]registry.Answer[reconcile.Draft], len(wanted))
	for i, w := range wanted {
		group.Go(func() error {
			defer progress.done()
			read[i].Value, read[i].Err = reconcile.DraftOf(ctx, client, w.Repository)
			return nil
		})
	}
	_ = group.Wait()
	for i, w := range wanted {
		draft, unread := read[i].Value, read[i].Err
		missing := errors.Is(unread, registry.ErrNotFound) || unread == nil && len(draft.Tags) == 0 // some registries list no tags for a missing repository
		switch {
		case missing && w.listed: // it was emptied, or deleted since
		case missing:
			return nil, nil, fmt.Errorf("repository %s has no tags, or does not exist", w)
		case unread != nil && w.listed:
			failed = append(failed, unread)
		case unread != nil:
			return nil, nil, unread
		default:
			drafts = append(drafts, draft)
		}
	}
	return drafts, failed, nil
}
