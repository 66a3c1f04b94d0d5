package config

import "cmp"

// Config is a valid images.yaml, in one file or in several. Load and Parse never
// return one that is not.
type Config struct {
	SHA256   string   // hex digest of the file's bytes; of several files, of their names and bytes
	Registry string   // the host of repositories that name none; "" if there is none
	HostPos  Pos      // where Registry was given: in a file, or by the flag or the variable
	Images   []Image  // those that Options.Keep asks for, in the order of their repositories
	Files    int      // how many were read
	Listed   []Listed // all images, in the order of their repositories
	// Registries is what the file says of hosts, in lower case. See [KindOf].
	Registries   map[string]Registry
	registriesAt map[string]Pos // where the root file has them
	Locked       map[string]Pos // where the root file locks which policy
	Warnings     []*Finding
}

// Aliases returns the number of aliases of all images.
func (c *Config) Aliases() int {
	n := 0
	for _, l := range c.Listed {
		n += l.Aliases
	}
	return n
}

// Listed is what a Config has of every image, kept or not.
type Listed struct {
	Name       string // as images.yaml spells it
	Repository Repository
	Aliases    int // how many
	Pos        Pos
}

// Image is one repository and the alias tags it should carry.
type Image struct {
	Name       string // as images.yaml spells it
	Repository Repository
	Aliases    []Alias           // in the order of their tags, see [CompareTags]
	Policies   Settings          // may be those of other images, too: not to be changed
	Pinned     []string          // digests of this repository that sources of any image name
	Used       map[string]string // who names which tag of this repository as a source, in any image
	Pos        Pos
}

// Alias is a stable tag and what it should name.
type Alias struct {
	Tag    string
	Absent bool // the tag should not exist; Sources is empty then
	// Profile is the name of the profile that has the alias, "" if the image has
	// it itself.
	Profile string
	// Sources is one source without a platform (the alias is what that source
	// is), or one source for each named platform, in the order of
	// [Platform.Compare].
	Sources []Source
	Pos     Pos
}

// Source is where an alias takes one platform from, or all of itself.
type Source struct {
	Platform   Platform // zero: every platform the source has
	Repository Repository
	Tag        string  // one of this, Digest and Newest is set
	Digest     string  // "sha256:" and 64 hex digits
	Newest     *Newest // the tag has to be found
	Alias      bool    // Tag is another alias of the same image: what that will be after this run
	Text       string  // as images.yaml spells it; of {from: …}, the whole reference
	Pos        Pos
}

// Reference returns the tag or the digest of the source.
func (s Source) Reference() string { return cmp.Or(s.Digest, s.Tag) }

// Newest asks for the highest version tag that fits.
type Newest struct {
	Range       Range
	Tags        TagPattern // zero for tags that begin with their version
	Variant     string     // "" for plain versions alone
	Prereleases bool
	Calendar    bool
	Whole       bool    // the alias is one whole version, as if images.yaml named its tag
	Downgrade   Setting // zero where the policy of the image holds
}

// Version parses a tag as this source reads it.
func (n *Newest) Version(tag string) (Version, error) {
	if n.Tags.pattern != nil {
		return n.Tags.version(tag)
	}
	return ParseVersion(tag)
}

// Takes reports whether a tag is a candidate.
func (n *Newest) Takes(tag string) bool {
	v, err := n.Version(tag)
	return err == nil && n.Refuses(v) == ""
}

// Refuses says why a version is no candidate, "" if it is one.
func (n *Newest) Refuses(v Version) string {
	switch {
	case !n.Range.Has(v):
		return "not in range"
	case v.Variant != n.Variant && v.Variant == "":
		return "no variant"
	case v.Variant != n.Variant:
		return "variant " + v.Variant
	case v.Calendar && !n.Calendar:
		return "calendar version"
	case n.Calendar && !v.dated:
		return "not a calendar version"
	case v.Prerelease != "" && !n.Prereleases:
		return "prerelease"
	}
	return ""
}
