package report

import (
	"context"
	"log/slog"

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
		err, yes := tried(outcomes, i)
		switch {
		case !yes:
			log.Info(what, append(args, "outcome", planned)...)
		case isAlready(outcomes, i): // by another run
		case err != nil:
			log.Error(what, append(args, "outcome", outcome(err), "error", Printable(registry.Line(err)))...)
		default:
			log.Info(what, append(args, "outcome", done)...)
		}
	}
	for i, p := range plan.Pushes {
		err, _ := tried(result.Pushed, i)
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
		log.Error("plan", "tag", e.Alias, "outcome", failed, "error", Printable(e.Message))
	}
	for _, v := range plan.Violations {
		log.Info("blocked", "tag", v.Alias, "id", string(v.ID), "error", Printable(v.Message))
	}
}

// LogEnd logs how a run ended.
func LogEnd(log *slog.Logger, run Run, costs Costs, n Actions) {
	level := slog.LevelInfo
	if run.ExitCode == 1 {
		level = slog.LevelError
	}
	log.Log(context.Background(), level, "run ended", "exit_code", run.ExitCode, "dry_run", run.DryRun,
		"duration_seconds", costs.Ended.Sub(costs.Started).Seconds(),
		"pushed", n.Pushed, "tags_deleted", n.TagsDeleted, "manifests_deleted", n.ManifestsDeleted, "put_back", n.PutBack,
		"pending", n.Pending, "in_sync", n.InSync, "left_alone", n.LeftAlone, "blocked", n.Blocked, "failed", n.Failed)
}
