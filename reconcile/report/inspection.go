package report

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"tagline/policies"
	"tagline/reconcile"
)

// Inspection writes what a tag is.
func Inspection(w io.Writer, in reconcile.Inspection) error {
	var b strings.Builder
	at := ":"
	if strings.Contains(in.Reference, ":") {
		at = "@"
	}
	fmt.Fprintf(&b, "%s\n", Printable(in.Repository.String()+at+in.Reference))
	fmt.Fprintf(&b, "  digest  %s\n", in.Digest)
	fmt.Fprintf(&b, "  type    %s, %s\n", Printable(in.MediaType), bytes(in.Size))
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
			what = "attestation of " + cmp.Or(what, p.Attests, "nothing here")
		case policies.Other:
			what = "artifact"
		}
		rows = append(rows, row{" ", []string{what, cmp.Or(p.Source, "-"), p.Digest, bytes(p.Bytes), p.Tells}})
	}
	for _, r := range in.Referrers {
		rows = append(rows, row{" ", []string{"referrer", "-", r.Digest, bytes(r.Size), cmp.Or(r.ArtifactType, r.MediaType)}})
	}
	for _, r := range align(rows) {
		fmt.Fprintf(&b, "  %s\n", r.line())
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// bytes is a size as docker writes it: "12.3 MB".
func bytes(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	size, units := float64(n), []string{"kB", "MB", "GB", "TB"}
	for _, unit := range units {
		if size /= 1000; size < 1000 || unit == "TB" {
			return fmt.Sprintf("%.1f %s", size, unit)
		}
	}
	panic("unreachable")
}
