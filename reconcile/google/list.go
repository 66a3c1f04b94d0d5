package google

import (
	"encoding/json"
	"fmt"

	"github.com/google/go-containerregistry/pkg/v1/google"
	"github.com/opencontainers/go-digest"

	"tagline/reconcile/registry"
)

// list is the list of tags. It is decoded entry by entry: it may have a quarter of a
// million manifests, and little of each is kept.
type list struct{ *json.Decoder }

// read calls each for every manifest, and returns the number of tags.
func (l list) read(each func(registry.StoredManifest)) (tags int, err error) {
	err = l.object(func(name string) error {
		switch name {
		case "manifest":
			return l.object(func(text string) error {
				var m google.ManifestInfo
				if err := digest.Digest(text).Validate(); err != nil {
					return fmt.Errorf("%q: %w", text, err)
				}
				if err := l.Decode(&m); err != nil {
					return err
				}
				each(registry.StoredManifest{
					// imageSizeBytes is that of the layers.
					Descriptor: registry.Descriptor{Digest: text, MediaType: m.MediaType},
					Tags:       m.Tags, Pushed: m.Uploaded,
				})
				return nil
			})
		case "tags":
			begin, err := l.Token()
			if err != nil || begin == nil { // null
				return err
			}
			if begin != json.Delim('[') {
				return fmt.Errorf("%v is no array", begin)
			}
			for ; l.More(); tags++ {
				var tag string
				if err := l.Decode(&tag); err != nil {
					return err
				}
			}
			_, err = l.Token()
			return err
		}
		return l.Decode(new(json.RawMessage))
	})
	return tags, err
}

// object calls each for every name of an object, to decode its value.
func (l list) object(each func(name string) error) error {
	switch begin, err := l.Token(); {
	case err != nil:
		return err
	case begin == nil: // null
		return nil
	case begin != json.Delim('{'):
		return fmt.Errorf("%v is no object", begin)
	}
	for l.More() {
		name, err := l.Token()
		if err != nil {
			return err
		}
		text, is := name.(string)
		if !is {
			return fmt.Errorf("%v is no name", name)
		}
		if err := each(text); err != nil {
			return err
		}
	}
	_, err := l.Token()
	return err
}
