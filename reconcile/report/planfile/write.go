package planfile

import (
	"slices"

	"tagline/config"
	"tagline/reconcile"
	"tagline/reconcile/registry"
	"tagline/reconcile/report"
)

// JSON returns plan.json. For a dry run, this is the saved plan that [Read]
// reads.
func JSON(run report.Run) []byte {
	file := planFile{
		FormatVersion: report.FormatVersion, TaglineVersion: run.Version, ConfigSHA256: run.ConfigSHA256, DryRun: run.DryRun,
		Repositories: []planRepository{}, Findings: findingsOf(run.Findings), Errors: []planError{},
	}
	for _, f := range run.Findings {
		if !f.Warning {
			file.Errors = append(file.Errors, planError{Alias: f.Alias, Message: f.Error()})
		}
	}
	for _, message := range run.Failures {
		file.Errors = append(file.Errors, planError{Message: message})
	}
	file.Shard = jsonShard(run.Shard)
	for _, r := range run.Repositories {
		file.Repositories = append(file.Repositories, jsonRepository(r))
		if run.Shard != nil {
			file.Repositories[len(file.Repositories)-1].Places = placesOf(run, r)
		}
		for _, e := range r.Errors {
			file.Errors = append(file.Errors, planError{r.Repository.String(), e.Alias, e.Message, e.Cause})
		}
	}
	return report.Encode(file)
}

func jsonShard(s *report.Shard) *planShard {
	if s == nil {
		return nil
	}
	out := &planShard{
		Index: s.Index, Count: s.Count, Limited: s.Limited, Started: s.Started.UTC(), Ended: s.Ended.UTC(), Requests: []planRequests{},
		Retries: s.Retries, BytesReceived: s.BytesReceived, BytesSent: s.BytesSent, CacheHits: s.CacheHits, CacheMisses: s.CacheMisses,
	}
	for _, r := range slices.SortedFunc(slices.Values(s.Requests), report.Requests.Compare) {
		out.Requests = append(out.Requests, planRequests(r))
	}
	return out
}

// placesOf returns where an image and the aliases that its plan changes, or could not
// decide, are in images.yaml. A report names these places.
func placesOf(run report.Run, r report.Repository) []planPlace {
	i := slices.IndexFunc(run.Images, func(image config.Image) bool { return image.Repository == r.Repository })
	if i < 0 {
		return nil
	}
	told := map[string]bool{}
	for _, p := range r.Pushes {
		told[p.Tag] = true
	}
	for _, d := range r.DeleteTags {
		told[d.Tag] = true
	}
	for _, e := range r.Errors {
		told[e.Alias] = true
	}
	place := func(alias string, at config.Pos) planPlace { return planPlace{alias, at.File, at.Line, at.Column} }
	all := []planPlace{place("", run.Images[i].Pos)}
	for _, alias := range run.Images[i].Aliases {
		if told[alias.Tag] {
			all = append(all, place(alias.Tag, alias.Pos))
		}
	}
	return all
}

func jsonRepository(r report.Repository) planRepository {
	out := planRepository{
		Repository: r.Repository.String(), Image: r.Image,
		Pushes: []planPush{}, DeleteTags: []planDeleteTag{}, DeleteManifests: []planDeleteManifest{},
		Violations: findingsOf(r.Violations), Warnings: findingsOf(r.Warnings), InSync: list(r.InSync), LeftAlone: r.LeftAlone,
		Stranded: r.Stranded,
	}
	for i, p := range r.Pushes {
		out.Pushes = append(out.Pushes, jsonPush(p, r.Choices, jsonOutcome(r.Pushed, i)))
	}
	for i, d := range r.DeleteTags {
		out.DeleteTags = append(out.DeleteTags, planDeleteTag{d.Tag, report.OrNull(d.Old), d.Reason, d.Emptied, d.Last, jsonOutcome(r.Deleted, i)})
	}
	for i, d := range r.DeleteManifests {
		out.DeleteManifests = append(out.DeleteManifests, planDeleteManifest{d.Digest, d.Kind, d.Reason, d.Bytes, d.Parents, d.Tags, jsonOutcome(r.Removed, i)})
	}
	for i, k := range r.Required {
		required := planRequired{
			Digest: k.Digest, MediaType: k.MediaType, Manifest: string(k.Manifest), Tags: list(k.Tags), Needed: k.Needed, Lost: k.Lost,
		}
		if !report.Already(r.Ensured, i) || r.Ensured[i].Err != nil { // otherwise nothing had to be done
			required.planOutcome = jsonOutcome(r.Ensured, i)
		}
		out.Required = append(out.Required, required)
	}
	for _, t := range r.Tags {
		out.Tags = append(out.Tags, planTag(t))
	}
	if r.Swept != (reconcile.Swept{}) {
		swept := planSwept(r.Swept)
		out.Swept = &swept
	}
	return out
}

// jsonPush returns a push, with the candidates of its alias among the choices.
func jsonPush(p reconcile.Push, choices []reconcile.Choice, o planOutcome) planPush {
	push := planPush{
		Tag: p.Tag, Old: report.OrNull(p.Old), OldType: p.OldType, New: p.New, MediaType: p.MediaType, Manifest: string(p.Manifest),
		Platforms: []planPlatform{}, Candidates: []planCandidate{}, Copies: []planCopy{}, Follows: list(p.Follows), Purged: p.Purged,
		planOutcome: o,
	}
	for _, c := range p.Platforms {
		push.Platforms = append(push.Platforms, planPlatform(c))
	}
	for _, c := range choices {
		for _, candidate := range c.Candidates {
			if c.Alias == p.Tag {
				push.Candidates = append(push.Candidates, planCandidate(candidate))
			}
		}
	}
	for _, c := range p.Copies {
		push.Copies = append(push.Copies, planCopy{c.From.String(), c.Digest})
	}
	for _, f := range p.Referrers {
		push.Referrers = append(push.Referrers, planReferrer{f.From.String(), f.With, f.Subject, f.Digest, f.Kind, f.Tag, f.MediaType, string(f.Manifest)})
	}
	return push
}

func jsonOutcome(outcomes []reconcile.Outcome, i int) planOutcome {
	err, yes := report.Tried(outcomes, i)
	switch {
	case !yes:
		return planOutcome{}
	case err == nil:
		return planOutcome{Outcome: report.Done, Already: report.Already(outcomes, i)}
	}
	return planOutcome{Outcome: report.OutcomeOf(err), Error: registry.Line(err), Cause: registry.Cause(err)}
}

func findingsOf(from []*config.Finding) []planFinding {
	all := []planFinding{}
	for _, f := range from {
		all = append(all, planFinding{string(f.ID), f.Alias, f.Pos.File, f.Pos.Line, f.Pos.Column, f.Warning, f.Source, f.Message})
	}
	return all
}

// list never returns nil, so that JSON has an empty array instead of null.
func list(texts []string) []string { return append([]string{}, texts...) }
