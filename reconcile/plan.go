package reconcile

import (
	"slices"
	"strings"
	"time"

	"tagline/config"
	"tagline/reconcile/registry"
)

// Plan is what should be done to one repository. It is plain data: the exact
// bytes that will be pushed, and what was seen when it was made. The zero Plan
// does nothing.
type Plan struct {
	Image      string // as images.yaml spells it
	Repository config.Repository
	Pushes     []Push
	DeleteTags []DeleteTag
	// Required are manifests that must be there after the plan, without a tag too.
	Required []Required
	// DeleteManifests comes after everything else, parents before children.
	DeleteManifests []DeleteManifest
	// Tags are all tags of the repository as they will be before manifests are
	// deleted. The deletions hold for these and no others. Empty without any.
	Tags       []TagDigest
	Swept      Swept
	Waiting    []Waiting         // what Swept.Waiting counts, by digest
	Stranded   []string          // digests that wait for grace from then on: the index that lists them goes with its last tag
	Choices    []Choice          // of newest sources
	InSync     []string          // aliases that are what they should be
	LeftAlone  []string          // aliases that have the images they should have, and are kept for what refers to them
	Violations []*config.Finding // what forbids an alias; it is left alone
	Warnings   []*config.Finding // what will be done, and may be regretted
	Errors     []Failure         // what could not be found out; the alias is left alone
	Carried    []Carried         // what the aliases name now, in their order, if [Job] asks for it
	Former     []FormerAlias     // tags that were aliases and stay
}

// Empty reports whether there is nothing to do. There may be problems.
func (p Plan) Empty() bool {
	return len(p.Pushes)+len(p.DeleteTags)+len(p.DeleteManifests) == 0 && !slices.ContainsFunc(p.Required, func(k Required) bool { return k.Lost })
}

// renames reports whether a plan makes or deletes a tag, as it does when an alias gets
// another name.
func (p Plan) renames() bool {
	return len(p.DeleteTags) > 0 || slices.ContainsFunc(p.Pushes, func(push Push) bool { return push.Old == "" })
}

// Push puts a manifest under an alias tag, or for a purge under any other.
type Push struct {
	Tag       string
	Old       string // digest that the tag names now, "" if there is no such tag
	OldType   string // media type of Old, "" if it is not known
	New       string // digest of Manifest
	MediaType string
	Manifest  []byte
	Platforms []PlatformChange
	Copies    []Copy     // to be brought into the repository first
	Referrers []Referrer // to be brought along, each after what it refers to
	Follows   []string   // aliases whose pushes must be done before this one
	Purged    int        // attestation manifests that a purge takes out of a tag; 0 for an alias
}

// manifest parses what is pushed.
func (p Push) manifest() (*registry.Manifest, error) {
	return registry.ParseManifest(registry.RawManifest{Digest: p.New, MediaType: p.MediaType, Body: p.Manifest})
}

// home returns the repository that has a manifest which the push lists; own is
// the one that it goes to.
func (p Push) home(own config.Repository, digest string) config.Repository {
	for _, c := range p.Copies {
		if c.Digest == digest || c.Digest == p.New {
			return c.From
		}
	}
	return own
}

// PlatformChange is one image of an alias, before and after.
type PlatformChange struct {
	Platform        string // "linux/arm64"; "" for an artifact without one
	Source          string // as images.yaml spells it, "" if the alias loses the platform
	SourceDigest    string // what Source names
	Origin          string // the source of the alias that Source names, "" if it names none
	Digest          string // the image's manifest, "" if the alias loses the platform
	OldSource       string // by the mark that tagline left, "" if there is none
	OldDigest       string // "" if the alias did not have the platform
	Attestations    int    // attestation manifests that travel with the image
	OldAttestations int    // that travelled with OldDigest
	Companions      int    // companions that travel with the image
	OldCompanions   int    // that travelled with OldDigest
	Moved           bool   // a newest source went from OldSource to Source
	Behind          string // the source of another platform that is a higher version, if there is one
}

// Version returns the source from which the image comes: if an alias follows another
// one, the source of that. A mark in a registry names this one, too.
func (c PlatformChange) Version() string {
	if c.Origin != "" {
		return c.Origin
	}
	return c.Source
}

// Choice is how a newest source came to its tags.
type Choice struct {
	Alias      string
	Range      string
	Candidates []Candidate
}

// Candidate is a tag that a newest source looked at or passed over.
type Candidate struct {
	Tag      string
	Platform string // "" if the reason is one for all of them
	Reason   string // reasonChosen and perhaps more, or why not
}

const reasonChosen = "chosen"

// Chosen reports whether the alias takes the candidate.
func (c Candidate) Chosen() bool {
	return c.Reason == reasonChosen || strings.HasPrefix(c.Reason, reasonChosen+", ")
}

// Copy is a manifest in another repository that an alias needs, with all that
// it refers to.
type Copy struct {
	From   config.Repository
	Digest string
}

// Referrer is a manifest in another repository that refers to what an alias needs
// from there. If it can't be copied, the alias is pushed all the same.
type Referrer struct {
	From    config.Repository
	With    string // digest of the Copy that it belongs to
	Subject string // digest that it refers to
	Digest  string
	Kind    string // one of the Refers constants
	// Tag is that of cosign, which refers to the subject by its name. It is empty if
	// the manifest itself names its subject.
	Tag       string
	MediaType string // of Manifest
	Manifest  []byte // what goes under Tag, nil without one
}

// referrerKey is a referrer without its bytes.
type referrerKey struct {
	from            config.Repository
	subject, digest string
	tag             string
}

func (r Referrer) key() referrerKey { return referrerKey{r.From, r.Subject, r.Digest, r.Tag} }

// What a referrer is.
const (
	RefersSignature   = "signature"
	RefersAttestation = "attestation"
	RefersSBOM        = "SBOM"
	RefersOther       = "referrer"
)

// DeleteTag removes a tag and leaves what it named.
type DeleteTag struct {
	Tag     string
	Old     string // digest that the tag names now
	Reason  string
	Emptied bool // a fallback tag of referrers that a purge leaves none of
	Last    bool // the registry deletes what it names, too, since no other tag does
}

// Required is a manifest that an index lists, or may list. No action deletes it, but
// the registry may drop it with its last tag. If it is missing, it is put back by
// its digest.
type Required struct {
	Digest    string
	MediaType string
	Manifest  []byte   // nil if it could not be read, so that it can't be put back
	Tags      []string // that the plan takes away from it; the registry is asked after each
	Needed    string   // why, in words: "alias \"10\" lists it"; "" if that is not known
	Lost      bool     // it is missing now, and is put back before anything else
}

// DeleteManifest removes a manifest that nothing needs any more.
type DeleteManifest struct {
	Digest  string
	Kind    string   // one of the Kind constants
	Reason  string   // in words
	Bytes   int64    // of it, its config and its layers; blobs that others share are counted too
	Parents []string // manifests of this plan that list it or refer to it, and go before it
	Tags    []string // of what refers to a manifest that goes; they go with this one
}

// Purges reports whether a purge deletes the manifest. Then it does not count for
// [Guard].
func (d DeleteManifest) Purges() bool { return d.Kind != KindUntagged }

// Why a manifest can go.
const (
	KindAttestation = "attestation" // BuildKit's, which nothing refers to after a purge
	KindReplaced    = "replaced"    // an index that a purge replaces
	KindReferrer    = "referrer"    // it refers to what a purge deletes
	KindUntagged    = "untagged"    // it has no tag and nothing needs it
)

// Waiting is a manifest that nothing needs, and that goes once grace is over.
type Waiting struct {
	Digest string
	Since  time.Time // by the registry's clock, from when grace counts; zero if that is not known
}

// Carried is what an alias tag names now.
type Carried struct {
	Tag    string
	Digest string // "" if there is no such tag, or with Err
	Images []CarriedImage
	Err    error // why it is not known what the tag names
}

// CarriedImage is one image of a tag, or an artifact as a whole.
type CarriedImage struct {
	Platform string // as in [PlatformChange]
	Source   string // where it came from, through aliases; "" if nothing tells
	Digest   string
}

// FormerAlias is a tag that was an alias, or followed one, and that images.yaml does
// not list.
type FormerAlias struct {
	Tag string
	Of  string // the alias that its index was made for, by tagline's mark; "" if only a record of what tagline moved tells
}

// TagDigest is what a tag names.
type TagDigest = registry.TagDigest

// Swept says how far a whole repository was looked at, for what can be deleted
// from it. The zero Swept is that of a plan that did not have to.
type Swept struct {
	Tags      int  // that the repository has now
	Manifests int  // that are known of it
	Unlisted  bool // the registry lists no untagged manifests, so that only those are known that tags lead to
	Held      int  // attestation manifests that a purge leaves, since an untagged index lists them
	Waiting   int  // manifests that nothing needs, and that go once grace is over
	Listed    int  // manifests without a tag that stay, since an index with a tag lists them
}

// Failure is why it is not known what an alias is or should be.
type Failure struct {
	Alias   string
	Message string
	Cause   string // see [registry.Cause]
}
