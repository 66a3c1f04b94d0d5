package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	imagetypes "github.com/google/go-containerregistry/pkg/v1/types"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

var reShapeDigest = regexp.MustCompile(`sha256[:-]([0-9a-f]{64}|[0-9a-f]{12}…)`)

// named puts the names of the shape in the place of digests. Columns stay as
// wide as they were, but for the digests.
func (s *shape) named(text string) string {
	text = reShapeDigest.ReplaceAllStringFunc(text, func(found string) string {
		hex := strings.TrimSuffix(found[len("sha256:"):], "…")
		for _, o := range s.order {
			if strings.HasPrefix(o.Digest.Encoded(), hex) {
				return "<" + o.name + ">"
			}
		}
		return "<new>"
	})
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

// tagsOf lists the tags of each repository with what they are.
func (s *shape) tagsOf(t *testing.T, r shapeRegistry) string {
	var out strings.Builder
	puller, err := remote.NewPuller(r.options...)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range s.repositories() {
		repository, err := name.NewRepository(r.host + "/" + path)
		if err != nil {
			t.Fatal(err)
		}
		tags, err := puller.List(t.Context(), repository)
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(tags)
		for _, tag := range tags {
			fmt.Fprintf(&out, "%s:%s\n", path, tag)
			s.describe(t.Context(), &out, puller, repository.Tag(tag), "  ", "")
		}
	}
	return out.String()
}

// describe writes a manifest and what it lists.
func (s *shape) describe(ctx context.Context, out *strings.Builder, puller *remote.Puller, ref name.Reference, indent, entry string) {
	found, err := puller.Get(ctx, ref)
	if status := (*transport.Error)(nil); err != nil {
		if e, ok := err.(*transport.Error); ok { //nolint:errorlint // it is not wrapped
			status = e
		}
		what := err.Error()
		if status != nil && status.StatusCode == http.StatusNotFound {
			what = "MISSING"
		}
		fmt.Fprintf(out, "%s%s %s%s\n", indent, ref.Identifier(), what, entry)
		return
	}
	var index ocispec.Index
	if !found.MediaType.IsIndex() || json.Unmarshal(found.Manifest, &index) != nil {
		fmt.Fprintf(out, "%s%s%s\n", indent, found.Digest, entry)
		return
	}
	fmt.Fprintf(out, "%sindex %s%s\n", indent, found.Digest, entry)
	for _, d := range index.Manifests {
		var notes []string
		if p := d.Platform; p != nil {
			notes = append(notes, strings.Trim(p.OS+"/"+p.Architecture+"/"+p.Variant, "/"))
			if p.OSVersion != "" {
				notes = append(notes, "os.version "+p.OSVersion)
			}
			if len(p.OSFeatures) > 0 {
				notes = append(notes, "os.features "+strings.Join(p.OSFeatures, ","))
			}
		}
		if d.ArtifactType != "" {
			notes = append(notes, d.ArtifactType)
		}
		entry := ""
		if len(notes) > 0 {
			entry = "  " + strings.Join(notes, "  ")
		}
		if mediaType := imagetypes.MediaType(d.MediaType); !mediaType.IsIndex() && !mediaType.IsImage() {
			fmt.Fprintf(out, "%s  %s  %s%s\n", indent, d.Digest, d.MediaType, entry)
			continue
		}
		s.describe(ctx, out, puller, ref.Context().Digest(d.Digest.String()), indent+"  ", entry)
	}
}
