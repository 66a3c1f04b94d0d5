package report

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"tagline/config"
	"tagline/policies"
	"tagline/reconcile"
)

// Inspection writes what a tag names.
func Inspection(w io.Writer, in reconcile.Inspection) error {
	var b strings.Builder
	at := ":"
	if config.IsDigest(in.Reference) {
		at = "@"
	}
	fmt.Fprintf(&b, "%s\n", Printable(in.Repository.String()+at+in.Reference))
	fmt.Fprintf(&b, "  digest  %s\n", in.Digest)
	fmt.Fprintf(&b, "  type    %s, %s\n", Printable(in.MediaType), Bytes(in.Size))
	owner := "not marked by tagline"
	if in.Owner != "" {
		owner = fmt.Sprintf("tagline, for alias %q", in.Owner)
	}
	fmt.Fprintf(&b, "  owner   %s\n", Printable(owner))

	var rows []row
	for _, p := range in.Parts {
		what := p.Platform.String()
		switch p.Kind {
		case policies.Attestation:
			what = "attestation of " + cmp.Or(what, p.RefersTo, "nothing here")
		case policies.Companion:
			what = "companion of " + what
		case policies.Image:
			if p.Features != "" {
				what += " (" + p.Features + ")"
			}
		case policies.Other:
			what = "artifact"
		}
		size, tells := Bytes(p.Bytes), p.Tells
		if p.Missing {
			size, tells = "-", "missing: listed, and not there any more"
		}
		rows = append(rows, row{mark: " ", cells: []string{what, cmp.Or(p.Source, "-"), p.Digest, size, tells}})
	}
	for _, r := range in.Referrers {
		rows = append(rows, row{mark: " ", cells: []string{"referrer", "-", r.Digest, Bytes(r.Size), cmp.Or(r.ArtifactType, r.MediaType)}})
	}
	for _, t := range in.Cosign {
		size := "-"
		if t.Size > 0 {
			size = Bytes(t.Size)
		}
		rows = append(rows, row{mark: " ", cells: []string{"cosign", "-", t.Digest, size, "tag " + t.Tag}})
	}
	for _, r := range align(rows) {
		fmt.Fprintf(&b, "  %s\n", r.line())
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// inspection is the format of [InspectionJSON].
type inspection struct {
	FormatVersion string              `json:"format_version"`
	Repository    string              `json:"repository"`
	Reference     string              `json:"reference"`
	Digest        string              `json:"digest"`
	MediaType     string              `json:"media_type"`
	Bytes         int64               `json:"bytes"`
	Alias         *string             `json:"alias"`
	Parts         []inspectedPart     `json:"parts"`
	Referrers     []inspectedReferrer `json:"referrers"`
	Cosign        []inspectedTag      `json:"cosign"`
}

type inspectedPart struct {
	Kind      string `json:"kind"`
	Platform  string `json:"platform"`
	Source    string `json:"source"`
	Digest    string `json:"digest"`
	MediaType string `json:"media_type"`
	Bytes     int64  `json:"bytes"`
	Missing   bool   `json:"missing,omitempty"`
	Attests   string `json:"attests,omitempty"`
	RefersTo  string `json:"refers_to,omitempty"`
	Features  string `json:"features,omitempty"`
	Tells     string `json:"tells,omitempty"`
}

type inspectedReferrer struct {
	Digest       string `json:"digest"`
	MediaType    string `json:"media_type"`
	ArtifactType string `json:"artifact_type"`
	Bytes        int64  `json:"bytes"`
}

type inspectedTag struct {
	Tag       string `json:"tag"`
	Digest    string `json:"digest"`
	MediaType string `json:"media_type"`
}

// InspectionJSON returns an inspection as JSON. alias is the alias that tagline
// made the tag for, or null. A part is an image, an attestation, a companion or an
// artifact; bytes is the size of its config and layers, or 0 if it is missing.
// attests is the digest of an attestation's image, and refers_to the digest that any
// other part refers to. cosign lists the tags that cosign made for the digest. Minor
// versions of the format only add fields.
func InspectionJSON(in reconcile.Inspection) []byte {
	out := inspection{
		FormatVersion: FormatVersion, Repository: in.Repository.String(), Reference: in.Reference, Digest: in.Digest,
		MediaType: in.MediaType, Bytes: in.Size, Alias: OrNull(in.Owner), Parts: []inspectedPart{}, Referrers: []inspectedReferrer{}, Cosign: []inspectedTag{},
	}
	kinds := map[policies.Kind]string{policies.Image: "image", policies.Attestation: "attestation", policies.Companion: "companion", policies.Other: "artifact"}
	for _, p := range in.Parts {
		part := inspectedPart{
			Kind: kinds[p.Kind], Platform: p.Platform.String(), Source: p.Source, Digest: p.Digest, MediaType: p.MediaType,
			Bytes: p.Bytes, Missing: p.Missing, Features: p.Features, Tells: p.Tells,
		}
		if p.Kind == policies.Attestation {
			part.Attests = p.RefersTo
		} else {
			part.RefersTo = p.RefersTo
		}
		out.Parts = append(out.Parts, part)
	}
	for _, r := range in.Referrers {
		out.Referrers = append(out.Referrers, inspectedReferrer{r.Digest, r.MediaType, r.ArtifactType, r.Size})
	}
	for _, t := range in.Cosign {
		out.Cosign = append(out.Cosign, inspectedTag{t.Tag, t.Digest, t.MediaType})
	}
	return Encode(out)
}
