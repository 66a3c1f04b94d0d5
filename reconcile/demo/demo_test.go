package demo_test

import (
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/remote"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.uber.org/goleak"

	"tagline/reconcile/demo"
	"tagline/reconcile/oci/ocitest"
)

// After a test has closed its registries, no goroutine is left.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Documentation and other tests contain these digests, so they must never
// change.
func TestSampleDigests(t *testing.T) {
	want := map[string]string{
		"10.10": "sha256:4a1c6ed7f0cbb01805e9730a49be36dce09e37ab8ea74d99720f1f464043beb0",
		"10.20": "sha256:c9e7f9247401fb60bf123f833f66be6b943bee638a72f7e5ae99255a69fc0c5e",
	}
	ocitest.Each(t, func(t *testing.T, host string) {
		if got, err := demo.Seed(t.Context(), host); err != nil || !maps.Equal(got, want) {
			t.Errorf("got %v, %v; want %v", got, err, want)
		}
	})
}

// An image has the structure that BuildKit creates from the same options,
// including indentation and the order of keys. Apart from digests and sizes,
// this covers an index, an attestation manifest and its config completely; the
// layers of image manifests differ.
func TestShapesAreBuildKits(t *testing.T) {
	amd, arm, both := []string{"linux/amd64"}, []string{"linux/arm64"}, []string{"linux/amd64", "linux/arm64"}
	for _, tc := range []struct {
		layout ocitest.Layout
		image  demo.Image
	}{
		{ocitest.AppOCI, demo.Image{Tag: "10.10", Platforms: amd, Provenance: true}},
		{ocitest.AppOCI, demo.Image{Tag: "10.12", Platforms: amd}},
		{ocitest.AppOCI, demo.Image{Tag: "10.20", Platforms: arm, Provenance: true}},
		{ocitest.AppOCI, demo.Image{Tag: "10.30", Platforms: both, Provenance: true}},
		{ocitest.AppOCI, demo.Image{Tag: "10.40", Platforms: arm}},
		{ocitest.AppOCI, demo.Image{Tag: "10.50", Platforms: both}},
		{ocitest.AppOCI, demo.Image{Tag: "10.70", Platforms: both, Provenance: true, Artifact: true}},
		{ocitest.AppDocker, demo.Image{Tag: "10.12", Platforms: amd, Docker: true}},
		{ocitest.AppDocker, demo.Image{Tag: "10.40", Platforms: arm, Docker: true}},
		{ocitest.AppDocker, demo.Image{Tag: "10.50", Platforms: both, Docker: true}},
	} {
		t.Run(string(tc.layout)+"/"+tc.image.Tag, func(t *testing.T) {
			got, want := shapes(objectsOf(t, tc.image)), shapes(tc.layout.Objects(t)[tc.image.Tag])
			if !slices.Equal(got, want) {
				t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}

// shapes returns the media types of the objects, with the structure of those
// bodies that can be compared. They are sorted, since only the order in an
// index matters.
func shapes(objects []demo.Object) []string {
	number := regexp.MustCompile(`[0-9a-f]{64}|"size": [0-9]+`)
	var shapes []string
	for _, o := range objects {
		switch {
		case strings.Contains(o.MediaType, "tar"): // BuildKit has two, both compressed
		case strings.Contains(string(o.Body), "unknown"), strings.Contains(string(o.Body), "artifactType"),
			o.MediaType == ocispec.MediaTypeEmptyJSON, strings.Contains(string(o.Body), `"manifests"`):
			shapes = append(shapes, o.MediaType+" "+number.ReplaceAllString(string(o.Body), "N"))
		default:
			shapes = append(shapes, o.MediaType)
		}
	}
	slices.Sort(shapes)
	return slices.Compact(shapes)
}

func TestVersionAndBuild(t *testing.T) {
	first := demo.Image{Tag: "10.10", Platforms: []string{"linux/amd64"}, Provenance: true}
	renamed, rebuilt := first, first
	renamed.Tag, renamed.Version = "latest", "10.10"
	rebuilt.Build = 2

	if a, b := objectsOf(t, first), objectsOf(t, renamed); !slices.Equal(digests(a), digests(b)) {
		t.Errorf("a version has other bytes under another tag: %v, %v", digests(a), digests(b))
	}
	// layer, config, statement, attestation's config; image, attestation, index
	same := []bool{true, true, false, false, true, false, false}
	before, after := digests(objectsOf(t, first)), digests(objectsOf(t, rebuilt))
	for i := range same {
		if (before[i] == after[i]) != same[i] {
			t.Errorf("object %d of a rebuild: got %s after %s", i, after[i], before[i])
		}
	}
}

func TestImpossibleImages(t *testing.T) {
	for _, tc := range []struct {
		image demo.Image
		want  string
	}{
		{demo.Image{Tag: "1"}, `image "1": no platforms`},
		{demo.Image{Tag: "1", Platforms: []string{"a/b/c/d"}}, `image "1": platform "a/b/c/d": `},
		{demo.Image{Tag: "1", Platforms: []string{"linux/amd64"}, Provenance: true, Docker: true}, `image "1": provenance needs OCI media types`},
	} {
		if _, err := tc.image.Objects(); err == nil || !strings.HasPrefix(err.Error(), tc.want) {
			t.Errorf("got %v, want %s", err, tc.want)
		}
	}
}

func TestRegistryKeepsWhatIsUntagged(t *testing.T) {
	host := ocitest.Olareg(t)
	image := demo.Image{Tag: "10", Platforms: []string{"linux/amd64"}, Provenance: true, Artifact: true}
	if _, err := demo.Push(t.Context(), host, "my-image", []demo.Image{image}); err != nil {
		t.Fatal(err)
	}
	base := "http://" + host + "/v2/my-image/"
	objects := objectsOf(t, image)
	index, attestation, subject := objects[len(objects)-1], objects[len(objects)-2], objects[len(objects)-3]

	for _, step := range []struct {
		method, path string
		status       int
		body         string // part of it
	}{
		{http.MethodGet, "referrers/" + subject.Digest.String(), http.StatusOK, attestation.Digest.String()},
		{http.MethodDelete, "manifests/10", http.StatusAccepted, ""},
		{http.MethodGet, "manifests/10", http.StatusNotFound, ""},
		{http.MethodGet, "manifests/" + index.Digest.String(), http.StatusOK, string(index.Body)},
		{http.MethodDelete, "manifests/" + index.Digest.String(), http.StatusAccepted, ""},
		{http.MethodGet, "manifests/" + index.Digest.String(), http.StatusNotFound, ""},
		{http.MethodGet, "manifests/" + attestation.Digest.String(), http.StatusOK, string(attestation.Body)},
		{http.MethodDelete, "manifests/" + attestation.Digest.String(), http.StatusAccepted, ""},
		{http.MethodGet, "referrers/" + subject.Digest.String(), http.StatusOK, `"manifests":[]`},
		{http.MethodGet, "manifests/" + subject.Digest.String(), http.StatusOK, string(subject.Body)},
	} {
		req, err := http.NewRequestWithContext(t.Context(), step.method, base+step.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", strings.Join([]string{ocispec.MediaTypeImageIndex, ocispec.MediaTypeImageManifest}, ", "))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != step.status || !strings.Contains(string(body), step.body) {
			t.Errorf("%s %s: %s, %v: %s", step.method, step.path, resp.Status, err, body)
		}
	}
}

func TestCloseTwice(t *testing.T) {
	registry, err := demo.Start()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := registry.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := demo.Seed(t.Context(), registry.Host(), remote.WithRetryBackoff(remote.Backoff{Steps: 1})); err == nil {
		t.Error("a closed registry takes images")
	}
}

func objectsOf(t *testing.T, image demo.Image) []demo.Object {
	t.Helper()
	objects, err := image.Objects()
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

func digests(objects []demo.Object) []string {
	var digests []string
	for _, o := range objects {
		digests = append(digests, o.Digest.String())
	}
	return digests
}
