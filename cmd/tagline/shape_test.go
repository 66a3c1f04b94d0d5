package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// shape is what a registry holds, in a few lines:
//
//	repository NAME              where the lines below push to; "team/app" at first: some registries want an owner or a project
//	image NAME PLATFORM [OPTION...]
//	attestation NAME IMAGE       BuildKit's; with "subject" as OCI artifact
//	artifact NAME TYPE [OPTION...]
//	index NAME                   its entries are the indented lines that follow:
//	  NAME [OPTION...]
//	blob NAME                    no manifest: an index can list it with a mediaType
//	tag TAG NAME
//	cosign NAME [SUFFIX]         what cosign keeps under sha256-<hex of NAME>.sig, or .att or .sbom
//
// Options:
//
//	docker                       Docker's media types
//	subject=NAME                 of an artifact or image
//	config=JSON                  the image's config in place of the usual one
//	configtype=TYPE              its media type
//	layer=TYPE[,URL]             one more layer, pushed unless there is a URL
//	@KEY=VALUE                   an annotation, of the manifest or of the entry
//	platform=PLATFORM            of an entry; "none" leaves it out
//	os.version=TEXT os.features=TEXT variant=TEXT artifactType=TYPE mediaType=TYPE
//
// A value that starts with "@" is the digest of the object of that name.
type shape struct {
	repository string
	objects    map[string]*shapeObject
	order      []*shapeObject
	tags       []shapeTag
}

type shapeObject struct {
	ocispec.Descriptor
	name, repository string
	body             []byte
	blobs            [][]byte
	platform         *ocispec.Platform
	entries          []map[string]any // of an index, until its bytes are made
	annotations      map[string]string
}

type shapeTag struct{ repository, tag, object string }

// add keeps a manifest in the current repository. The same name there again is
// a copy of the object.
func (s *shape) add(o *shapeObject) {
	o.repository = s.repository
	o.Digest, o.Size = digest.FromBytes(o.body), int64(len(o.body))
	s.objects[o.name] = o
	s.order = append(s.order, o)
}

type shapeOptions struct {
	docker                bool
	annotations           map[string]string
	values                map[string]string
	layers                []string
	platform, subjectName string
}

func (s *shape) options(words []string) (shapeOptions, error) {
	o := shapeOptions{annotations: map[string]string{}, values: map[string]string{}}
	for _, word := range words {
		key, value, valued := strings.Cut(word, "=")
		if named, ok := strings.CutPrefix(value, "@"); ok {
			if s.objects[named] == nil {
				return o, fmt.Errorf("no object is called %s", named)
			}
			value = s.objects[named].Digest.String()
		}
		switch annotation, annotates := strings.CutPrefix(key, "@"); {
		case key == "":
		case annotates:
			o.annotations[annotation] = value
		case !valued && key == "docker":
			o.docker = true
		case key == "layer":
			o.layers = append(o.layers, value)
		case key == "platform":
			o.platform = value
		case key == "subject":
			o.subjectName = value
		case slices.Contains([]string{"config", "configtype", "os.version", "os.features", "variant", "artifactType", "mediaType"}, key):
			o.values[key] = value
		default:
			return o, fmt.Errorf("unknown option %s", key)
		}
	}
	return o, nil
}

func shapePlatform(text string) *ocispec.Platform {
	parts := append(strings.Split(text, "/"), "", "")
	return &ocispec.Platform{OS: parts[0], Architecture: parts[1], Variant: parts[2]}
}

func (s *shape) repositories() []string {
	var all []string
	for _, o := range s.order {
		if !slices.Contains(all, o.repository) {
			all = append(all, o.repository)
		}
	}
	return all
}
