package ecr_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"tagline/reconcile/demo"
	"tagline/reconcile/ecr"
	"tagline/reconcile/ecr/ecrtest"
	"tagline/reconcile/registry"
)

// Resolve asks by id while that is cheap, and lists if it isn't; the answers
// are the same.
func TestResolve(t *testing.T) {
	server := emulate(t, ecrtest.Options{})
	want := map[string]string{}
	for i := range 250 {
		tag := fmt.Sprintf("1.%d", i)
		digests, err := server.Seed("my-image", time.Now(), demo.Image{Tag: tag, Platforms: []string{"linux/amd64"}, Build: i, Version: tag})
		if err != nil {
			t.Fatal(err)
		}
		maps.Copy(want, digests)
	}
	all := slices.Sorted(maps.Keys(want))
	for _, test := range []struct {
		name  string
		tags  []string
		calls int
	}{
		{"a few", all[:3], 1},
		{"several hundred", all, 3},
		{"one that is missing", []string{"1.1", "nope", "1.2", "1.3"}, 2},
		{"only one, and it is missing", []string{"nope"}, 1},
		{"a tag that is named null", []string{"1.1", "null"}, 2},
		{"several that are missing", append([]string{"a", "b", "c", "d", "e", "f"}, all[:10]...), 7},
		{"many that are missing", append(strings.Fields("a b c d e f g h i j k l m n o p q r s t u"), all[:10]...), 20 + 1},
		{"more than by ids", append(slices.Repeat([]string{"x"}, 100), all...), 1},
		{"none", nil, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			server.ResetCalls()
			answers := open(t).Reader(myImage).Resolve(t.Context(), test.tags)
			for i, tag := range test.tags {
				if answers[i].Value.Digest != want[tag] || errors.Is(answers[i].Err, registry.ErrNotFound) != (want[tag] == "") {
					t.Errorf("%s is %+v, want %s", tag, answers[i], want[tag])
				}
			}
			if n := server.Calls()["DescribeImages"]; n != test.calls {
				t.Errorf("%d calls, want %d", n, test.calls)
			}
		})
	}
	t.Run("a writer remembers nothing", func(t *testing.T) {
		c := open(t)
		if _, err := c.Reader(myImage).Tags(t.Context()); err != nil {
			t.Fatal(err)
		}
		moved, err := server.Seed("my-image", time.Now(), demo.Image{Tag: "1.1", Platforms: []string{"linux/arm64"}})
		if err != nil {
			t.Fatal(err)
		}
		now := ecr.NewWriters(c).Writer(myImage).Resolve(t.Context(), []string{"nope", "1.1"})
		if now[1].Value.Digest != moved["1.1"] || !errors.Is(now[0].Err, registry.ErrNotFound) {
			t.Errorf("got %+v, want %s", now, moved["1.1"])
		}
	})
}

// One absent alias costs one call, whatever the size of the repository. If ECR
// does not name the missing id, the answers are the same but cost more.
func TestAbsentAlias(t *testing.T) {
	server := emulate(t, ecrtest.Options{})
	var aliases []string
	for i := range 1500 {
		if _, err := server.Seed("my-image", time.Now(), demo.Image{Tag: fmt.Sprintf("1.%d", i), Platforms: []string{"linux/amd64"}, Provenance: true}); err != nil {
			t.Fatal(err)
		}
		if i < 20 {
			aliases = append(aliases, fmt.Sprintf("v%d: 1.%[1]d", i))
		}
	}
	image := mine(t, strings.Join(append(aliases, "gone: absent"), ", "))
	if _, err := apply(t, image); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		fault  []ecrtest.Fault
		atMost int
	}{
		{"named", nil, 2},
		{"not named", []ecrtest.Fault{{Operation: "DescribeImages", Do: func(w http.ResponseWriter, c *ecrtest.Call) {
			recorded := httptest.NewRecorder()
			c.Serve(recorded)
			if recorded.Code != http.StatusOK {
				ecrtest.Refuse("ImageNotFoundException", "There is none")(w, c)
				return
			}
			_, _ = w.Write(recorded.Body.Bytes())
		}}}, 2 * 6},
	} {
		t.Run(test.name, func(t *testing.T) {
			server.ResetCalls()
			server.Script(test.fault...)
			if p := plan(t, image); !p.Empty() || len(p.InSync) != 21 || len(p.Errors) > 0 {
				t.Errorf("plan %+v", p)
			}
			if n := server.Calls()["DescribeImages"]; n > test.atMost {
				t.Errorf("%d calls, want at most %d", n, test.atMost)
			}
		})
	}
}

func TestReferrers(t *testing.T) {
	server := emulate(t, ecrtest.Options{})
	var subject string
	for i := range 120 { // three pages
		objects, err := demo.Image{Tag: "10", Platforms: []string{"linux/amd64"}, Provenance: true, Artifact: true, Build: i}.Objects()
		if err != nil {
			t.Fatal(err)
		}
		if err := server.SeedObjects("my-image", "10", time.Now(), objects...); err != nil {
			t.Fatal(err)
		}
		subject = objects[len(objects)-3].Digest.String() // one subject for all builds
	}
	got, err := open(t).Reader(myImage).Referrers(t.Context(), subject)
	if err != nil || len(got) != 120 || got[0].ArtifactType == "" || got[0].Size == 0 || !strings.HasPrefix(got[0].Digest, "sha256:") {
		t.Errorf("%d referrers, %v; want 120", len(got), err)
	}
	if n := server.Calls()["ListImageReferrers"]; n != 3 {
		t.Errorf("%d calls, want 3", n)
	}
}

func TestArchived(t *testing.T) {
	server := seeded(t, ecrtest.Options{})
	if _, err := apply(t, mine(t, ten)); err != nil {
		t.Fatal(err)
	}
	tags := server.Tags("my-image")
	if err := server.SetStatus("my-image", tags["10.20"], types.ImageStatusArchived); err != nil {
		t.Fatal(err)
	}
	p := plan(t, mine(t, ten))
	if len(p.Violations) != 1 || p.Violations[0].ID != "archived-source" {
		t.Errorf("plan %+v, want archived-source", p)
	}
	if p := plan(t, mine(t, "11: "+tags["10.20"])); len(p.Violations) != 1 || p.Violations[0].ID != "archived-source" {
		t.Errorf("by digest: plan %+v, want archived-source", p)
	}
}

// An archived image is not absent, and can't be pulled. Its alias is left
// alone, and a writer that has seen it reports what its tag names.
func TestArchivedAlias(t *testing.T) {
	server := seeded(t, ecrtest.Options{})
	digest := server.Tags("my-image")["10.10"]
	if err := server.SetStatus("my-image", digest, types.ImageStatusArchived); err != nil {
		t.Fatal(err)
	}
	for _, aliases := range []string{"10.10: absent", "10.10: 10.20"} {
		if p, err := apply(t, mine(t, aliases)); err != nil || len(p.Violations) != 1 || p.Violations[0].ID != "archived-alias" || !p.Empty() {
			t.Errorf("%s: %v, plan %+v", aliases, err, p)
		}
	}
	c := open(t)
	if _, err := c.Reader(myImage).Tags(t.Context()); err != nil {
		t.Fatal(err)
	}
	now := ecr.NewWriters(c).Writer(myImage).Resolve(t.Context(), []string{"10.10", "nope"})
	if now[0].Err != nil || now[0].Value.Digest != digest || !errors.Is(now[1].Err, registry.ErrNotFound) {
		t.Errorf("got %+v", now)
	}
}
