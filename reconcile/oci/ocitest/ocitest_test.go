package ocitest_test

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/opencontainers/go-digest"
	"go.uber.org/goleak"

	"tagline/reconcile/demo"
	"tagline/reconcile/oci/ocitest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestFixturesArriveByteForByte(t *testing.T) {
	layouts := map[ocitest.Layout]int{ocitest.AppOCI: 9, ocitest.AppDocker: 3} // number of tags
	ocitest.Each(t, func(t *testing.T, host string) {
		for layout, tags := range layouts {
			t.Run(string(layout), func(t *testing.T) {
				pushed := ocitest.PushFixtures(t, layout, host, "team/"+string(layout))
				if len(pushed) != tags {
					t.Errorf("pushed %d tags, want %d", len(pushed), tags)
				}
				for tag, objects := range layout.Objects(t) {
					base := "http://" + host + "/v2/team/" + string(layout)
					for _, o := range objects {
						sameObject(t, base, o.Digest.String(), o)
					}
					sameObject(t, base, tag, objects[len(objects)-1])
					if root := objects[len(objects)-1].Digest.String(); pushed[tag] != root {
						t.Errorf("tag %s: pushed %s, want %s", tag, pushed[tag], root)
					}
				}
			})
		}
	})
}

func sameObject(t *testing.T, base, reference string, o demo.Object) {
	t.Helper()
	kind, isManifest := "/blobs/", false
	if mediaType := types.MediaType(o.MediaType); mediaType.IsIndex() || mediaType.IsImage() {
		kind, isManifest = "/manifests/", true
	}
	got := do(t, http.MethodGet, base+kind+reference, "Accept", o.MediaType)
	if !bytes.Equal(got.body, o.Body) || digest.FromBytes(got.body) != o.Digest || got.length != o.Size {
		t.Errorf("%s%s: status %d with %d bytes, want %s with %d", kind, reference, got.status, got.length, o.Digest, o.Size)
	}
	if got := got.header.Get("Content-Type"); isManifest && got != o.MediaType {
		t.Errorf("%s%s: Content-Type %q, want %q", kind, reference, got, o.MediaType)
	}
}

func TestDistributionWithBasicAuth(t *testing.T) {
	host := ocitest.Distribution(t, ocitest.BasicAuth)
	for login, want := range map[string]int{
		"":                       http.StatusUnauthorized,
		ocitest.User + ":wrong@": http.StatusUnauthorized,
		ocitest.User + ":" + ocitest.Password + "@": http.StatusOK,
	} {
		if got := do(t, http.MethodGet, "http://"+login+host+"/v2/"); got.status != want {
			t.Errorf("login %q: got %d, want %d", login, got.status, want)
		}
	}
}

// answer is what a client received.
type answer struct {
	status int
	header http.Header
	length int64 // -1: unknown
	body   []byte
}

// do sends a request on its own connection, with headers in pairs, and wants a
// whole answer.
func do(t *testing.T, method, url string, headers ...string) answer {
	t.Helper()
	a, err := try(t, method, url, headers...)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// try is do for an answer that may break off. It returns what arrived with the
// error.
func try(t *testing.T, method, url string, headers ...string) (answer, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for pair := range slices.Chunk(headers, 2) {
		req.Header.Set(pair[0], pair[1])
	}
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, resp.ContentLength, body}, err
}
