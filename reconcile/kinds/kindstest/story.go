package kindstest

import (
	"fmt"
	"strings"
	"testing"

	"tagline/reconcile"
	"tagline/reconcile/demo"
	"tagline/reconcile/trash"
)

// Story purges ten releases of two platforms with provenance, two of them pushed
// again: as BuildKit pushes attestations, and as it does since 0.32.
func Story(t *testing.T, k Kind) {
	for name, artifact := range map[string]bool{"attestations": false, "attestations as artifacts": true} {
		t.Run(name, func(t *testing.T) { story(t, k, artifact) })
	}
}

func story(t *testing.T, k Kind, artifact bool) {
	r := k.Start(t)
	Old(r)
	release := demo.Image{Platforms: both, Provenance: true, Artifact: artifact}
	for i := range 10 {
		release.Tag = fmt.Sprintf("1.%d", i)
		k.Seed(t, r, release)
	}
	for _, tag := range []string{"1.3", "1.7"} {
		release.Tag, release.Version, release.Build = tag, tag+" again", 1
		k.Seed(t, r, release)
	}
	if n := len(r.Manifests(k.Path)); n != 12*5 {
		t.Fatalf("%d manifests before", n)
	}
	image := k.Image(t, r.Host, "{aliases: {latest: 1.9, stable: 1.7}, policies: {provenance: purge, untagged: delete}}")
	r.Requests()
	if plan, err := k.Apply(t, image, Run{AtOnce: 8, Dry: true}); err != nil || plan.Empty() {
		t.Errorf("a dry run: %+v, %v", plan, err)
	}
	if sent := writes(r.Requests()); len(sent) > 0 {
		t.Errorf("a dry run sent %q", sent)
	}
	dir := t.TempDir()
	kept := trash.Open(dir, "run", "test")
	plan, err := k.Apply(t, image, Run{AtOnce: 8, Trash: kept})
	if err != nil || len(plan.DeleteManifests) != 10+20+10 {
		t.Errorf("the purge: %d deletions, %v", len(plan.DeleteManifests), err)
	}
	if err := kept.Close(); err != nil {
		t.Error(err)
	}
	there := map[string]bool{}
	records, _ := trash.Read(dir, func(reconcile.Record) bool { return true })
	for _, record := range records {
		for _, one := range record.Kept {
			there[one.Manifest.Digest] = true
		}
	}
	for _, d := range plan.DeleteManifests { // also those that go along with others
		if !there[d.Digest] {
			t.Errorf("the trash lacks %s", d.Digest)
		}
	}
	if n := len(r.Manifests(k.Path)); n != 10*3 { // an index and two images each; an alias has the index of its release
		t.Errorf("%d manifests after", n)
	}
	has := k.Content(t, r.Host)
	if len(has.Tags) != 12 || len(has.Needed) != 30 || len(has.Missing) > 0 {
		t.Errorf("%d tags, %d manifests, missing %q", len(has.Tags), len(has.Needed), has.Missing)
	}
	if has.Tags["latest"] != has.Tags["1.9"] || has.Tags["stable"] != has.Tags["1.7"] {
		t.Errorf("tags are %v", has.Tags)
	}
	r.Requests()
	if plan, err := k.Apply(t, image, Run{AtOnce: 8}); err != nil || !plan.Empty() {
		t.Errorf("the second run: %+v, %v", plan, err)
	}
	if sent := writes(r.Requests()); len(sent) > 0 {
		t.Errorf("the second run sent %q", sent)
	}
}

// writes are the requests that may change a registry.
func writes(requests []string) (sent []string) {
	for _, request := range requests {
		if isWrite(request) {
			sent = append(sent, request)
		}
	}
	return sent
}

func isWrite(request string) bool {
	return !strings.HasPrefix(request, "GET ") && !strings.HasPrefix(request, "HEAD ")
}
