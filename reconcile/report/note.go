package report

import (
	"fmt"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tagline/policies"
	"tagline/reconcile"
)

// note says what an alias had for a platform before. i is the place of the platform.
func (t *Text) note(p reconcile.Push, i int) string {
	c := p.Platforms[i]
	was := strings.TrimSpace(c.OldSource + " " + t.digest(c.OldDigest))
	var note string
	switch {
	case c.Digest == "":
		note = "dropped, was " + was
	case p.Old == "" || c.OldDigest == "":
		note = "new"
	case c.OldDigest == c.Digest && c.OldSource == c.Source || c.OldDigest == c.Digest && c.OldSource == "":
		note = "unchanged"
	case c.OldDigest == c.Digest:
		note = "unchanged, was " + c.OldSource
	case c.Moved:
		note = fmt.Sprintf("%s -> %s, was %s", c.OldSource, c.Source, t.digest(c.OldDigest))
	default:
		note = "was " + was
	}
	if i == 0 || staying(p) {
		note += anew(p)
	}
	if behind := c.Behind; behind != "" {
		note += ", behind " + behind
	}
	return "(" + note + carried(c) + ")"
}

// staying reports whether an alias keeps each of its images.
func staying(p reconcile.Push) bool {
	return !slices.ContainsFunc(p.Platforms, func(c reconcile.PlatformChange) bool { return c.Digest != c.OldDigest })
}

// anew says what becomes of the manifest that an alias names: if each of its images
// stays the same, it has another digest all the same. It may have another media type.
func anew(p reconcile.Push) string {
	was, kind := manifestKinds[p.OldType], manifestKinds[p.MediaType]
	_, is, _ := strings.Cut(kind, " ")
	switch image := strings.HasSuffix(is, "image"); {
	case p.Old == p.New:
		return ""
	case !staying(p) && (was == "" || kind == "" || was == kind):
		return ""
	case !staying(p):
		return ", now " + kind + ", not " + was
	case was == "" && image: // a plan of an older tagline
		return ""
	case was == "" || p.OldType == p.MediaType:
		return ", new index"
	case image:
		return ", now the image itself, was " + was
	}
	return ", new " + is + ", was " + was
}

// manifestKinds says what has a media type.
var manifestKinds = map[string]string{
	ocispec.MediaTypeImageIndex:    "an OCI index",
	ocispec.MediaTypeImageManifest: "a plain OCI image",
	policies.DockerManifestList:    "a Docker list",
	policies.DockerManifest:        "a plain Docker image",
}

// carried says how many attestations and companions an image has in the alias, or
// loses there.
func carried(c reconcile.PlatformChange) string {
	var loses, has []string
	gets := false // what the same image did not have before
	for _, kind := range []struct {
		had, has int
		what     string
	}{{c.OldAttestations, c.Attestations, "attestation"}, {c.OldCompanions, c.Companions, "companion"}} {
		switch {
		case c.Digest != "" && c.Digest == c.OldDigest && kind.had > kind.has:
			loses = append(loses, Count(kind.had-kind.has, kind.what))
		case kind.has > 0:
			has = append(has, Count(kind.has, kind.what))
			gets = gets || c.Digest == c.OldDigest && kind.had < kind.has
		}
	}
	text := ""
	if len(loses) > 0 {
		text += ", loses " + strings.Join(loses, " and ")
	}
	switch {
	case gets:
		text += ", now with " + strings.Join(has, " and ")
	case len(has) > 0:
		text += ", with " + strings.Join(has, " and ")
	}
	return text
}
