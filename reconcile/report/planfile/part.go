package planfile

import (
	"fmt"
	"slices"

	"tagline/config"
	"tagline/reconcile"
	"tagline/reconcile/registry"
	"tagline/reconcile/report"
)

// ReadPart parses the JSON report of a part of a run, see [report.Shard]. Like [Read],
// it treats the file as untrusted input and returns all problems at once. The images of
// the run are those whose places a report may tell.
func ReadPart(data []byte) (report.Run, []error) {
	file, problems := parseFile(data)
	if len(problems) > 0 {
		return report.Run{}, problems
	}
	r := planReader{failures: map[string][]reconcile.Failure{}}
	run := report.Run{Version: file.TaglineVersion, ConfigSHA256: file.ConfigSHA256, DryRun: file.DryRun}
	if file.ConfigSHA256 != "" && !sha256Pattern.MatchString(file.ConfigSHA256) {
		r.problem("config_sha256", "%q is no SHA-256", file.ConfigSHA256)
	}
	run.Shard = r.shard(file.Shard)
	run.Findings, run.Failures = r.stopped(file)
	var plans []reconcile.Plan
	for i, repository := range file.Repositories {
		at := fmt.Sprintf("repositories[%d]", i)
		plan := r.repository(at, repository)
		plans = append(plans, plan)
		run.Repositories = append(run.Repositories, report.Repository{Plan: plan, Result: r.result(at, repository, file.DryRun)})
		run.Images = append(run.Images, placed(plan, repository.Places))
	}
	r.eachOnce(plans)
	if len(r.found) > 0 {
		return report.Run{}, r.sorted()
	}
	return run, nil
}

// shard reads which part of a run it is, and what the part has cost.
func (r *planReader) shard(from *planShard) *report.Shard {
	if from == nil {
		r.problem("", "it is not the report of a part; apply --shard I/N -o json=FILE writes one")
		return nil
	}
	s := &report.Shard{Index: from.Index, Count: from.Count, Limited: from.Limited, Costs: report.Costs{
		BytesSent: from.BytesSent, BytesReceived: from.BytesReceived, Retries: from.Retries, CacheHits: from.CacheHits, CacheMisses: from.CacheMisses,
		Started: from.Started, Ended: from.Ended,
	}}
	for _, n := range from.Requests {
		s.Requests = append(s.Requests, report.Requests(n))
	}
	if s.Count < 1 || s.Index < 0 || s.Index >= s.Count {
		r.problem("shard", "there is no part %d/%d", s.Index, s.Count)
	}
	return s
}

// stopped returns the findings of a run, and why else it stopped. The errors have the
// findings once more, but for warnings, and first. Those of a repository are failures
// of its plan.
func (r *planReader) stopped(file planFile) (found []*config.Finding, failures []string) {
	repeated := 0
	for _, f := range file.Findings {
		found = append(found, r.findings([]planFinding{f}, f.Warning)...)
		if !f.Warning {
			repeated++
		}
	}
	for _, e := range file.Errors {
		switch {
		case e.Repository != "":
			r.failures[e.Repository] = append(r.failures[e.Repository], reconcile.Failure{Alias: e.Alias, Message: e.Message, Cause: e.Cause})
		case repeated > 0:
			repeated--
		default:
			failures = append(failures, e.Message)
		}
	}
	return found, failures
}

// placed returns an image and its aliases, where they are in images.yaml.
func placed(plan reconcile.Plan, places []planPlace) config.Image {
	image := config.Image{Name: plan.Image, Repository: plan.Repository}
	for _, p := range places {
		pos := config.Pos{File: p.File, Line: p.Line, Column: p.Column}
		if p.Alias == "" {
			image.Pos = pos
		} else {
			image.Aliases = append(image.Aliases, config.Alias{Tag: p.Alias, Pos: pos})
		}
	}
	return image
}

// result reads what became of the actions of a repository.
func (r *planReader) result(at string, from planRepository, dryRun bool) reconcile.Result {
	var result reconcile.Result
	for i, p := range from.Pushes {
		r.outcome(&result.Pushed, fmt.Sprintf("%s.pushes[%d]", at, i), p.Tag, p.planOutcome, dryRun)
	}
	for i, d := range from.DeleteTags {
		r.outcome(&result.Deleted, fmt.Sprintf("%s.delete_tags[%d]", at, i), d.Tag, d.planOutcome, dryRun)
	}
	for i, d := range from.DeleteManifests {
		r.outcome(&result.Removed, fmt.Sprintf("%s.delete_manifests[%d]", at, i), d.Digest, d.planOutcome, dryRun)
	}
	for i, k := range from.Required {
		if !dryRun && k.Outcome == "" { // it was there
			k.Outcome, k.Already = report.Done, true
		}
		r.outcome(&result.Ensured, fmt.Sprintf("%s.keeps[%d]", at, i), k.Digest, k.planOutcome, dryRun)
	}
	return result
}

// outcome adds what became of an action. Each has an outcome, but for those of a dry
// run.
func (r *planReader) outcome(to *[]reconcile.Outcome, at, tag string, o planOutcome, dryRun bool) {
	is, known := map[string]error{
		report.Done: nil, report.Failed: nil, report.Stale: reconcile.ErrStale, report.Skipped: reconcile.ErrSkipped, report.Unsupported: registry.ErrUnsupported,
	}[o.Outcome]
	switch {
	case dryRun && o == (planOutcome{}):
		return
	case dryRun:
		r.problem(at+".outcome", "it is %q, and a dry run has none", o.Outcome)
	case !known:
		r.problem(at+".outcome", "%q is not known", o.Outcome)
	case o.Outcome == report.Done:
		*to = append(*to, reconcile.Outcome{Tag: tag, Already: o.Already})
	default:
		*to = append(*to, reconcile.Outcome{Tag: tag, Err: &recorded{o.Error, o.Cause, is}, Already: o.Already})
	}
}

// recorded is an error of an earlier run.
type recorded struct {
	text, cause string
	is          error // what it wraps, if anything
}

func (r *recorded) Error() string { return r.text }
func (r *recorded) Cause() string { return r.cause }
func (r *recorded) Unwrap() error { return r.is }

// Join makes one run of its parts, which have the same images.yaml and no repository
// in common. What is wrong with images.yaml is said once, although each part says it.
func Join(version string, parts []report.Run) (whole report.Run, costs report.Costs) {
	whole = report.Run{Version: version}
	for _, part := range parts {
		whole.ConfigSHA256, whole.DryRun = part.ConfigSHA256, part.DryRun
		whole.Repositories = append(whole.Repositories, part.Repositories...)
		whole.Images = append(whole.Images, part.Images...)
		whole.Findings = others(whole.Findings, part.Findings, func(a, b *config.Finding) bool { return *a == *b })
		whole.Failures = others(whole.Failures, part.Failures, func(a, b string) bool { return a == b })
		costs.Add(part.Shard.Costs)
	}
	sortRepositories(whole.Repositories)
	whole.Listed = len(whole.Images)
	return whole, costs
}

// sortRepositories puts repositories in the order of images.
func sortRepositories(all []report.Repository) {
	slices.SortFunc(all, func(a, b report.Repository) int { return a.Repository.Compare(b.Repository) })
}

// others adds what is not among all yet.
func others[T any](all, more []T, same func(a, b T) bool) []T {
	known := len(all)
	for _, m := range more {
		if !slices.ContainsFunc(all[:known], func(a T) bool { return same(a, m) }) {
			all = append(all, m)
		}
	}
	return all
}
