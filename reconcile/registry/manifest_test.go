package registry_test

import (
	"fmt"
	"strings"
	"testing"

	"tagline/reconcile/registry"
)

const (
	ociIndex      = "application/vnd.oci.image.index.v1+json"
	ociManifest   = "application/vnd.oci.image.manifest.v1+json"
	someDigest    = "sha256:0000000000000000000000000000000000000000000000000000000000000001"
	configSnippet = `{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"` + someDigest + `","size":2}`
)

func TestParseManifestRefusesWhatReadsTwoWays(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40)
	for _, test := range []struct {
		name, mediaType, body, want string
	}{
		{"not JSON", ociIndex, `<html>`, "invalid character '<'"},
		{"cut off", ociIndex, `{"schemaVersion":2`, "unexpected EOF"},
		{"two values", ociIndex, `{"schemaVersion":2}{}`, "after top-level value"},
		{"an array", ociIndex, `[]`, "cannot unmarshal array"},
		{"schema 1", ociManifest, `{"schemaVersion":1,"fsLayers":[]}`, "Docker schema 1"},
		{"no schema version", ociIndex, `{"manifests":[]}`, "has schemaVersion 0, not 2"},
		{"another media type than the header", ociManifest, `{"schemaVersion":2,"mediaType":"` + ociIndex + `","manifests":[]}`, "but came as"},
		{"index with a config", ociIndex, `{"schemaVersion":2,"manifests":[],"config":` + configSnippet + `}`, "is an index, but has the config"},
		{"index with layers", ociIndex, `{"schemaVersion":2,"manifests":[],"layers":[]}`, "is an index, but has the config or layers"},
		{"image with manifests", ociManifest, `{"schemaVersion":2,"manifests":[],"config":` + configSnippet + `}`, "is an image, but has the manifests"},
		{"image without config", ociManifest, `{"schemaVersion":2,"layers":[]}`, "is an image without a config"},
		{"key twice", ociIndex, `{"schemaVersion":2,"manifests":[],"manifests":[]}`, `key "manifests" stands twice`},
		{"key twice in another case", ociIndex, `{"schemaVersion":2,"manifests":[],"Manifests":[]}`, `key "Manifests" stands twice`},
		{"key twice further down", ociIndex, `{"schemaVersion":2,"manifests":[{"digest":"a","x":[{}],"digest":"b"}]}`, `key "digest" stands twice`},
		{"too deep", ociIndex, deep, "nested deeper than 32"},
		{"negative size", ociIndex, `{"schemaVersion":2,"manifests":[{"mediaType":"a","digest":"` + someDigest + `","size":-1}]}`, "of -1 bytes"},
		{"truncated digest", ociIndex, `{"schemaVersion":2,"manifests":[{"mediaType":"a","digest":"sha256:00","size":1}]}`, `descriptor "sha256:00"`},
		{"digest with a path", ociIndex, `{"schemaVersion":2,"manifests":[{"mediaType":"a","digest":"sha256:../../etc","size":1}]}`, `is not valid`},
		{"an entry of nothing", ociIndex, `{"schemaVersion":2,"manifests":[{}]}`, `descriptor "" of 0 bytes`},
		{"no media type", ociIndex, `{"schemaVersion":2,"manifests":[{"digest":"` + someDigest + `","size":1}]}`, `media type "" is not valid`},
		{"bad config", ociManifest, `{"schemaVersion":2,"config":{"mediaType":"a","digest":"x","size":1}}`, `descriptor "x"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			m, err := registry.ParseManifest(registry.RawManifest{Digest: someDigest, MediaType: test.mediaType, Body: []byte(test.body)})
			if err == nil {
				t.Fatalf("accepted as %+v", m)
			}
			if !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), "manifest "+someDigest+": ") {
				t.Errorf("got %q, want it to say %q", err, test.want)
			}
		})
	}
}

func TestParseManifestReads(t *testing.T) {
	body := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":%s,"layers":[{"mediaType":%q,"digest":%q,"size":3}],"annotations":{"a":"b"},"unknown":[1,{"x":null}]}`,
		ociManifest, configSnippet, "application/vnd.in-toto+json", someDigest)
	m, err := registry.ParseManifest(registry.RawManifest{Digest: someDigest, MediaType: ociManifest, Body: []byte(body)})
	if err != nil {
		t.Fatal(err)
	}
	if m.Index || !m.IsImage() || !m.IsAttestation() || m.Layers[0].Size != 3 || m.Annotations["a"] != "b" {
		t.Errorf("read as %+v", m)
	}
}

func FuzzParseManifest(f *testing.F) {
	f.Add(`{"schemaVersion":2,"manifests":[{"mediaType":"a","digest":"` + someDigest + `","size":1,"platform":{"os":"linux","architecture":"amd64"}}]}`)
	f.Add(`{"schemaVersion":2,"config":` + configSnippet + `,"layers":[]}`)
	f.Add(`{"schemaVersion":2,"manifests":[],"config":{}}`)
	f.Add(`{"a":{"b":[[[{}]]]}}`)
	f.Fuzz(func(t *testing.T, body string) {
		for _, mediaType := range []string{ociIndex, ociManifest} {
			m, err := registry.ParseManifest(registry.RawManifest{Digest: someDigest, MediaType: mediaType, Body: []byte(body)})
			if err != nil {
				continue
			}
			if m.Index && m.Config.Digest != "" || !m.Index && len(m.Children) > 0 {
				t.Errorf("both image and index: %s", body)
			}
			for _, d := range m.Children {
				if d.Size < 0 || d.Digest.Validate() != nil {
					t.Errorf("descriptor %+v accepted", d)
				}
			}
		}
	})
}
