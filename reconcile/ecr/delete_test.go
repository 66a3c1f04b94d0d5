package ecr_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"tagline/reconcile/demo"
	"tagline/reconcile/ecr"
	"tagline/reconcile/ecr/ecrtest"
	"tagline/reconcile/registry"
)

// twoReleases are 1.0 and 1.1, which are to be deleted, by digest.
func twoReleases(t *testing.T, server *ecrtest.Server) (digests map[string]string, due []registry.Removal) {
	t.Helper()
	digests, err := server.Seed("my-image", time.Now(), demo.Image{Tag: "1.0", Platforms: []string{"linux/amd64"}}, demo.Image{Tag: "1.1", Platforms: []string{"linux/amd64"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tag := range []string{"1.0", "1.1"} {
		due = append(due, registry.Removal{Digest: digests[tag], Tags: []string{tag}})
	}
	return digests, due
}

// A manifest that another job tags after the tags were compared stays, also if it does so
// before a deletion is sent again. The rest of the call is deleted.
func TestTaggedBeforeItsDeletion(t *testing.T) {
	for name, first := range map[string]ecrtest.Action{"at once": nil, "throttled": ecrtest.Throttle(), "cut": ecrtest.Reset()} {
		t.Run(name, func(t *testing.T) {
			server := seeded(t, ecrtest.Options{})
			digests, due := twoReleases(t, server)
			release := func() {
				if _, err := server.Seed("my-image", time.Now(), demo.Image{Tag: "release", Platforms: []string{"linux/amd64"}, Version: "1.0"}); err != nil {
					t.Error(err)
				}
			}
			calls := 1
			if first == nil {
				release()
			} else {
				calls = 2
				server.Script(ecrtest.Fault{Operation: "BatchDeleteImage", Times: 1, Do: func(w http.ResponseWriter, c *ecrtest.Call) { release(); first(w, c) }})
			}
			errs := ecr.NewWriters(open(t, myImage)).Writer(myImage).DeleteManifests(t.Context(), due)
			now := server.Tags("my-image")
			if tagged := (*registry.TaggedError)(nil); !errors.As(errs[0], &tagged) || !slices.Equal(tagged.Tags, []string{"release"}) ||
				now["release"] != digests["1.0"] || now["1.0"] != digests["1.0"] {
				t.Errorf("got %v, and tags are %v, want that it has the tag \"release\"", errs[0], now)
			}
			if errs[1] != nil || now["1.1"] != "" || server.Calls()["BatchDeleteImage"] != calls {
				t.Errorf("the other one: %v after %d calls, want none after %d; tags are %v", errs[1], server.Calls()["BatchDeleteImage"], calls, now)
			}
		})
	}
}

// A manifest whose tags can't be read stays.
func TestUnknownTagsBeforeADeletion(t *testing.T) {
	server := seeded(t, ecrtest.Options{})
	digests, due := twoReleases(t, server)
	server.Script(ecrtest.Fault{Operation: "DescribeImages", Do: ecrtest.Refuse("AccessDeniedException", "no")})
	for i, err := range ecr.NewWriters(open(t, myImage)).Writer(myImage).DeleteManifests(t.Context(), due) {
		if !errors.Is(err, registry.ErrRefused) || server.Tags("my-image")[due[i].Tags[0]] != due[i].Digest {
			t.Errorf("%s: got %v, and tags are %v, want %v", due[i].Digest, err, server.Tags("my-image"), digests)
		}
	}
}

// A refusal that does not say of what is no success.
func TestRefusedDeletionWithoutAnID(t *testing.T) {
	for name, id := range map[string]string{"no id": "", "the digest alone": `"imageId":{"imageDigest":"DIGEST"},`, "another tag": `"imageId":{"imageTag":"x"},`} {
		t.Run(name, func(t *testing.T) {
			server := seeded(t, ecrtest.Options{})
			image := mine(t, ten)
			c := ecr.New(ecr.Options{})
			defer c.Close()
			w := ecr.NewWriters(c).Writer(image.Repository)
			of := w.Resolve(t.Context(), []string{"10.10"})[0].Value.Digest
			server.Script(ecrtest.Fault{Operation: "BatchDeleteImage", Do: func(w http.ResponseWriter, _ *ecrtest.Call) {
				w.Header().Set("Content-Type", "application/x-amz-json-1.1")
				_, _ = fmt.Fprintf(w, `{"imageIds":[],"failures":[{%s"failureCode":"KmsError","failureReason":"no key"}]}`, strings.ReplaceAll(id, "DIGEST", of))
			}})
			for _, errs := range [][]error{
				w.DeleteTags(t.Context(), []registry.TagDigest{{Tag: "10.10", Digest: of}}), w.DeleteManifests(t.Context(), []registry.Removal{{Digest: of, Tags: []string{"10.10"}}}),
			} {
				if errs[0] == nil || !strings.Contains(errs[0].Error(), "KmsError: no key") {
					t.Errorf("%v", errs[0])
				}
			}
		})
	}
}

// A refusal of a digest may have a tag beside it, and is none of the rest of its call.
func TestRefusedDeletionWithATag(t *testing.T) {
	server := seeded(t, ecrtest.Options{})
	c := ecr.New(ecr.Options{})
	defer c.Close()
	w := ecr.NewWriters(c).Writer(mine(t, ten).Repository)
	tags := []string{"10.10", "10.20"}
	var due []registry.Removal
	for i, now := range w.Resolve(t.Context(), tags) {
		due = append(due, registry.Removal{Digest: now.Value.Digest, Tags: tags[i : i+1]})
	}
	server.Script(ecrtest.Fault{Operation: "BatchDeleteImage", Do: func(w http.ResponseWriter, _ *ecrtest.Call) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_, _ = fmt.Fprintf(w, `{"failures":[{"imageId":{"imageDigest":%q,"imageTag":"10.10"},"failureCode":"KmsError","failureReason":"no key"}]}`, due[0].Digest)
	}})
	errs := w.DeleteManifests(t.Context(), due)
	if errs[0] == nil || !strings.Contains(errs[0].Error(), "KmsError: no key") || errs[1] != nil {
		t.Errorf("got %v", errs)
	}
}
