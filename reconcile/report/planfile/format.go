// Package planfile writes and reads plan.json: the report of a run for programs, the
// saved plan that an apply carries out, and the report of a part of a run.
package planfile

import "time"

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
	Stranded        []string             `json:"stranded,omitempty"`
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
