package kindstest

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"tagline/config"
	"tagline/reconcile/demo"
)

// Requests are those of a run with nothing to do, without a cache and with that of
// an earlier run.
type Requests struct{ Cold, Warm int }

// Calls counts the requests for a number of aliases in a repository of three times as
// many tags, by the listing and tag by tag. want says how many they should be.
func Calls(t *testing.T, k Kind, want func(aliases int) (listing, tagByTag Requests)) {
	n := 40
	if text := os.Getenv("TAGLINE_TEST_ALIASES"); text != "" { // the pages state the numbers for 1,000
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	r := k.Start(t)
	var images []demo.Image
	var aliases strings.Builder
	for i := range n {
		images = append(images, demo.Image{Tag: fmt.Sprintf("%d.10", i), Platforms: intel}, demo.Image{Tag: fmt.Sprintf("%d.20", i), Platforms: both[1:]})
		fmt.Fprintf(&aliases, "%d: {amd64: %d.10, arm64: %d.20}, ", i, i, i)
	}
	k.Seed(t, r, images...)
	image := k.Image(t, r.Host, "{aliases: {"+aliases.String()+"}}")
	if p, err := k.Apply(t, image, Run{AtOnce: 16}); err != nil || len(p.Pushes) != n {
		t.Fatalf("%v, %d pushes", err, len(p.Pushes))
	}
	listing, tagByTag := want(n)
	for _, way := range []struct {
		name string
		kind config.RegistryKind
		want Requests
	}{{"by the listing", k.Kind, listing}, {"tag by tag", config.OCI, tagByTag}} {
		as := k
		as.Kind = way.kind
		var got Requests
		dir := t.TempDir()
		for _, count := range []*int{&got.Cold, &got.Warm} {
			r.Requests()
			if plan, err := as.Apply(t, image, Run{AtOnce: 16, Dry: true, Cache: dir}); err != nil || !plan.Empty() {
				t.Fatalf("%s: %+v, %v", way.name, plan, err)
			}
			*count = len(r.Requests())
		}
		if got != way.want {
			t.Errorf("%s: %d aliases take %+v requests, want %+v", way.name, n, got, way.want)
		}
	}
}
