package policies

import (
	"slices"

	"tagline/config"
	"tagline/config/findings"
)

// Alias is what an alias tag is about to be.
type Alias struct {
	Tag       string
	OneSource bool   // all of one source, rather than named platforms of several
	Filtered  bool   // a policy took entries out
	MediaType string // of the index, if one is composed
	Entries   []Entry
}

// Composed reports whether the alias needs an index of its own. It does not if
// it can be the bytes of its one source, or of the one image that is left. An
// image's features are in its index entry, so such an image keeps one.
func (a Alias) Composed() bool {
	return !a.OneSource || a.Filtered && (len(a.Entries) != 1 || a.Entries[0].Features != "")
}

// Images returns the entries that are images, in order.
func (a Alias) Images() []Entry {
	return slices.DeleteFunc(slices.Clone(a.Entries), func(e Entry) bool { return e.Kind != Image })
}

// Entry is one manifest that an alias offers.
type Entry struct {
	Kind      Kind
	Platform  config.Platform // of an Image, or of the image that an Attestation or a Companion belongs to
	Features  string          // of an Image: what it asks of a runtime beyond its platform, "" of a plain one
	RefersTo  string          // the digest of the image that it belongs to, or of what else it refers to
	MediaType string
	Digest    string
	Size      int64           // bytes of the manifest
	Source    string          // as images.yaml spells it; of a newest source, the tag it chose
	Origin    string          // the tag or digest behind an alias as a source, else as Source
	Version   *config.Version // of Origin, shared by all entries of a source; nil if that is no version
	Newest    bool            // a newest source chose it
	Was       *Past           // of a Newest one that may not be lower, what the alias has for the platform now
}

// Past is what an alias has today for one platform.
type Past struct {
	Digest  string
	Version *config.Version // of the tag it came from; nil if that is not known
	Float   bool            // it may be any version that Version covers
	Outside string          // the range, if it does not have Version
}

// Kind is what a manifest of an index is.
type Kind int

// The kinds of entries.
const (
	Image       Kind = iota
	Attestation      // BuildKit's provenance or SBOM of an image of the same index
	Companion        // an artifact that belongs to an image of the same index, such as a SOCI index
	Other            // an artifact that belongs to no image, or what is no manifest at all
)

// Finding is why a policy forbids an alias, or what it warns of. The caller adds
// where.
type Finding struct {
	ID      findings.ID
	Message string
	Warning bool // it does not forbid the alias
}
