package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tagline/config"
	"tagline/reconcile"
	"tagline/reconcile/journal"
	"tagline/reconcile/kinds"
	"tagline/reconcile/registry"
	"tagline/reconcile/report"
	"tagline/reconcile/trash"
)

func (a *app) restoreCommand() *cobra.Command {
	r := &restoring{app: a}
	c := &cobra.Command{
		Use:   "restore [REPOSITORY[:TAG|@DIGEST]]...",
		Short: "Put back manifests and tags that a run deleted, or list them",
		Long: `Put back manifests and tags that a run deleted, or list them.

apply stores what it is about to delete in its trash, with the tags that name it. If
the deletion then fails, it is there all the same. Without a REPOSITORY, --run or
--since, restore lists the trash.

REPOSITORY puts back everything that was deleted from it, and moves back the tags
that runs moved away from a deleted manifest. REPOSITORY:TAG puts back the tag and
the manifest that it named last. REPOSITORY@DIGEST puts back the manifest and no tag.
Nothing is written for a tag that can't be put back. A repository without a host is
an image of images.yaml by its name there, or is on the --registry.

A manifest can be put back as long as the registry has everything that it refers
to. A tag can be put back if it does not exist. A tag that the run moved can be put
back if it still names what the run pushed.

Exit codes:
  0  done, or nothing to do
  1  something failed
  3  nothing failed, but something can't be put back: what it refers to is gone, or the tag names something else`,
		Example: `  tagline restore
  tagline restore my-image:9
  tagline restore --run 20260102-030405-abcdef --dry-run
  tagline restore my-image --since 2h`,
		ValidArgsFunction: a.completeReference,
		RunE: func(cmd *cobra.Command, args []string) error {
			begun := time.Now()
			err := r.run(cmd, args)
			if r.logFormat == "json" && !r.lists(args) {
				report.LogRestoreEnd(r.logger(), r.all, r.dryRun, codeOf(err), time.Since(begun))
			}
			return err
		},
	}
	c.Flags().StringVar(&r.of, "run", "", "only what the run of this `ID` deleted, as restore lists it")
	c.Flags().StringVar(&r.since, "since", "", "only what was deleted since `WHEN`: 2h30m ago, or 2026-01-02, or 2026-01-02T03:04:05Z")
	c.Flags().BoolVar(&r.force, "force", false, "also move tags that name something else now")
	c.Flags().BoolVar(&r.dryRun, "dry-run", false, "report what would be put back, and do nothing")
	answerFlag(c, &r.output)
	a.trashFlag(c, "the `DIR` that apply had as its trash")
	a.journalFlag(c)
	a.fileFlag(c)
	a.connectionFlags(c)
	return c
}

// restoring is one call of restore.
type restoring struct {
	*app
	of, since, output string // --run, --since, --output
	force, dryRun     bool
	all               []reconcile.Restored // what was done so far
}

func (r *restoring) run(cmd *cobra.Command, args []string) error {
	to, err := r.openAnswer(r.output)
	if err != nil {
		return err
	}
	from, dir, err := r.check(cmd, args)
	if err != nil {
		return err
	}
	var wanted []reconcile.Wanted
	for _, arg := range args {
		w, err := r.wanted(arg, cmd.Flags().Changed("file"))
		if err != nil {
			return err
		}
		wanted = append(wanted, w)
	}
	var runs []string
	records, damaged := trash.Read(dir, func(record reconcile.Record) bool {
		runs = append(runs, record.Run)
		return len(wanted) == 0 || slices.ContainsFunc(wanted, func(w reconcile.Wanted) bool { return w.Repository.Place() == record.Repository.Place() })
	})
	if len(damaged) > 0 && len(records) == 0 {
		return r.afterTrash(nil, damaged) // what is in it is not known
	}
	if r.lists(args) {
		return r.afterTrash(r.list(to, dir, records), damaged)
	}
	found, none := reconcile.Choose(records, wanted, r.of, from)
	if len(none) > 0 || len(found) == 0 {
		return r.afterTrash(notInTrash(dir, none, r.of, runs), damaged)
	}
	record, err := r.record(cmd, reconcile.NewRun(time.Now()), r.output)
	if err != nil {
		return err
	}
	if err := r.putBack(cmd.Context(), to, found, record); err != nil {
		return record.close(err)
	}
	return r.afterTrash(record.close(restoredExit(r.all)), damaged)
}

// lists reports whether the trash is only to be listed.
func (r *restoring) lists(args []string) bool { return len(args) == 0 && r.of == "" && r.since == "" }

// check checks the flags, and returns the time that --since says and the folder of
// the trash.
func (r *restoring) check(cmd *cobra.Command, args []string) (from time.Time, dir string, err error) {
	for flag, value := range map[string]string{"run": r.of, "since": r.since} {
		if cmd.Flags().Changed(flag) && value == "" {
			return from, "", fmt.Errorf("--%s is empty; name a value, or leave the flag out", flag)
		}
	}
	if r.lists(args) && (r.force || r.dryRun) {
		return from, "", errors.New("there is nothing to put back: name a REPOSITORY, --run or --since; without them restore lists the trash, and --force and --dry-run mean nothing")
	}
	if from, err = parseSince(r.since, time.Now()); err != nil {
		return from, "", err
	}
	switch dir, err = r.trashFolder(); {
	case errors.Is(err, errNoTrash):
		return from, "", errors.New("there is no folder for the trash, since neither HOME nor XDG_CACHE_HOME is set; name the one that apply had with --trash DIR")
	case err != nil:
		return from, "", err
	case dir == "" || cmd.Flags().Changed("trash") && r.trashDir == "":
		return from, "", fmt.Errorf("--trash is %q; name the folder that apply had", r.trashDir)
	}
	return from, dir, r.trashExists(dir)
}

// text is a report of restore.
func (r *restoring) text(to answer, out *bytes.Buffer) *report.Text {
	return report.NewText(out, report.TextOptions{
		DryRun: r.dryRun, Verbose: r.verbose > 0, Quiet: r.quiet, Color: !to.toFile && r.colored(r.stdout),
	})
}

func (r *restoring) list(to answer, dir string, records []reconcile.Record) error {
	var out bytes.Buffer
	err := r.text(to, &out).Trash(dir, records)
	if to.json {
		out = *bytes.NewBuffer(report.TrashJSON(records))
	}
	return to.give(out.Bytes(), err)
}

func (r *restoring) putBack(ctx context.Context, to answer, found []reconcile.Lost, record *recording) error {
	client := r.client()
	defer client.Close()
	var writers registry.Writers
	if !r.dryRun {
		writers = kinds.NewWriters(client)
	}
	var out bytes.Buffer
	text := r.text(to, &out)
	for _, lost := range found {
		one := reconcile.Restore(ctx, client, writers, lost, r.force)
		r.all = append(r.all, one)
		if writers != nil {
			record.add(journal.Restores(lost, one))
		}
		if r.logFormat == "json" {
			report.LogRestored(r.logger(), one, r.dryRun)
		}
		text.Restored(one)
	}
	err := text.RestoredSummary(r.all, r.nextRun(r.all))
	if to.json {
		out = *bytes.NewBuffer(report.RestoredJSON(r.all, r.dryRun))
	}
	return to.give(out.Bytes(), err)
}

// wanted parses an argument.
func (a *app) wanted(arg string, named bool) (reconcile.Wanted, error) {
	if !strings.ContainsAny(arg[strings.LastIndexByte(arg, '/')+1:], ":@") {
		repository, err := a.repository(arg, named)
		return reconcile.Wanted{Repository: repository}, err
	}
	ref, err := a.reference(arg, named)
	return reconcile.Wanted{Repository: ref.Repository, Tag: ref.Tag, Digest: ref.Digest}, err
}

// parseSince parses a duration before now, a date or a time. It is zero for "".
func parseSince(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if at, _, ok := parseTime(text, now); ok {
		return at, nil
	}
	return time.Time{}, notTime("--since", text)
}

// manyRuns is how many runs a message names.
const manyRuns = 5

// notInTrash returns the error for what was asked for and is not in the trash: none, or
// anything of the run, "" for any. runs are the runs of all records in the trash.
func notInTrash(dir string, none []reconcile.Wanted, run string, runs []string) error {
	if run != "" && !slices.Contains(runs, run) {
		slices.Sort(runs) // by time
		runs = slices.Compact(runs)
		switch newest := runs[max(0, len(runs)-manyRuns):]; {
		case len(runs) == 0:
			return fmt.Errorf("the trash %s has no run %q; it is empty", dir, run)
		case len(newest) < len(runs):
			return fmt.Errorf("the trash %s has no run %q; its last %d of %d are %s", dir, run, len(newest), len(runs), strings.Join(newest, ", "))
		default:
			return fmt.Errorf("the trash %s has no run %q; it has %s", dir, run, strings.Join(newest, ", "))
		}
	}
	of := "that run or time"
	if len(none) > 0 {
		var names []string
		for _, w := range none {
			name := w.Repository.String()
			if w.Tag != "" {
				name += ":" + w.Tag
			}
			if w.Digest != "" {
				name += "@" + w.Digest
			}
			names = append(names, name)
		}
		of = strings.Join(names, ", ")
		if run != "" {
			of += " from run " + run
		}
	}
	return fmt.Errorf("the trash %s has nothing of %s; without arguments, restore lists what it has", dir, of)
}

// nextRun says that the next run deletes again what was put back, as far as
// images.yaml is there to tell. It is "" if that asks for no such deletion.
func (a *app) nextRun(all []reconcile.Restored) string {
	cfg, err := a.load(func(image config.Image) bool {
		return slices.ContainsFunc(all, func(r reconcile.Restored) bool { return image.Repository.Place() == r.Repository.Place() })
	})
	var asks []string
	for _, r := range all {
		i := -1
		if err == nil {
			i = slices.IndexFunc(cfg.Images, func(image config.Image) bool { return image.Repository.Place() == r.Repository.Place() })
		}
		if i < 0 {
			return "If images.yaml asks for these deletions, the next run does them again; change it before that."
		}
		for _, word := range reconcile.AsksAgain(cfg.Images[i], r) {
			if !slices.Contains(asks, word) {
				asks = append(asks, word)
			}
		}
	}
	if len(asks) == 0 {
		return ""
	}
	return fmt.Sprintf("%s still asks for these deletions (%s); change it before the next run.", a.source(), strings.Join(asks, ", "))
}

// restoredExit returns nil or an exitCode.
func restoredExit(all []reconcile.Restored) error {
	blocked := false
	for _, r := range all {
		for _, o := range slices.Concat(r.Manifests, r.Tags) {
			if o.Err != nil {
				return exitCode(exitFailed)
			}
			blocked = blocked || o.Blocked != ""
		}
	}
	if blocked {
		return exitCode(exitBlocked)
	}
	return nil
}
