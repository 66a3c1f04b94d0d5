package reconcile

import (
	"errors"
	"fmt"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tagline/config"
	"tagline/reconcile/registry"
)

// missing returns the entries of an index, however deep, that can't be pulled.
// where tells which repository should have an entry, by its digest. An entry of
// a type that tagline does not know may be no manifest, so it is not asked for.
//
// A digest can't change, but it can be deleted, so this costs a question for
// each entry that no cache answers.
func (v *view) missing(index *registry.Manifest, where func(digest string) config.Repository, depth int) ([]ocispec.Descriptor, error) {
	var gone []ocispec.Descriptor
	var errs []error
	for _, d := range index.Children {
		digest := d.Digest.String()
		at := place{where(digest), digest}
		if v.present[at] || !registry.KnownType(d.MediaType) {
			continue
		}
		switch now, err := v.tag(at.repository, digest); {
		case errors.Is(err, registry.ErrNotFound) || err == nil && now.Archived:
			gone = append(gone, d)
		case err != nil:
			errs = append(errs, err)
		case now.Digest != digest:
			errs = append(errs, fmt.Errorf("%s@%s: answered as %s", at.repository, digest, now.Digest))
		case registry.IsIndex(d.MediaType) && depth < maxNesting:
			below, err := v.manifest(at.repository, digest)
			if err == nil {
				var more []ocispec.Descriptor
				more, err = v.missing(below, where, depth+1)
				gone = append(gone, more...)
			}
			errs = append(errs, err)
		}
	}
	return gone, errors.Join(errs...)
}
