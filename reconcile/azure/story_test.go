package azure_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"tagline/reconcile/azure/azuretest"
	"tagline/reconcile/demo"
	"tagline/reconcile/kinds/kindstest"
)

var both = []string{"linux/amd64", "linux/arm64"}

// releases are ten of two platforms with provenance, and two of them pushed again.
func releases() []demo.Image {
	var all []demo.Image
	for i := range 10 {
		all = append(all, demo.Image{Tag: fmt.Sprintf("1.%d", i), Platforms: both, Provenance: true})
	}
	for _, tag := range []string{"1.3", "1.7"} {
		all = append(all, demo.Image{Tag: tag, Platforms: both, Provenance: true, Version: tag + " again", Build: 1})
	}
	return all
}

func TestStory(t *testing.T)       { kindstest.Story(t, tested) }
func TestCutAnywhere(t *testing.T) { kindstest.Cut(t, tested) }
func TestLateTag(t *testing.T)     { kindstest.LateTag(t, tested) }

// A locked tag is said before anything is written, and nothing of it changes.
func TestLockedAliasInThePlan(t *testing.T) {
	r := azuretest.Start(t)
	tested.Seed(t, r.Registry, demo.Image{Tag: "1.0", Platforms: intel}, demo.Image{Tag: "1.1", Platforms: intel}, demo.Image{Tag: "10", Version: "1.0", Platforms: intel})
	r.Lock(tested.Path+":10", noWrite)
	before := tested.Content(t, r.Host)
	plan, err := tested.Apply(t, tested.Image(t, r.Host, "{aliases: {10: 1.1}}"), kindstest.Run{AtOnce: 8})
	if err == nil || !strings.Contains(err.Error(), `tag "10" of `+r.Host+"/"+tested.Path+" is locked") || len(plan.Pushes) != 0 {
		t.Errorf("%+v, %v", plan.Pushes, err)
	}
	if now := tested.Content(t, r.Host); !maps.Equal(now.Tags, before.Tags) {
		t.Errorf("tags are %v", now.Tags)
	}
}
