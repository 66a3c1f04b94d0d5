// Package registry is the vocabulary of registries: what one can be asked
// ([Reader]) and told ([Writer]), what it answers, and the manifests it holds.
// Backends implement it and the planner uses it, so neither has to know the
// other: a backend cannot name a plan, a plan cannot name a backend.
package registry

import (
	"context"
	"time"

	"tagline/config"
)

// Answer is what a registry said to one question of a batch.
type Answer[T any] struct {
	Value T
	Err   error // wraps ErrNotFound only for what certainly does not exist
}

// Descriptor is what a registry says of a manifest without sending it.
type Descriptor struct {
	Digest       string // "sha256:…"
	MediaType    string
	ArtifactType string // of a referrer, where the registry says it
	Size         int64  // bytes; 0 where the registry doesn't say
	Archived     bool   // see [ErrArchived]
}

// Readers opens repositories for reading.
type Readers interface {
	Reader(config.Repository) Reader
}

// Reader reads one repository. Its methods take a batch, since Amazon ECR
// answers a hundred questions a call, and return one answer for each question,
// in order. They are safe for concurrent use. A cancelled context shows as the
// error of every answer that is still open.
type Reader interface {
	// Resolve tells what tags name now, as cheaply as the registry allows, and
	// of digests whether they are there. No cache answers it.
	Resolve(ctx context.Context, tags []string) []Answer[Descriptor]
	// Listed tells whether Resolve answers for hundreds of tags in one request.
	// Then it pays to ask what a tag names before its manifest is fetched.
	Listed() bool
	// Manifests fetches manifests by tag or by digest. Their bytes match
	// their digest, and the digest the registry claimed for them.
	Manifests(ctx context.Context, references []string) []Answer[RawManifest]
	// Configs fetches the config blobs of images by digest, at most 4 MiB
	// each; their bytes match their digests. A cache gives of them what tells
	// the platform, and no more.
	Configs(ctx context.Context, digests []string) []Answer[[]byte]
	// Remembered is Configs without a request, for what a cache has.
	Remembered(digest string) (config []byte, ok bool)
	// Remember tells a cache which platforms configs name, by their digest,
	// where nobody had to read them for it.
	Remember(platforms map[string]config.Platform)
	// HasBlobs reports which blobs the repository has: configs and layers, by
	// digest. No cache answers it.
	HasBlobs(ctx context.Context, digests []string) []Answer[bool]
	// Facts tells what the registry knows of the repository as a whole.
	Facts(ctx context.Context) (Facts, error)
	// Tags lists all tags of the repository, in any order. ErrNotFound if there
	// is no such repository.
	Tags(ctx context.Context) ([]string, error)
	// Referrers lists the manifests whose subject is the digest, by the
	// referrers API or the fallback tag. None is an empty list.
	Referrers(ctx context.Context, digest string) ([]Descriptor, error)
	// Inventory lists every manifest of the repository, tagged or not, each
	// once. ErrNotFound if there is no such repository. ErrUnsupported where
	// only tags can be listed, as by the OCI distribution protocol.
	Inventory(ctx context.Context) (Inventory, error)
}

// Forgetful is for a [Reader] without a cache.
type Forgetful struct{}

// Remembered is nothing.
func (Forgetful) Remembered(string) ([]byte, bool) { return nil, false }

// Remember does nothing.
func (Forgetful) Remember(map[string]config.Platform) {}

// Inventory is all that a repository holds.
type Inventory struct {
	Manifests []StoredManifest // in any order
	Now       time.Time        // by the registry's clock, when it answered
}

// StoredManifest is a manifest as a registry lists it.
type StoredManifest struct {
	Descriptor
	Tags   []string
	Pushed time.Time // by the registry's clock; a tag that comes later does not change it
}

// RawManifest is a manifest as a registry sent it.
type RawManifest struct {
	Digest    string // of Body
	MediaType string // the Content-Type it came with
	Body      []byte
}

// Writers opens repositories for writing. A dry run has none.
type Writers interface {
	Writer(config.Repository) Writer
}

// Writer changes one repository. Its Resolve and Tags read past every cache.
type Writer interface {
	// Resolve is [Reader.Resolve].
	Resolve(ctx context.Context, tags []string) []Answer[Descriptor]
	// Tags is [Reader.Tags].
	Tags(ctx context.Context) ([]string, error)
	// Copy brings a manifest and all that it refers to into this repository,
	// children first, under no tag: blobs are mounted where both repositories
	// are of one registry and it offers that, else copied.
	Copy(ctx context.Context, from config.Repository, digest string) error
	// AtOnce is how many tags Put and DeleteTags write at the same time. More
	// would wait for each other.
	AtOnce() int
	// Put pushes manifests under their tags, and those without a tag by their
	// digest; all that they refer to is in the
	// repository already. A nil error means that the registry took it and named
	// no other digest.
	Put(ctx context.Context, pushes []TaggedManifest) []error
	// DeleteTags removes tags. Like Put, it begins nothing once its context is
	// cancelled, and lets what has begun come to its end. What they named stays,
	// untagged if that was its last tag; but Amazon ECR deletes an image with
	// its last tag. A tag that is gone already is no error. ErrUnsupported where
	// the registry deletes by digest alone.
	DeleteTags(ctx context.Context, tags []string) []error
	// DeleteManifests removes manifests by digest, and with each every tag that
	// names it at that moment: the caller knows of none. What an index lists and
	// the blobs of an image stay behind, and so do its referrers. It begins
	// nothing once its context is cancelled. One that is gone already is no
	// error; one that an index still lists is, where the registry minds (Amazon
	// ECR does). ErrUnsupported where the registry deletes nothing by digest.
	DeleteManifests(ctx context.Context, digests []string) []error
}

// TaggedManifest is a manifest and the tag it goes under. One without a tag is
// pushed by its digest, and no tag changes.
type TaggedManifest struct {
	Tag      string
	Manifest RawManifest
}
