package main

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tagline/config"
	"tagline/reconcile"
	"tagline/reconcile/kinds"
	"tagline/reconcile/registry"
	"tagline/reconcile/report"
	"tagline/reconcile/trash"
)

func (a *app) restoreCommand() *cobra.Command {
	var run, since, output string
	var force, dryRun bool
	c := &cobra.Command{
		Use:   "restore [REPOSITORY[:TAG|@DIGEST]]...",
		Short: "Put back manifests and tags that a run deleted, or list them",
		Long: `Put back manifests and tags that a run deleted, or list them.

apply keeps what it deletes in its trash. Without a REPOSITORY, --run or --since,
restore lists the trash. REPOSITORY puts back everything that was deleted from it.
REPOSITORY:TAG puts back the tag and the manifest that it named last. Nothing is
written for a tag that can't be put back.
REPOSITORY@DIGEST puts back the manifest and no tag. A repository without a host is
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
			to, err := a.openAnswer(output)
			if err != nil {
				return err
			}
			list := len(args) == 0 && run == "" && since == ""
			for flag, value := range map[string]string{"run": run, "since": since} {
				if cmd.Flags().Changed(flag) && value == "" {
					return fmt.Errorf("--%s is empty; name a value, or leave the flag out", flag)
				}
			}
			if list && (force || dryRun) {
				return errors.New("there is nothing to put back: name a REPOSITORY, --run or --since; without them restore lists the trash, and --force and --dry-run mean nothing")
			}
			from, err := parseSince(since, time.Now())
			if err != nil {
				return err
			}
			dir, err := a.trashFolder()
			if errors.Is(err, errNoTrash) {
				err = errors.New("there is no folder for the trash, since neither HOME nor XDG_CACHE_HOME is set; name the one that apply had with --trash DIR")
			}
			if err == nil && (dir == "" || cmd.Flags().Changed("trash") && a.trashDir == "") {
				err = fmt.Errorf("--trash is %q; name the folder that apply had", a.trashDir)
			}
			if err == nil {
				err = a.trashExists(dir)
			}
			if err != nil {
				return err
			}
			var wanted []reconcile.Wanted
			for _, arg := range args {
				w, err := a.wanted(arg, cmd.Flags().Changed("file"))
				if err != nil {
					return err
				}
				wanted = append(wanted, w)
			}
			var runs []string
			records, damaged := trash.Read(dir, func(r reconcile.Record) bool {
				runs = append(runs, r.Run)
				return len(wanted) == 0 || slices.ContainsFunc(wanted, func(w reconcile.Wanted) bool { return w.Repository.Place() == r.Repository.Place() })
			})
			if len(damaged) > 0 && len(records) == 0 {
				return a.afterTrash(nil, damaged) // what is in it is not known
			}
			var text bytes.Buffer
			t := report.NewText(&text, report.TextOptions{
				DryRun: dryRun, Verbose: a.verbose > 0, Quiet: a.quiet, Color: !to.toFile && a.colored(a.stdout),
			})
			if list {
				err = t.Trash(dir, records)
				if to.json {
					text = *bytes.NewBuffer(report.TrashJSON(records))
				}
				return a.afterTrash(errors.Join(err, to.write(text.Bytes())), damaged)
			}
			found, none := reconcile.Choose(records, wanted, run, from)
			if len(none) > 0 || len(found) == 0 {
				return a.afterTrash(notInTrash(dir, none, run, runs), damaged)
			}
			client := a.client()
			defer client.Close()
			var writers registry.Writers
			if !dryRun {
				writers = kinds.NewWriters(client)
			}
			var all []reconcile.Restored
			for _, lost := range found {
				all = append(all, reconcile.Restore(cmd.Context(), client, writers, lost, force))
				t.Restored(all[len(all)-1])
			}
			err = t.RestoredSummary(all, a.nextRun(all))
			if to.json {
				text = *bytes.NewBuffer(report.RestoredJSON(all, dryRun))
			}
			if err := errors.Join(err, to.write(text.Bytes())); err != nil {
				return err
			}
			return a.afterTrash(restoredExit(all), damaged)
		},
	}
	c.Flags().StringVar(&run, "run", "", "only what the run of this `ID` deleted, as restore lists it")
	c.Flags().StringVar(&since, "since", "", "only what was deleted since `WHEN`: 2h30m ago, or 2026-01-02, or 2026-01-02T03:04:05Z")
	c.Flags().BoolVar(&force, "force", false, "also move tags that name something else now")
	c.Flags().BoolVar(&dryRun, "dry-run", false, "report what would be put back, and do nothing")
	answerFlag(c, &output)
	a.trashFlag(c, "the `DIR` that apply had as its trash")
	a.fileFlag(c)
	a.connectionFlags(c)
	return c
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
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, nil
		}
	}
	return time.Time{}, fmt.Errorf("--since is %q, which is neither a duration such as 2h30m nor a date such as 2026-01-02 or 2026-01-02T03:04:05Z", text)
}

// manyRuns is how many runs a message names.
const manyRuns = 5

// notInTrash says what a trash has nothing of. run is the one that was asked for, "" for
// any, and runs are those of all its records.
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

// afterTrash reports the files of the trash that can't be read. They may hold what
// was asked for, so the command fails.
func (a *app) afterTrash(err error, damaged []error) error {
	for _, problem := range damaged {
		_, _ = fmt.Fprintln(a.stderr, message(problem))
	}
	if code := exitCode(0); len(damaged) > 0 && (err == nil || errors.As(err, &code)) {
		return exitCode(exitFailed)
	}
	return err
}

// nextRun says that the next run deletes again what was put back, as far as
// images.yaml is there to tell. It is "" if that asks for no such deletion.
func (a *app) nextRun(all []reconcile.Restored) string {
	cfg, err := a.load()
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
	return fmt.Sprintf("%s still asks for these deletions (%s); change it before the next run.", a.file, strings.Join(asks, ", "))
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
