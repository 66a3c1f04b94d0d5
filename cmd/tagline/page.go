package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"tagline/config"
	"tagline/reconcile"
	"tagline/reconcile/catalogue"
	"tagline/reconcile/journal"
	"tagline/reconcile/registry"
	"tagline/reconcile/report"
	"tagline/reconcile/trash"
)

func (a *app) pageCommand() *cobra.Command {
	var dir string
	var journals []string
	c := &cobra.Command{
		Use:   "page --out DIR",
		Short: "Write a catalogue of the aliases as one HTML file",
		Long: `Write a catalogue of the aliases as one HTML file.

The file, DIR/index.html, has every alias of images.yaml: what it is for each platform,
what is mixed or blocked, and what to write into compose.yml. With journals it says when
an alias moved last and what it was before, and with a trash what was deleted. It needs
no other file, works from a disk, and asks nothing of the network. The address of an
alias is index.html#IMAGE:TAG, and does not change.

Registries are read as by apply --dry-run; nothing is written to them. What is blocked
is on the page, and no failure. If no alias can be read, there is no new page.

Exit codes:
  0  done
  1  something failed: the page, if there is one, says what could not be read`,
		Example: `  tagline page --out public
  tagline page --out public --journal journal.jsonl --trash trash`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.page(cmd.Context(), dir, journals) },
	}
	c.Flags().StringVar(&dir, "out", "", "`DIR` for index.html; it is made if it does not exist")
	_ = c.MarkFlagDirname("out")
	a.journalsFlag(c, &journals)
	a.trashFlag(c, "the `DIR` that apply had as its trash; "+noTrash+" leaves it out")
	a.cacheFlag(c)
	a.imageFlag(c)
	a.fileFlag(c)
	a.connectionFlags(c)
	return c
}

// page writes a page into a folder.
func (a *app) page(ctx context.Context, dir string, journals []string) error {
	if dir == "" {
		return errors.New("--out names no folder; name the DIR for index.html")
	}
	cfg, err := a.load(nil)
	if err != nil {
		return err
	}
	o := catalogue.Options{Registry: cfg.Registry, Version: versionName(), Made: time.Now()}
	if len(journals) > 0 {
		if o.Moves, _, err = a.readJournals(journals, func(journal.Move) bool { return true }); err != nil {
			return err
		}
	}
	var damaged []error
	if o.Trash, damaged, err = a.recordsOf(cfg.Images); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	path := filepath.Join(dir, "index.html")
	write, err := fileWriter(path)
	if err != nil {
		return fmt.Errorf("--out %s: %w", dir, err)
	}
	for _, image := range cfg.Images {
		o.Aliases += len(image.Aliases)
	}
	made, failed, err := a.makePage(ctx, cfg.Images, o)
	if err != nil {
		return err
	}
	html, err := made.HTML()
	if err == nil {
		err = write(html)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if !a.quiet {
		_, err = fmt.Fprintf(a.stdout, "%s: %s\n", report.Printable(path), made.Summary())
	}
	if failed && err == nil {
		err = exitCode(exitFailed)
	}
	return a.afterTrash(err, damaged)
}

// recordsOf returns what the trash has of the images, and what can't be read.
func (a *app) recordsOf(images []config.Image) (records []reconcile.Record, damaged []error, err error) {
	dir, err := a.trashFolder()
	if errors.Is(err, errNoTrash) || err == nil && dir == "" {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	if err := a.trashExists(dir); err != nil {
		return nil, nil, err
	}
	places := map[config.Repository]bool{}
	for _, image := range images {
		places[image.Repository.Place()] = true
	}
	records, damaged = trash.Read(dir, func(r reconcile.Record) bool { return places[r.Repository.Place()] })
	return records, damaged, nil
}

// makePage reads the registries for a page. failed reports whether something could not
// be read.
func (a *app) makePage(ctx context.Context, images []config.Image, o catalogue.Options) (made *catalogue.Page, failed bool, err error) {
	made = catalogue.New(o)
	first, err := a.survey(ctx, images, reconcile.Job{}, made.Add)
	switch {
	case err != nil:
		return nil, true, fmt.Errorf("%w; there is no new page", err)
	case !made.Known():
		return nil, true, fmt.Errorf("no alias could be read, so there is no new page; %w", first)
	case first != nil:
		_, _ = fmt.Fprintln(a.stderr, message(fmt.Errorf("the page lacks what could not be read; %w", first)))
	}
	made.NotDeleted(a.nowNamed(ctx, images, made.Deleted()))
	return made, first != nil, nil
}

// nowNamed asks what tags and digests of the images' repositories name now, "" for
// what does not exist.
func (a *app) nowNamed(ctx context.Context, images []config.Image, wanted map[config.Repository][]string) func(config.Repository, string) (string, bool) {
	client := a.client(images...)
	defer client.Close()
	now := map[config.Repository]map[string]string{}
	for _, image := range images {
		references := wanted[image.Repository]
		if len(references) == 0 {
			continue
		}
		found := map[string]string{}
		for i, answer := range client.Reader(image.Repository).Resolve(ctx, references) {
			switch {
			case answer.Err == nil:
				found[references[i]] = answer.Value.Digest
			case errors.Is(answer.Err, registry.ErrNotFound):
				found[references[i]] = ""
			}
		}
		now[image.Repository] = found
	}
	return func(repository config.Repository, reference string) (string, bool) {
		digest, known := now[repository][reference]
		return digest, known
	}
}
