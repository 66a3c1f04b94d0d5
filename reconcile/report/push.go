package report

import (
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tagline/policies"
	"tagline/reconcile"
)

// act is what a push does to its tag.
type act int

const (
	moves     act = iota
	isNew         // there is no such tag yet
	completes     // the tag stays, and what is missing of it is copied
	purges        // the tag loses its attestations
)

func actOf(p reconcile.Push) act {
	switch {
	case p.Purged > 0:
		return purges
	case p.Old == "":
		return isNew
	case p.Old == p.New:
		return completes
	}
	return moves
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

// attached counts what is copied with an image, by its kind.
func attached(p reconcile.Push, c reconcile.Copy) string {
	var words []string
	for _, kind := range []string{reconcile.RefersSignature, reconcile.RefersAttestation, reconcile.RefersSBOM, reconcile.RefersOther} {
		n := 0
		for _, r := range p.Referrers {
			if r.Kind == kind && r.From == c.From && r.With == c.Digest {
				n++
			}
		}
		if n > 0 {
			words = append(words, Count(n, kind))
		}
	}
	return strings.Join(words, ", ")
}

// late returns the images that a push does not copy, but something that refers to
// them.
func late(p reconcile.Push) []reconcile.Copy {
	var all []reconcile.Copy
	for _, r := range p.Referrers {
		if c := (reconcile.Copy{From: r.From, Digest: r.With}); !slices.Contains(p.Copies, c) && !slices.Contains(all, c) {
			all = append(all, c)
		}
	}
	return all
}
