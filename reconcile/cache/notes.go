package cache

import (
	"encoding/json"
	"maps"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// notes are what is small about a repository, in one file.
type notes struct {
	Tags      map[string]string           `json:"tags"`      // the digest that each named last
	Platforms map[string]ocispec.Platform `json:"platforms"` // by digest of the config
}

// maxNotes bounds the entries of each kind, since tags come and go for ever. A
// repository that passes it forgets all but what it is asked for.
const maxNotes = 100_000

const notesFile = "notes"

func (notes) empty() notes {
	return notes{map[string]string{}, map[string]ocispec.Platform{}}
}

// with is both, the newer ones where they differ.
func (n notes) with(newer notes) notes {
	return notes{merge(n.Tags, newer.Tags), merge(n.Platforms, newer.Platforms)}
}

func merge[V any](old, newer map[string]V) map[string]V {
	if len(old)+len(newer) > maxNotes {
		return newer
	}
	maps.Copy(old, newer)
	return old
}

// notes are empty if there are none, or none that can be believed.
func (s shelf) notes() notes {
	n := notes{}.empty()
	content, ok := s.read(notesFile)
	if ok && json.Unmarshal(content, &n) != nil {
		return notes{}.empty()
	}
	return n
}

func (s shelf) keepNotes(n notes) {
	content, err := json.Marshal(n)
	if err != nil {
		panic(err) // strings alone
	}
	s.write(notesFile, content)
}
