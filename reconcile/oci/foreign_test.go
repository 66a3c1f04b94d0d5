package oci

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tagline/config"
	"tagline/policies"
	"tagline/reconcile/demo"
	"tagline/reconcile/oci/ocitest"
	"tagline/reconcile/registry"
)

const (
	foreignDocker = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
	foreignOCI    = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
	plainDocker   = "application/vnd.docker.image.rootfs.diff.tar.gzip"
	plainOCI      = "application/vnd.oci.image.layer.v1.tar+gzip"
)

// layer is a layer of an image, and whether the registry holds its blob.
type layer struct {
	mediaType, content string
	urls               []string
	held               bool
}

func (l layer) descriptor() ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: l.mediaType, Digest: digest.FromString(l.content), Size: int64(len(l.content)), URLs: l.urls}
}

func object(mediaType string, body []byte) demo.Object {
	return demo.Object{Descriptor: ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(body), Size: int64(len(body))}, Body: body}
}

func inJSON(t *testing.T, v any) []byte {
	t.Helper()
	body, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// withLayers returns an image, its blobs first. It is Docker's if its first layer is.
func withLayers(t *testing.T, layers ...layer) []demo.Object {
	t.Helper()
	manifest, config := ocispec.MediaTypeImageManifest, ocispec.MediaTypeImageConfig
	if layers[0].mediaType == plainDocker {
		manifest, config = policies.DockerManifest, registry.DockerConfig
	}
	made := []demo.Object{object(config, []byte(`{"os":"linux","architecture":"amd64"}`))}
	image := ocispec.Manifest{MediaType: manifest, Config: made[0].Descriptor}
	image.SchemaVersion = 2
	for _, l := range layers {
		image.Layers = append(image.Layers, l.descriptor())
		if l.held {
			made = append(made, object("application/octet-stream", []byte(l.content)))
		}
	}
	return append(made, object(image.MediaType, inJSON(t, image)))
}

// indexOf returns an index of the last object, after all of them.
func indexOf(t *testing.T, objects []demo.Object) []demo.Object {
	t.Helper()
	index := ocispec.Index{MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{objects[len(objects)-1].Descriptor}}
	index.SchemaVersion = 2
	return append(objects, object(index.MediaType, inJSON(t, index)))
}

// elsewhere is a host that layers have URLs of. Nothing may ask it.
func elsewhere(t *testing.T) string {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusNotFound)
	}))
	t.Cleanup(func() {
		server.Close()
		if n := asked.Load(); n > 0 {
			t.Errorf("the URL of a layer was asked for %d times", n)
		}
	})
	return server.URL + "/layer"
}

// olareg takes no image without all of its layers. distribution takes one whose
// layers have URLs that its settings allow.
func TestForeignLayers(t *testing.T) {
	ocitest.Each(t, func(t *testing.T, host string) {
		url := elsewhere(t)
		partly := strings.HasSuffix(t.Name(), "/distribution")
		ofOCI := []layer{
			{plainOCI, "plain", nil, true},
			{foreignOCI, "held", []string{url}, true},
			{plainOCI, "plain with a URL", []string{url}, true},
		}
		ofDocker := []layer{{plainDocker, "plain", nil, true}, {foreignDocker, "held", []string{url}, true}}
		if partly {
			host = ocitest.Distribution(t, func(testing.TB, string) string { return "validation: {manifests: {urls: {allow: [\"^http\"]}}}\n" })
			ofOCI = append(ofOCI, layer{foreignOCI, "not held", []string{url}, false})
			ofDocker = append(ofDocker, layer{foreignDocker, "not held", []string{url}, false})
		} else {
			ofOCI = append(ofOCI, layer{foreignOCI, "held, without a URL", nil, true})
		}
		proxy := ocitest.Proxy(t, host)
		for name, layers := range map[string][]layer{"oci-image": ofOCI, "oci-index": ofOCI, "docker-image": ofDocker, "index-of-docker": ofDocker} {
			objects := withLayers(t, layers...)
			if strings.Contains(name, "index") {
				objects = indexOf(t, objects)
			}
			t.Run(name, func(t *testing.T) {
				from := config.Repository{Host: proxy.Host, Path: "from-" + name}
				if err := demo.PushObjects(t.Context(), from.Host, from.Path, "1", objects); err != nil {
					t.Fatal(err)
				}
				manifest := objects[len(objects)-1].Digest.String()
				whole := func(in config.Repository) {
					t.Helper()
					reader := newClient(t, Options{}).Reader(in)
					for _, l := range layers {
						if has := reader.HasBlobs(t.Context(), []string{l.descriptor().Digest.String()})[0]; has.Err != nil || has.Value != l.held {
							t.Errorf("layer %q: %+v", l.content, has)
						}
					}
					for _, o := range objects {
						if registry.KnownType(o.MediaType) {
							if a := reader.Manifests(t.Context(), []string{o.Digest.String()})[0]; a.Err != nil {
								t.Error(a.Err)
							}
						}
					}
				}
				copyTo := func(path string) error {
					return NewWriters(newClient(t, Options{})).Writer(config.Repository{Host: proxy.Host, Path: path}).Copy(t.Context(), from, manifest)
				}
				whole(from)
				if err := copyTo("to-" + name); err != nil {
					t.Fatal(err)
				}
				whole(config.Repository{Host: proxy.Host, Path: "to-" + name})

				// Another program has copied it without the foreign layers.
				if partly {
					var most []demo.Object
					for _, o := range objects {
						if o.MediaType != "application/octet-stream" || strings.HasPrefix(string(o.Body), "plain") {
							most = append(most, o)
						}
					}
					if err := demo.PushObjects(t.Context(), proxy.Host, "most-"+name, "1", most); err != nil {
						t.Fatal(err)
					}
					if err := copyTo("most-" + name); err != nil {
						t.Fatal(err)
					}
					whole(config.Repository{Host: proxy.Host, Path: "most-" + name})
				}

				// What can't be looked at, or not be uploaded, fails the copy. The next
				// one brings what is missing.
				held := layers[1].descriptor().Digest.String()
				for what, fault := range map[string]ocitest.Fault{
					"look-at-source": {Method: "HEAD", Path: "/from-" + name + "/blobs/" + held, Do: ocitest.Status(http.StatusForbidden)},
					"look-at-target": {Method: "HEAD", Path: "/cut-.*/blobs/" + held, Do: ocitest.Status(http.StatusForbidden)},
					"upload":         {Method: "POST", Path: "/cut-.*/blobs/uploads", Do: ocitest.Status(http.StatusForbidden)},
				} {
					path := "cut-" + what + "-" + name
					proxy.Script(fault)
					err := copyTo(path)
					proxy.Script()
					if err == nil || !strings.Contains(err.Error(), "403 Forbidden") {
						t.Errorf("%s: error %v", what, err)
					}
					to := config.Repository{Host: proxy.Host, Path: path}
					if a := newClient(t, Options{}).Reader(to).Manifests(t.Context(), []string{manifest})[0]; !errors.Is(a.Err, registry.ErrNotFound) {
						t.Errorf("%s: the manifest is there: %v", what, a.Err)
					}
					if err := copyTo(path); err != nil {
						t.Errorf("%s: again: %v", what, err)
					}
					whole(to)
				}
			})
		}
	})
}

// A layer that is nowhere and has no URL can't be copied, whatever its type says.
func TestForeignLayerThatIsNowhere(t *testing.T) {
	proxy := ocitest.Proxy(t, ocitest.Olareg(t))
	from := config.Repository{Host: proxy.Host, Path: "from"}
	objects := withLayers(t, layer{plainOCI, "plain", nil, true}, layer{foreignOCI, "gone", nil, true})
	if err := demo.PushObjects(t.Context(), from.Host, from.Path, "1", objects); err != nil {
		t.Fatal(err)
	}
	gone := digest.FromString("gone").String()
	proxy.Script(ocitest.Fault{Path: "/from/blobs/" + gone, Do: ocitest.Status(http.StatusNotFound)})
	err := NewWriters(newClient(t, Options{})).Writer(config.Repository{Host: proxy.Host, Path: "to"}).Copy(t.Context(), from, objects[len(objects)-1].Digest.String())
	if want := from.String() + "@" + gone + ": it is not there, and the layer has no URL"; err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("error %v, want %s", err, want)
	}
}

// A source may say that it has a layer, and not give it. With a URL, it stays one.
func TestForeignLayerThatIsWithheld(t *testing.T) {
	source := ocitest.Proxy(t, ocitest.Olareg(t))
	to := config.Repository{Host: ocitest.Distribution(t, func(testing.TB, string) string { return "validation: {manifests: {urls: {allow: [\"^http\"]}}}\n" }), Path: "to"}
	from := config.Repository{Host: source.Host, Path: "from"}
	for name, test := range map[string]struct {
		layer layer
		err   string
	}{
		"with a URL":    {layer{foreignOCI, "withheld", []string{elsewhere(t)}, true}, ""},
		"without a URL": {layer{foreignOCI, "kept back", nil, true}, "not found"},
	} {
		t.Run(name, func(t *testing.T) {
			source.Script()
			objects := withLayers(t, layer{plainOCI, "plain", nil, true}, test.layer)
			if err := demo.PushObjects(t.Context(), from.Host, from.Path, "1", objects); err != nil {
				t.Fatal(err)
			}
			blob := test.layer.descriptor().Digest.String()
			source.Script(ocitest.Fault{Method: http.MethodGet, Path: "/blobs/" + blob, Do: ocitest.Status(http.StatusNotFound)})
			err := NewWriters(newClient(t, Options{})).Writer(to).Copy(t.Context(), from, objects[len(objects)-1].Digest.String())
			if (err == nil) != (test.err == "") || err != nil && !strings.Contains(strings.ToLower(err.Error()), test.err) {
				t.Errorf("error %v, want %q", err, test.err)
			}
		})
	}
}

// An index of layers is copied with its layers, and once more where it is already.
func TestCopyOfABuildCache(t *testing.T) {
	proxy := ocitest.Proxy(t, ocitest.Olareg(t))
	from, to := config.Repository{Host: proxy.Host, Path: "from"}, config.Repository{Host: proxy.Host, Path: "to"}
	one, two := object(plainOCI, []byte("one")), object("application/vnd.buildkit.cacheconfig.v0", []byte("{}"))
	index := ocispec.Index{MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{one.Descriptor, two.Descriptor}}
	index.SchemaVersion = 2
	cache := object(index.MediaType, inJSON(t, index))
	if err := demo.PushObjects(t.Context(), from.Host, from.Path, "cache", []demo.Object{one, two, cache}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := NewWriters(newClient(t, Options{})).Writer(to).Copy(t.Context(), from, cache.Digest.String()); err != nil {
			t.Fatal(err)
		}
		reader := newClient(t, Options{}).Reader(to)
		for _, has := range reader.HasBlobs(t.Context(), []string{one.Digest.String(), two.Digest.String()}) {
			if has.Err != nil || !has.Value {
				t.Errorf("%s: %+v", to, has)
			}
		}
		if a := reader.Manifests(t.Context(), []string{cache.Digest.String()})[0]; a.Err != nil {
			t.Error(a.Err)
		}
	}
}
