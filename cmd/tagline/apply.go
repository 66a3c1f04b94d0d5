package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"tagline/config"
	"tagline/reconcile"
	"tagline/reconcile/ecr"
	"tagline/reconcile/kinds"
	"tagline/reconcile/registry"
	"tagline/reconcile/report"
)

// applyFlags are the flags that apply alone has.
type applyFlags struct {
	dryRun, detailed bool
	plan             string // a file
	shard            string // "I/N"
}

// reads returns the file of the saved plan, if there is one.
func (flags *applyFlags) reads(cmd *cobra.Command) ([]string, error) {
	if cmd.Flags().Changed("plan") {
		return []string{flags.plan}, nil
	}
	return nil, nil
}

func (a *app) applyCommand() *cobra.Command {
	flags := &applyFlags{}
	c := &cobra.Command{
		Use:   "apply",
		Short: "Make the registry agree with images.yaml, or report what would change with --dry-run",
		Long: `Make the registry agree with images.yaml, or report what would change with --dry-run.

Exit codes:
  0  done, or in sync; a dry run with changes too
  1  something failed (an invalid images.yaml too), or was applied only in part
  2  only with --detailed-exitcode: changes are pending, or were made
  3  nothing failed, but the registry's content or a policy forbids something`,
		Example: `  tagline apply --dry-run
  tagline apply --registry registry.example.com --image my-image
  tagline apply --dry-run -o json=plan.json && tagline apply --plan plan.json`,
		Args: noArguments,
		RunE: a.reporting(formatNames(), flags.reads, func(cmd *cobra.Command, out *outputs) error { return a.apply(cmd, out, flags) }),
	}
	a.fileFlag(c)
	a.connectionFlags(c)
	a.cacheFlag(c)
	a.trashFlag(c, "keep what is deleted in this `DIR`, so that restore can put it back; "+noTrash+" deletes for good")
	a.journalFlag(c)
	a.imageFlag(c)
	a.outputFlag(c, formatNames())
	shardFlag(c, &flags.shard)
	c.Flags().BoolVar(&flags.dryRun, "dry-run", false, "report what would be done, and write nothing")
	c.Flags().Float64Var(&a.ecrPushRate, "ecr-push-rate", ecr.DefaultPushRate, "pushes per second to an Amazon ECR registry, which allows 10 for all jobs together")
	c.Flags().IntVar(&a.deletions.Max, "max-deletions", reconcile.DefaultMaxDeletions,
		"how many tags and manifests may be deleted in a repository; if given, more than a quarter of its manifests may go, too. What provenance: purge deletes does not count")
	c.Flags().BoolVar(&a.deep, "deep", false, "check that everything that an alias lists still exists, a request each, and copy again what came from another repository, or was attached to it since; the default for images with deletions, unless --deep=false")
	c.Flags().BoolVar(&flags.detailed, "detailed-exitcode", false, "exit with 2 if there are changes and no errors")
	c.Flags().StringVar(&flags.plan, "plan", "", "apply the saved plan in this `FILE`, which apply --dry-run -o json=FILE has written, and nothing else")
	oneOf(c, "a saved plan is applied as it is", "plan", "dry-run", "image", "shard")
	_ = c.MarkFlagFilename("plan", "json")
	return c
}

// work is what there is to apply.
type work struct {
	shard  shard
	plan   *saved // nil unless --plan names one
	images []config.Image
	plans  savedPlans // of plan, as images.yaml has them
}

// work finds out which images are to be applied, and by which plans.
func (a *app) work(cmd *cobra.Command, out *outputs, flags *applyFlags) (w work, err error) {
	if cmd.Flags().Changed("shard") {
		if w.shard, err = parseShard(flags.shard); err != nil {
			return w, err
		}
		out.run.Shard = &report.Shard{Index: w.shard.index, Count: w.shard.count, Limited: a.deletions.Set}
	}
	if cmd.Flags().Changed("plan") {
		if flags.plan == "" {
			return w, errors.New("--plan is empty; name the file of a saved plan, or leave the flag out")
		}
		w.plan = readSaved(flags.plan)
	}
	cfg, err := a.load(func(image config.Image) bool { return w.shard.has(image.Repository) && w.plan.has(image.Repository) })
	if err != nil {
		return w, err
	}
	if a.deletions.Max < 0 {
		return w, fmt.Errorf("--max-deletions is %d, not 0 or more", a.deletions.Max)
	}
	out.config(cfg)
	w.images = cfg.Images
	if w.plan != nil {
		w.images, w.plans, err = a.matchPlan(w.plan, cfg)
	}
	return w, err
}

// apply does the work of the command.
func (a *app) apply(cmd *cobra.Command, out *outputs, flags *applyFlags) error {
	w, err := a.work(cmd, out, flags)
	if err != nil {
		return err
	}
	if cmd.Flags().Changed("trash") && a.trashDir == "" {
		return errEmptyTrash
	}
	if cmd.Flags().Changed("cache-dir") && a.cacheDir == "" {
		return errors.New("--cache-dir is empty; name a folder, leave the flag out, or give " + noCache)
	}
	run := reconcile.NewRun(time.Now())
	record, err := a.record(cmd, run, a.outputs...)
	if err != nil {
		return err
	}
	var former map[config.Repository][]reconcile.TagDigest
	if w.plan == nil {
		former = record.aliases(w.images)
	}
	a.shallow = cmd.Flags().Changed("deep") && !a.deep
	a.ecrPushRate /= float64(max(w.shard.count, 1))
	client := a.client(w.images...)
	defer client.Close()
	store := a.cache()
	defer store.Close()
	var writers registry.Writers
	var keep reconcile.Trash
	if !flags.dryRun {
		writers = kinds.NewWriters(client)
		var done func()
		keep, done = a.trash(run)
		defer done()
	}
	out.metered.client, out.metered.cache = client, store
	done, err := a.reconcile(cmd.Context(), job{
		Job:    reconcile.Job{Readers: store.Readers(client, w.images), Writers: writers, Trash: keep, Saved: w.plans, Former: flags.dryRun, Recorded: former, Planned: store.Release},
		images: w.images, out: out, record: record, client: client,
	})
	if err != nil {
		return record.close(err)
	}
	if flags.plan != "" && done.stale {
		a.warn("the registry has changed since %s was made; to plan again, with the other flags as they are: %s", flags.plan, a.again(flags.plan))
	}
	if flags.dryRun && done.deletes {
		a.checkTrash()
	}
	return record.close(done.exit(flags.detailed))
}
