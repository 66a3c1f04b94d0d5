// Package googletest emulates what Google's registries add to the OCI protocol.
package googletest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"tagline/reconcile/listing/listingtest"
)

// Start serves an empty registry until the test ends.
func Start(t testing.TB) *listingtest.Registry {
	t.Helper()
	return listingtest.Start(t, func(r *listingtest.Registry) http.Handler { return &emulator{r} })
}

type emulator struct{ *listingtest.Registry }

var (
	tagsPath     = regexp.MustCompile(`^/v2/(.+)/tags/list$`)
	manifestPath = regexp.MustCompile(`^/v2/(.+)/manifests/(sha256:[0-9a-f]{64})$`)
)

func (e *emulator) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if found := tagsPath.FindStringSubmatch(req.URL.Path); found != nil && req.Method == http.MethodGet {
		e.tags(w, found[1])
		return
	}
	if found := manifestPath.FindStringSubmatch(req.URL.Path); found != nil && req.Method == http.MethodDelete && e.refused(w, found[1], found[2]) {
		return
	}
	e.Registry.ServeHTTP(w, req)
}

// info is a manifest in the list of tags (go-containerregistry, pkg/v1/google,
// ManifestInfo; GoogleCloudPlatform/gcr-cleaner reads the same).
type info struct {
	Size      string   `json:"imageSizeBytes"`
	LayerID   string   `json:"layerId"`
	MediaType string   `json:"mediaType"`
	Tags      []string `json:"tag"`
	Created   string   `json:"timeCreatedMs"`
	Uploaded  string   `json:"timeUploadedMs"`
}

func (e *emulator) tags(w http.ResponseWriter, repository string) {
	all := e.Manifests(repository)
	if all == nil {
		refuse(w, http.StatusNotFound, "NAME_UNKNOWN", fmt.Sprintf("Repository %q not found", repository)) // the text is invented
		return
	}
	body := struct {
		Child    []string        `json:"child"`
		Manifest map[string]info `json:"manifest"`
		Name     string          `json:"name"`
		Tags     []string        `json:"tags"`
	}{[]string{}, map[string]info{}, repository, []string{}}
	for _, m := range all {
		at := strconv.FormatInt(m.Pushed.UnixMilli(), 10)
		body.Manifest[m.Digest] = info{strconv.FormatInt(m.Size, 10), "", m.MediaType, append([]string{}, m.Tags...), at, at}
		body.Tags = append(body.Tags, m.Tags...)
	}
	slices.Sort(body.Tags)
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body)
}

// refused answers a deletion that Google does not do. Status, codes and texts are
// those of GoogleCloudPlatform/gcr-cleaner#118 and enix/kube-image-keeper#636; that
// parents count first is invented.
func (e *emulator) refused(w http.ResponseWriter, repository, digest string) bool {
	all := e.Manifests(repository)
	for _, m := range all {
		for _, child := range m.Children {
			if child.Digest.String() == digest {
				refuse(w, http.StatusBadRequest, "GOOGLE_MANIFEST_DANGLING_PARENT_IMAGE", "Manifest is still referenced by one or more parent images")
				return true
			}
		}
	}
	for _, m := range all {
		if m.Digest == digest && len(m.Tags) > 0 {
			refuse(w, http.StatusBadRequest, "GOOGLE_MANIFEST_DANGLING_TAG", "Manifest is still referenced by one or more tags")
			return true
		}
	}
	return false
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"errors":[{"code":%q,"message":%q}]}`, code, strings.ReplaceAll(message, `"`, `'`))
}
