package listingtest_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"tagline/reconcile/demo"
	"tagline/reconcile/listing/listingtest"
)

func TestRegistry(t *testing.T) {
	r := listingtest.Start(t, func(r *listingtest.Registry) http.Handler { return r })
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	r.Now = func() time.Time { return at }
	if got := r.Manifests("app"); got != nil {
		t.Errorf("before any push there are %v", got)
	}
	push := func(image demo.Image) string {
		t.Helper()
		digests, err := demo.Push(t.Context(), r.Host, "app", []demo.Image{image})
		if err != nil {
			t.Fatal(err)
		}
		return digests[image.Tag]
	}
	index := push(demo.Image{Tag: "1.0", Platforms: []string{"linux/amd64", "linux/arm64"}, Provenance: true})
	single := push(demo.Image{Tag: "1.1", Platforms: []string{"linux/amd64"}, Version: "1.0"}) // the child of the index
	all := r.Manifests("app")
	if len(all) != 5 {
		t.Fatalf("there are %d manifests, want 5: %+v", len(all), all)
	}
	of := func(digest string) listingtest.Manifest {
		i := slices.IndexFunc(r.Manifests("app"), func(m listingtest.Manifest) bool { return m.Digest == digest })
		if i < 0 {
			return listingtest.Manifest{}
		}
		return r.Manifests("app")[i]
	}
	if m := of(index); len(m.Children) != 4 || !slices.Equal(m.Tags, []string{"1.0"}) || !m.Pushed.Equal(at) || m.Size == 0 {
		t.Errorf("the index is %+v", m)
	}
	if m := of(single); !slices.Equal(m.Tags, []string{"1.1"}) {
		t.Errorf("the image is %+v", m)
	}
	moved := push(demo.Image{Tag: "1.0", Platforms: []string{"linux/arm64"}})
	if len(of(index).Tags) != 0 || !slices.Equal(of(moved).Tags, []string{"1.0"}) {
		t.Errorf("after a move: %+v, %+v", of(index), of(moved))
	}
	if status := r.Delete("app", "1.1"); status/100 != 2 || len(of(single).Tags) != 0 {
		t.Errorf("delete a tag: %d, %+v", status, of(single))
	}
	if status := r.Delete("app", index); status/100 != 2 || of(index).Digest != "" {
		t.Errorf("delete a manifest: %d, %+v", status, of(index))
	}
	if status := r.Delete("app", "none"); status/100 == 2 {
		t.Errorf("delete a tag that is not there: %d", status)
	}
}
