package report

import (
	"slices"
	"time"

	"tagline/config"
	"tagline/reconcile"
	"tagline/reconcile/registry"
)

// planFile is the format of plan.json. plan.schema.json describes it to other
// programs; a test compares the two.
type planFile struct {
	FormatVersion  string           `json:"format_version"`
	TaglineVersion string           `json:"tagline_version"`
	ConfigSHA256   string           `json:"config_sha256"`
	DryRun         bool             `json:"dry_run"`
	Shard          *planShard       `json:"shard,omitempty"`
	Repositories   []planRepository `json:"repositories"`
	Findings       []planFinding    `json:"findings"`
	Errors         []planError      `json:"errors"`
}

// planShard says which part of a run this is, and what join needs to know of it.
type planShard struct {
	Index         int            `json:"index"`
	Count         int            `json:"count"`
	Limited       bool           `json:"limited,omitempty"`
	Started       time.Time      `json:"started"`
	Ended         time.Time      `json:"ended"`
	Requests      []planRequests `json:"requests"`
	Retries       int64          `json:"retries"`
	BytesReceived int64          `json:"received_bytes"`
	BytesSent     int64          `json:"sent_bytes"`
	CacheHits     int64          `json:"cache_hits"`
	CacheMisses   int64          `json:"cache_misses"`
}

type planRequests struct {
	Method string `json:"method"`
	Kind   string `json:"kind"`
	Status int    `json:"status"`
	Count  int64  `json:"count"`
}

type planPlace struct {
	Alias  string `json:"alias"`
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
}

type planRepository struct {
	Repository      string               `json:"repository"`
	Image           string               `json:"image"`
	Pushes          []planPush           `json:"pushes"`
	DeleteTags      []planDeleteTag      `json:"delete_tags"`
	DeleteManifests []planDeleteManifest `json:"delete_manifests"`
	Required        []planRequired       `json:"keeps,omitempty"`
	Violations      []planFinding        `json:"violations"`
	Warnings        []planFinding        `json:"warnings"`
	InSync          []string             `json:"in_sync"`
	LeftAlone       []string             `json:"left_alone,omitempty"`
	Tags            []planTag            `json:"tags,omitempty"`
	Swept           *planSwept           `json:"swept,omitempty"`
	Places          []planPlace          `json:"places,omitempty"`
}

type planPush struct {
	Tag        string          `json:"tag"`
	Old        *string         `json:"old"`
	OldType    string          `json:"old_media_type,omitempty"`
	New        string          `json:"new"`
	MediaType  string          `json:"media_type"`
	Manifest   string          `json:"manifest"`
	Platforms  []planPlatform  `json:"platforms"`
	Candidates []planCandidate `json:"candidates"`
	Copies     []planCopy      `json:"copies"`
	Referrers  []planReferrer  `json:"referrers,omitempty"`
	Follows    []string        `json:"follows"`
	Purged     int             `json:"purged,omitempty"`
	planOutcome
}

type planPlatform struct {
	Platform        string `json:"platform"`
	Source          string `json:"source"`
	SourceDigest    string `json:"source_digest"`
	Origin          string `json:"origin,omitempty"`
	Digest          string `json:"digest"`
	OldSource       string `json:"old_source,omitempty"`
	OldDigest       string `json:"old_digest,omitempty"`
	Attestations    int    `json:"attestations,omitempty"`
	OldAttestations int    `json:"old_attestations,omitempty"`
	Companions      int    `json:"companions,omitempty"`
	OldCompanions   int    `json:"old_companions,omitempty"`
	Moved           bool   `json:"moved,omitempty"`
	Behind          string `json:"behind,omitempty"`
}

type planCandidate struct {
	Tag      string `json:"tag"`
	Platform string `json:"platform"`
	Reason   string `json:"reason"`
}

type planCopy struct {
	From   string `json:"from"`
	Digest string `json:"digest"`
}

type planReferrer struct {
	From      string `json:"from"`
	With      string `json:"with"`
	Subject   string `json:"subject"`
	Digest    string `json:"digest"`
	Kind      string `json:"kind"`
	Tag       string `json:"tag,omitempty"`
	MediaType string `json:"media_type,omitempty"`
	Manifest  string `json:"manifest,omitempty"`
}

type planDeleteTag struct {
	Tag     string  `json:"tag"`
	Old     *string `json:"old"`
	Reason  string  `json:"reason"`
	Emptied bool    `json:"emptied,omitempty"`
	Last    bool    `json:"last,omitempty"`
	planOutcome
}

type planDeleteManifest struct {
	Digest  string   `json:"digest"`
	Kind    string   `json:"kind"`
	Reason  string   `json:"reason"`
	Bytes   int64    `json:"bytes"`
	Parents []string `json:"parents,omitempty"`
	Tags    []string `json:"tags,omitempty"`
	planOutcome
}

type planRequired struct {
	Digest    string   `json:"digest"`
	MediaType string   `json:"media_type,omitempty"`
	Manifest  string   `json:"manifest,omitempty"`
	Tags      []string `json:"tags"`
	Needed    string   `json:"needed,omitempty"`
	Lost      bool     `json:"lost,omitempty"`
	planOutcome
}

type planTag struct {
	Tag    string `json:"tag"`
	Digest string `json:"digest"`
}

type planSwept struct {
	Tags      int  `json:"tags"`
	Manifests int  `json:"manifests"`
	Unlisted  bool `json:"unlisted,omitempty"`
	Held      int  `json:"held,omitempty"`
	Waiting   int  `json:"waiting,omitempty"`
	Listed    int  `json:"listed,omitempty"`
}

// planOutcome is the outcome of an action. A dry run has none.
type planOutcome struct {
	Outcome string `json:"outcome,omitempty"`
	Already bool   `json:"already,omitempty"`
	Error   string `json:"error,omitempty"`
	Cause   string `json:"cause,omitempty"`
}

type planFinding struct {
	ID      string `json:"id"`
	Alias   string `json:"alias"`
	File    string `json:"file"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Warning bool   `json:"warning,omitempty"`
	Source  string `json:"source,omitempty"`
	Message string `json:"message"`
}

type planError struct {
	Repository string `json:"repository"`
	Alias      string `json:"alias"`
	Message    string `json:"message"`
	Cause      string `json:"cause,omitempty"`
}

// JSON returns plan.json. For a dry run, this is the saved plan that [ReadPlan]
// reads.
func JSON(run Run) []byte {
	file := planFile{
		FormatVersion: FormatVersion, TaglineVersion: run.Version, ConfigSHA256: run.ConfigSHA256, DryRun: run.DryRun,
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
			file.Repositories[len(file.Repositories)-1].Places = run.places(r)
		}
		for _, e := range r.Errors {
			file.Errors = append(file.Errors, planError{r.Repository.String(), e.Alias, e.Message, e.Cause})
		}
	}
	return encode(file)
}

func jsonShard(s *Shard) *planShard {
	if s == nil {
		return nil
	}
	out := &planShard{
		Index: s.Index, Count: s.Count, Limited: s.Limited, Started: s.Started.UTC(), Ended: s.Ended.UTC(), Requests: []planRequests{},
		Retries: s.Retries, BytesReceived: s.BytesReceived, BytesSent: s.BytesSent, CacheHits: s.CacheHits, CacheMisses: s.CacheMisses,
	}
	for _, r := range slices.SortedFunc(slices.Values(s.Requests), Requests.compare) {
		out.Requests = append(out.Requests, planRequests(r))
	}
	return out
}

// places returns where an image and the aliases that its plan changes, or could not
// decide, are in images.yaml. A report names these places.
func (run *Run) places(r Repository) []planPlace {
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

func jsonRepository(r Repository) planRepository {
	out := planRepository{
		Repository: r.Repository.String(), Image: r.Image,
		Pushes: []planPush{}, DeleteTags: []planDeleteTag{}, DeleteManifests: []planDeleteManifest{},
		Violations: findingsOf(r.Violations), Warnings: findingsOf(r.Warnings), InSync: list(r.InSync), LeftAlone: r.LeftAlone,
	}
	for i, p := range r.Pushes {
		push := planPush{
			Tag: p.Tag, Old: pointer(p.Old), OldType: p.OldType, New: p.New, MediaType: p.MediaType, Manifest: string(p.Manifest),
			Platforms: []planPlatform{}, Candidates: []planCandidate{}, Copies: []planCopy{}, Follows: list(p.Follows), Purged: p.Purged,
			planOutcome: jsonOutcome(r.Pushed, i),
		}
		for _, c := range p.Platforms {
			push.Platforms = append(push.Platforms, planPlatform(c))
		}
		for _, c := range r.Choices {
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
		out.Pushes = append(out.Pushes, push)
	}
	for i, d := range r.DeleteTags {
		out.DeleteTags = append(out.DeleteTags, planDeleteTag{d.Tag, pointer(d.Old), d.Reason, d.Emptied, d.Last, jsonOutcome(r.Deleted, i)})
	}
	for i, d := range r.DeleteManifests {
		out.DeleteManifests = append(out.DeleteManifests, planDeleteManifest{d.Digest, d.Kind, d.Reason, d.Bytes, d.Parents, d.Tags, jsonOutcome(r.Removed, i)})
	}
	for i, k := range r.Required {
		required := planRequired{
			Digest: k.Digest, MediaType: k.MediaType, Manifest: string(k.Manifest), Tags: list(k.Tags), Needed: k.Needed, Lost: k.Lost,
		}
		if !isAlready(r.Ensured, i) || r.Ensured[i].Err != nil { // otherwise nothing had to be done
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

func jsonOutcome(outcomes []reconcile.Outcome, i int) planOutcome {
	err, yes := tried(outcomes, i)
	switch {
	case !yes:
		return planOutcome{}
	case err == nil:
		return planOutcome{Outcome: done, Already: isAlready(outcomes, i)}
	}
	return planOutcome{Outcome: outcome(err), Error: registry.Line(err), Cause: registry.Cause(err)}
}

func findingsOf(from []*config.Finding) []planFinding {
	all := []planFinding{}
	for _, f := range from {
		all = append(all, planFinding{string(f.ID), f.Alias, f.Pos.File, f.Pos.Line, f.Pos.Column, f.Warning, f.Source, f.Message})
	}
	return all
}
