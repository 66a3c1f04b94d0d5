package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"tagline/config"
	"tagline/policies"
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
become aliases of them, where applying the file would change nothing. What else
there is stands in comments.

If no tag of a repository is such an alias, the file has what the names of its tags
suggest, and says that apply would push it: 10 for the newest 10.x of each platform,
10.9 for 10.9-amd64 and 10.9-arm64, and tags that would become aliases with a new
digest.

REPOSITORY is host/repository, or on the --registry or the registry of an
images.yaml that is there already. HOST stands for all repositories of a registry,
if it lists them. Text with a dot or a port and without a slash is a HOST, and so is
all that ends in a slash. Every tag's manifest is read once; some registries count
that as a pull.

With --output, a FILE that has images already gets the others behind them; all that
it has stays. A repository that is in it already is an error, unless it is one of a
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
		RunE: func(cmd *cobra.Command, args []string) error {
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
		},
	}
	a.fileFlag(c)
	c.Flags().StringVarP(&output, "output", "o", "", "`FILE` to write instead of stdout, or to add the images to")
	_ = c.MarkFlagFilename("output", "yaml", "yml")
	a.connectionFlags(c)
	return c
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

// wantedRepository is one to draft. If a registry has listed it, its problems stop no
// other.
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
			host, err := config.ParseHost(text)
			if err != nil {
				return nil, err
			}
			names, err := client.Repositories(cmd.Context(), host)
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
				if to.has[r] != (config.Pos{}) {
					known++
				} else if !has(r) {
					all = append(all, wantedRepository{r, true})
				}
			}
			if known > 0 {
				a.warn("%s has %d of the %d repositories of %s already; they stay as they are", to.path, known, len(names), host)
			}
			if len(names) == 0 {
				a.warn("%s lists no repositories; if it has some, its list needs other credentials", host)
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
		if pos := to.has[r]; pos != (config.Pos{}) {
			return nil, fmt.Errorf("%s is in %s already, in line %d; nothing is written: leave it out, or write it to another file", r, to.path, pos.Line)
		}
		if !has(r) {
			all = append(all, wantedRepository{Repository: r})
		}
	}
	return all, nil
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

// drafted is where drafts go: stdout, a new file, or one that has images.
type drafted struct {
	path    string
	put     func([]byte) error
	before  []byte // what the file has
	options config.Options
	host    string // of images that name none
	has     map[config.Repository]config.Pos
}

// openDraft finds a file that can't be written or added to before a registry is asked.
func (a *app) openDraft(path string) (*drafted, error) {
	if path == "" {
		return &drafted{put: func(text []byte) error { _, err := a.stdout.Write(text); return err }}, nil
	}
	d := &drafted{path: path, options: config.Options{Policies: policies.Keys()}, has: map[config.Repository]config.Pos{}}
	failed := func(err error) error { return fmt.Errorf("--output: %s: %w", path, err) }
	put, err := fileWriter(path)
	if err != nil {
		return nil, failed(err)
	}
	d.put = func(text []byte) error {
		if err := put(text); err != nil {
			return failed(err)
		}
		return nil
	}
	if info, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
		return d, nil
	}
	if d.before, err = readFile(path, config.MaxBytes); err != nil {
		return nil, failed(err)
	}
	if len(bytes.TrimSpace(d.before)) == 0 {
		d.before = nil
		return d, nil
	}
	cfg, err := config.Parse(path, d.before, d.options)
	if err != nil && a.registry != "" { // the file may leave the host to --registry
		d.options.Registry, d.options.RegistryFrom = a.registry, a.registryFrom
		cfg, err = config.Parse(path, d.before, d.options)
	}
	added, refused := config.AddImages(d.before, standIn)
	if err != nil && refused == nil { // it may lack images alone
		if with, bad := config.Parse(path, added, d.options); bad == nil {
			cfg, err = with, nil
		}
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("--output: %s is no images.yaml that can be added to, so nothing is written: %w", path, firstOf(err))
	case refused != nil:
		return nil, failed(fmt.Errorf("images can't be added, so nothing is written: %w, or leave --output out, and copy from what init prints", refused))
	}
	d.host = cfg.Registry
	for _, l := range cfg.Listed {
		if !strings.HasPrefix(standIn, l.Name+":") {
			d.has[l.Repository] = l.Pos
		}
	}
	return d, nil
}

// standIn is an image for a file that has none yet.
const standIn = "registry.invalid/stand-in: {aliases: {latest: 1.0}}\n"

// firstOf is the first line of an error, and how many more there are.
func firstOf(err error) error {
	first, rest, _ := strings.Cut(err.Error(), "\n")
	if rest != "" {
		first += fmt.Sprintf("; and %d more", strings.Count(rest, "\n")+1)
	}
	return errors.New(first)
}

// write writes the drafts, behind what the file has.
func (d *drafted) write(drafts []reconcile.Draft) error {
	if d.before == nil {
		var text bytes.Buffer
		if err := report.Drafts(&text, drafts); err != nil {
			return err
		}
		return d.put(text.Bytes())
	}
	text, differ, err := d.merge(drafts, false)
	if err == nil && differ {
		text, _, err = d.merge(drafts, true)
	}
	if err != nil {
		return fmt.Errorf("--output: %s: nothing is written: %w", d.path, err)
	}
	return d.put(text)
}

// merge returns the file with the drafts. differ reports whether its own policies
// would take aliases out of sync.
func (d *drafted) merge(drafts []reconcile.Draft, explicit bool) (text []byte, differ bool, err error) {
	text, err = config.AddImages(d.before, report.DraftEntries(drafts, d.host, explicit))
	if err != nil {
		return nil, false, err
	}
	cfg, err := config.Parse(d.path, text, d.options)
	if err != nil {
		return nil, false, firstOf(err)
	}
	if len(cfg.Listed) != len(d.has)+len(drafts) {
		return nil, false, errors.New("images can't be added where they belong; add them by hand")
	}
	for _, draft := range drafts {
		inSync := len(draft.Aliases) > 0
		i := slices.IndexFunc(cfg.Images, func(image config.Image) bool { return image.Repository == draft.Repository })
		if i < 0 {
			return nil, false, errors.New("images can't be added where they belong; add them by hand")
		}
		for _, name := range []string{policies.Companions.Name, policies.Provenance.Name} {
			setting, set := cfg.Images[i].Policies[name]
			differ = differ || inSync && set && setting.Value != "keep" && !slices.Contains(draft.Dropped, name)
		}
	}
	return text, differ, nil
}

// repository resolves REPOSITORY, as reference does REF.
func (a *app) repository(text string, named bool) (repository config.Repository, err error) {
	err = a.onRegistry(named, func(host string) error {
		repository, err = config.ParseRepository(text, host)
		return err
	})
	return repository, err
}
