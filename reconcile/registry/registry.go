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

// Answer is the answer to one question of a batch: a value or an error.
type Answer[T any] struct {
	Value T     // zero if Err is not nil
	Err   error // wraps ErrNotFound only for what certainly does not exist
}

// Descriptor is what a registry says about a manifest without sending it.
type Descriptor struct {
	Digest       string // "sha256:…"
	MediaType    string // "" if the registry doesn't say
	ArtifactType string // of a referrer, if the registry says it
	Size         int64  // of the manifest in bytes; 0 if the registry doesn't say
	Archived     bool   // see [ErrArchived]
}

// Readers opens repositories for reading.
type Readers interface {
	// Reader opens a repository. It sends no request.
	Reader(config.Repository) Reader
}

// Reader reads one repository. Its methods are safe for concurrent use.
//
// Methods that take a batch return one answer for each question, in the order
// of the questions. A question may stand twice; an empty batch sends no request.
// The error of one answer says nothing about the others.
//
// Once the context has ended, every question that is still open gets an error
// that wraps the context's, and no request is sent. Later questions with another
// context are answered as usual.
//
// Errors that wrap none of the errors of this package mean that the answer is
// not known: no connection, a refused login, a broken body. They wrap a
// [HostError] if the whole host is concerned.
//
// If the repository does not exist, ErrNotFound comes with ErrNoRepository where
// the registry says so. Over HTTP, Resolve can't tell: the answer to a HEAD has
// no message.
type Reader interface {
	// Resolve returns what tags or digests name now, by the cheapest request
	// that the registry has. No cache of another run answers it. An archived
	// manifest is an answer with Archived set.
	//
	// Errors: ErrNotFound for a tag or digest that does not exist.
	Resolve(ctx context.Context, references []string) []Answer[Descriptor]
	// Listed reports whether Resolve answers for hundreds of tags in one
	// request. If so, it pays to resolve a tag before its manifest is fetched.
	Listed() bool
	// Manifests fetches manifests by tag or by digest, exactly as they were
	// pushed. The bytes match the digest. A cache may answer for a digest whose
	// manifest has been deleted.
	//
	// Errors: ErrNotFound for a tag or digest that does not exist; ErrArchived
	// for a manifest that exists and can't be pulled.
	Manifests(ctx context.Context, references []string) []Answer[RawManifest]
	// Configs fetches the config blobs of images by digest. The bytes match the
	// digest; a blob of more than 4 MiB is an error. A cache returns only the
	// part that states the platform.
	//
	// Errors: ErrNotFound for a digest that does not exist.
	Configs(ctx context.Context, digests []string) []Answer[[]byte]
	// HasBlobs reports which blobs, configs and layers, the repository has, by
	// digest. No cache answers it.
	HasBlobs(ctx context.Context, digests []string) []Answer[bool]
	// Facts returns what the registry states about the repository as a whole;
	// the OCI distribution protocol states nothing, so the zero Facts. A
	// repository that does not exist is Facts.Missing where a push would not
	// create it, and no error.
	Facts(ctx context.Context) (Facts, error)
	// Tags lists all tags of the repository, each once, in any order. The list
	// is complete, or there is an error.
	//
	// Errors: ErrNotFound if there is no such repository. olareg returns an empty
	// list instead. CNCF distribution returns ErrNotFound, with ErrNoRepository,
	// for a repository that has manifests but no tags, too.
	Tags(ctx context.Context) ([]string, error)
	// Referrers lists the manifests whose subject is the digest, in any order,
	// by the referrers API or else the fallback tag. If there are none, or the
	// digest does not exist, the list is empty. A fallback tag may list
	// referrers that have been deleted.
	//
	// Errors: ErrNotFound if there is no such repository (Amazon ECR); over
	// HTTP, the list is empty.
	Referrers(ctx context.Context, digest string) ([]Descriptor, error)
	// Inventory lists every manifest of the repository, tagged or not, each
	// once. The list is complete, or there is an error.
	//
	// Errors: ErrUnsupported if only tags can be listed, as by the OCI
	// distribution protocol; ErrNotFound if there is no such repository.
	Inventory(ctx context.Context) (Inventory, error)
	// Memory returns what earlier runs know of the repository.
	Memory() Memory
}

// Inventory is all that a repository holds.
type Inventory struct {
	Manifests []StoredManifest // in any order
	Now       time.Time        // by the registry's clock, when it answered
}

// StoredManifest is a manifest as a registry lists it.
type StoredManifest struct {
	Descriptor
	Tags   []string  // in any order
	Pushed time.Time // by the registry's clock; a later tag does not change it
	// LastPulled is when the manifest was pulled last, by the registry's clock. It
	// is zero if it never was, or if the registry does not record pulls.
	LastPulled time.Time
}

// Writers opens repositories for writing. A dry run has none.
type Writers interface {
	// Writer opens a repository. It sends no request.
	Writer(config.Repository) Writer
}

// Writer changes one repository. Its methods are safe for concurrent use.
//
// Methods that take a batch return one error or nil for each item, in order; an
// item may stand twice, and a refused item does not stop the others. Once the
// context has ended, no write begins; its error wraps the context's. The write of
// a manifest or a deletion that has begun goes on for up to five seconds (see
// [Finishing]).
//
// An error does not prove that nothing was written: the answer may have been
// lost. Resolve shows what is there.
type Writer interface {
	// Resolve is [Reader.Resolve], and answers from no memory at all.
	Resolve(ctx context.Context, references []string) []Answer[Descriptor]
	// Tags is [Reader.Tags], and answers from no memory at all.
	Tags(ctx context.Context) ([]string, error)
	// Copy brings a manifest and all that it refers to into this repository,
	// children first, under no tag. Blobs are mounted if both repositories are
	// in one registry and it supports that, else copied. Referrers of the
	// manifest are not copied; if it has a subject itself, it is among the referrers
	// of that afterwards. What is there already is left as it is, and what is missing
	// below an index that is there is copied. So is a foreign layer that the source
	// holds; one that it does not hold stays a URL. If Copy fails, some of the parts
	// may stay behind, untagged.
	//
	// Errors: ErrNotFound if the manifest is not in the source repository. They
	// name the manifest and both repositories.
	Copy(ctx context.Context, from config.Repository, digest string) error
	// AtOnce is how many items of a batch are written at the same time, at least
	// 1. The items of a larger batch wait for each other.
	AtOnce() int
	// Turn waits until a batch of AtOnce pushes no longer has to wait for those of
	// other repositories, and returns a function that ends the turn. Take it before
	// the tags are read for the last time, and end it once they are pushed.
	//
	// Errors: that of the context.
	Turn(ctx context.Context) (end func(), err error)
	// Put pushes manifests under their tags, and those without a tag by their
	// digest. The repository must hold all that they refer to, so a parent goes
	// into a later batch than its children. The same push again is no error. A
	// tag that moves leaves its old manifest behind, even as untagged; zot,
	// however, deletes it with its last tag, also if an index lists it.
	//
	// A push that has to wait for the registry, or that is sent again, reads its tag
	// again before. If the tag names neither what it should nor what it was said to
	// name, it is left alone.
	//
	// If the registry refuses a push, its tag names what it named before.
	// Registries refuse an index whose children are missing, and an immutable
	// tag that names something else. Nil means that the registry accepted the
	// push and reported no other digest.
	//
	// Errors: ErrMoved if the tag has been moved meanwhile; ErrNotFound if there is no
	// such repository and a push does not create it (Amazon ECR).
	Put(ctx context.Context, pushes []TaggedManifest) []error
	// DeleteTags removes tags that name the given digests, and leaves others
	// alone. The manifest stays, with its other tags or untagged. Amazon ECR,
	// however, deletes a manifest with its last tag, and refuses the last tag of a
	// manifest that an index lists: see Facts.LastTag. zot deletes a manifest with
	// its last tag, also if an index lists it.
	//
	// Each tag is read just before it is deleted, and again before the deletion is sent
	// again. Amazon ECR also compares the digest in the deletion itself. The OCI
	// distribution protocol can't: a tag that moves between the HEAD and the DELETE is
	// deleted.
	//
	// Errors: ErrNotFound if the tag or the repository does not exist; ErrMoved if
	// the tag names another digest; ErrUnsupported if the registry deletes by
	// digest only.
	DeleteTags(ctx context.Context, tags []TagDigest) []error
	// Deletes returns ErrUnsupported if the registry certainly deletes no manifest.
	// Ask before a tag moves whose old manifest is to be deleted. Nil promises
	// nothing: a deletion can still be refused.
	Deletes(ctx context.Context) error
	// DeleteManifests removes manifests by digest, with the tags that may go with
	// them. Where an API tells the tags of one manifest (Azure, GitHub, Google,
	// Harbor), they are read just before, and a manifest that has any other tag is
	// left alone. Amazon ECR and the OCI distribution protocol delete every tag that
	// names it at that moment, also tags that the caller doesn't know. Children of an
	// index, blobs of an image, and referrers stay, but where Facts.Cascades or
	// Facts.TakesReferrers says otherwise (Harbor, Azure). A manifest that does not
	// exist is no error, and nil does not say that it is gone: the registry may delete
	// later. Amazon ECR refuses a manifest that an index lists; other registries delete
	// it, and the index then lacks it. So an index goes into an earlier batch than its
	// children.
	//
	// Errors: ErrMoved if the manifest has another tag, see [TaggedError];
	// ErrUnsupported if the registry deletes nothing by digest; ErrNotFound if there
	// is no such repository (Amazon ECR; over HTTP, that is no error).
	DeleteManifests(ctx context.Context, due []Removal) []error
}

// Removal is a manifest that is to be deleted.
type Removal struct {
	Digest string
	Tags   []string // that may go with it; any other protects it, where the registry can tell
}

// Removals are manifests that are to be deleted, none of which may have a tag.
func Removals(digests ...string) []Removal {
	all := make([]Removal, len(digests))
	for i, digest := range digests {
		all[i].Digest = digest
	}
	return all
}

// TagDigest is a tag and the digest that it names.
type TagDigest struct {
	Tag    string
	Digest string
}

// TaggedManifest is a manifest and its tag. Without a tag it is pushed by its
// digest, and no tag changes.
type TaggedManifest struct {
	Tag      string
	Was      string // the digest that the tag named when it was read last; "" for nothing
	Manifest RawManifest
}
