package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/types"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// parseShape reads the lines and makes the bytes.
func parseShape(text string) (*shape, error) {
	s := &shape{repository: "team/app", objects: map[string]*shapeObject{}}
	var open *shapeObject // the index whose entries are being read
	for n, line := range strings.Split(text, "\n") {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		var err error
		if strings.HasPrefix(line, " ") {
			if open == nil {
				err = fmt.Errorf("no index has this entry")
			} else {
				err = s.entry(open, words)
			}
		} else {
			s.close(open)
			open, err = s.statement(words)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %s: %w", n+1, strings.TrimSpace(line), err)
		}
	}
	s.close(open)
	return s, nil
}

func (s *shape) statement(words []string) (index *shapeObject, err error) {
	if least := map[string]int{"image": 3, "artifact": 3, "attestation": 3, "tag": 3}[words[0]]; len(words) < max(2, least) {
		return nil, fmt.Errorf("too few words")
	}
	args := append(slices.Clone(words[1:]), "")
	switch words[0] {
	case "repository":
		s.repository = args[0]
	case "image":
		return nil, s.image(args[0], args[1], words[3:])
	case "attestation":
		return nil, s.attestation(args[0], args[1], args[2] == "subject")
	case "artifact":
		return nil, s.artifact(args[0], args[1], words[3:])
	case "index":
		index = &shapeObject{name: args[0], repository: s.repository, annotations: map[string]string{}, Descriptor: ocispec.Descriptor{MediaType: ocispec.MediaTypeImageIndex}}
		options, err := s.options(words[2:])
		if err != nil {
			return nil, err
		}
		if index.annotations = options.annotations; options.docker {
			index.MediaType = string(types.DockerManifestList)
		}
		return index, nil
	case "blob":
		s.add(&shapeObject{name: args[0], body: []byte("blob " + args[0])})
	case "tag":
		s.tags = append(s.tags, shapeTag{s.repository, args[0], args[1]})
	case "cosign":
		return nil, s.cosign(args[0], args[1])
	default:
		return nil, fmt.Errorf("unknown statement")
	}
	return nil, nil
}
