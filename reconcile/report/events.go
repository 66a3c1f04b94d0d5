package report

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"tagline/reconcile"
	"tagline/reconcile/registry"
)

// planned is the outcome of an action in a dry run.
const planned = "planned"

// LogActions logs a line for each action of a repository. An action that was not
// done is an error.
func LogActions(log *slog.Logger, plan reconcile.Plan, result reconcile.Result) {
	log = log.With("repository", plan.Repository.String())
	action := func(what string, outcomes []reconcile.Outcome, i int, args ...any) {
		err, yes := Tried(outcomes, i)
		switch {
		case !yes:
			log.Info(what, append(args, "outcome", planned)...)
		case Already(outcomes, i): // by another run
		case err != nil:
			log.Error(what, append(args, "outcome", OutcomeOf(err), "error", Printable(registry.Line(err)))...)
		default:
			log.Info(what, append(args, "outcome", Done)...)
		}
	}
	for i, p := range plan.Pushes {
		err, _ := Tried(result.Pushed, i)
		for _, c := range p.Copies {
			if err != nil {
				break // whether it was copied is not known
			}
			action("copy", result.Pushed, i, "tag", p.Tag, "from", c.From.String(), "digest", c.Digest)
		}
		action("push", result.Pushed, i, "tag", p.Tag, "old", p.Old, "new", p.New)
	}
	for i, d := range plan.DeleteTags {
		action("delete", result.Deleted, i, "tag", d.Tag, "old", d.Old)
	}
	for i, d := range plan.DeleteManifests {
		action("delete", result.Removed, i, "digest", d.Digest)
	}
	for i, k := range plan.Required {
		if isPutBack(k, result.Ensured, i) || i < len(result.Ensured) && result.Ensured[i].Err != nil {
			action("put back", result.Ensured, i, "digest", k.Digest)
		}
	}
	for _, e := range plan.Errors {
		log.Error("plan", "tag", e.Alias, "outcome", Failed, "error", Printable(e.Message))
	}
	for _, v := range plan.Violations {
		log.Info("blocked", "tag", v.Alias, "id", string(v.ID), "error", Printable(v.Message))
	}
}

// LogRestored logs a line for each manifest and tag of a repository that restore puts
// back, or can't.
func LogRestored(log *slog.Logger, r reconcile.Restored, dryRun bool) {
	log = log.With("repository", r.Repository.String())
	for _, o := range slices.Concat(r.Manifests, r.Tags) {
		of := []any{"digest", o.Digest}
		if o.Tag != "" {
			of = []any{"tag", o.Tag, "old", o.Was, "new", o.Digest}
		}
		switch {
		case o.Already:
		case o.Err != nil:
			log.Error("restore", append(of, "outcome", OutcomeOf(o.Err), "error", Printable(registry.Line(o.Err)))...)
		case o.Blocked != "":
			log.Info("restore", append(of, "outcome", "blocked", "error", Printable(o.Blocked))...)
		case dryRun:
			log.Info("restore", append(of, "outcome", planned)...)
		default:
			log.Info("restore", append(of, "outcome", Done)...)
		}
	}
}

// LogRestoreEnd logs how a restore ended.
func LogRestoreEnd(log *slog.Logger, all []reconcile.Restored, dryRun bool, exitCode int, lasted time.Duration) {
	n := countRestored(all)
	end(log, exitCode, dryRun, lasted, "tags_restored", n.tags, "manifests_restored", n.manifests, "blocked", n.blocked, "failed", n.failed)
}

// end logs the last line of a run.
func end(log *slog.Logger, exitCode int, dryRun bool, lasted time.Duration, counts ...any) {
	level := slog.LevelInfo
	if exitCode == 1 {
		level = slog.LevelError
	}
	log.Log(context.Background(), level, "run ended", append([]any{"exit_code", exitCode, "dry_run", dryRun, "duration_seconds", lasted.Seconds()}, counts...)...)
}

// LogEnd logs how a run ended.
func LogEnd(log *slog.Logger, run Run, costs Costs, n Actions) {
	end(log, run.ExitCode, run.DryRun, costs.Ended.Sub(costs.Started),
		"pushed", n.Pushed, "tags_deleted", n.TagsDeleted, "manifests_deleted", n.ManifestsDeleted, "put_back", n.PutBack,
		"pending", n.Pending, "in_sync", n.InSync, "left_alone", n.LeftAlone, "blocked", n.Blocked, "failed", n.Failed)
}
