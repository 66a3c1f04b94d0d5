package azure_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"tagline/reconcile/azure/azuretest"
	"tagline/reconcile/kinds/kindstest"
	"tagline/reconcile/registry"
)

func noWrite(l *azuretest.Locks)  { l.Write = false }
func noDelete(l *azuretest.Locks) { l.Delete = false }

func TestLockedTagsAreFixed(t *testing.T) {
	r := azuretest.Start(t)
	r.Page = 2
	digests := push(t, r, "app", "1.0", "1.1", "1.2", "1.3", "1.4")
	r.Lock("app:1.1", noWrite)
	r.Lock("app:1.3", noWrite)
	r.Lock("app:1.4", noDelete)
	r.Lock("app@"+digests["1.0"], noWrite) // its tag may move
	c, w := open(t, r)
	facts, err := c.Reader(at(r, "app")).Facts(t.Context())
	if got := slices.Sorted(maps.Keys(facts.Tags.Locked)); err != nil || facts.Locked || !slices.Equal(got, []string{"1.1", "1.3"}) {
		t.Errorf("%+v, %v", facts, err)
	}
	for tag, fixed := range map[string]bool{"1.0": false, "1.1": true, "1.4": false, "new": false} {
		if facts.Tags.Fixed(tag) != fixed {
			t.Errorf("%s is fixed: %v", tag, !fixed)
		}
	}
	// A run that knows nothing of the lock is refused for that tag alone.
	writer := w.Writer(at(r, "app"))
	raw := c.Reader(at(r, "app")).Manifests(t.Context(), []string{digests["1.2"]})[0].Value
	errs := writer.Put(t.Context(), []registry.TaggedManifest{{Tag: "1.1", Manifest: raw}, {Tag: "1.4", Manifest: raw}, {Tag: "1.0", Manifest: raw}})
	if errs[0] == nil || !strings.Contains(errs[0].Error(), "it is locked") || errs[1] != nil || errs[2] != nil {
		t.Errorf("pushes: %v", errs)
	}
}

func TestLockedRepository(t *testing.T) {
	r := azuretest.Start(t)
	digests := push(t, r, "app", "1.0")
	r.Lock("app", noWrite)
	c, w := open(t, r)
	facts, err := c.Reader(at(r, "app")).Facts(t.Context())
	if err != nil || !facts.Locked || !facts.Tags.Fixed("1.0") {
		t.Errorf("%+v, %v", facts, err)
	}
	writer := w.Writer(at(r, "app"))
	if err := writer.Deletes(t.Context()); !errors.Is(err, registry.ErrUnsupported) || !strings.Contains(err.Error(), "locked") {
		t.Errorf("deletes: %v", err)
	}
	if err := writer.DeleteManifests(t.Context(), kindstest.Removals(digests, "1.0"))[0]; err == nil || !strings.Contains(err.Error(), "it is locked") {
		t.Errorf("deletion: %v", err)
	}
	r.Lock("app", func(l *azuretest.Locks) { *l = azuretest.Locks{Write: true, Read: true, List: true} })
	if err := writer.Deletes(t.Context()); !errors.Is(err, registry.ErrUnsupported) {
		t.Errorf("without deleteEnabled: %v", err)
	}
	r.Lock("app", func(l *azuretest.Locks) { l.Delete = true })
	r.Requests()
	if err := writer.Deletes(t.Context()); err != nil || slices.ContainsFunc(r.Requests(), func(s string) bool { return strings.HasPrefix(s, "DELETE") }) {
		t.Errorf("unlocked: %v, or a deletion was tried", err)
	}
}

// A refusal is that of one item, whichever comes first; the others go.
func TestLockedItemsStay(t *testing.T) {
	for name, lock := range map[string]func(*azuretest.Locks){"writeEnabled": noWrite, "deleteEnabled": noDelete} {
		t.Run(name, func(t *testing.T) {
			r := azuretest.Start(t)
			digests := push(t, r, "app", "1.0", "1.1", "1.2", "1.3")
			r.Lock("app:1.0", lock)
			r.Lock("app@"+digests["1.2"], lock)
			_, w := open(t, r)
			writer := w.Writer(at(r, "app"))
			errs := writer.DeleteTags(t.Context(), []registry.TagDigest{{Tag: "1.0", Digest: digests["1.0"]}, {Tag: "1.1", Digest: digests["1.1"]}})
			errs = append(errs, writer.DeleteManifests(t.Context(), kindstest.Removals(digests, "1.2", "1.3"))...)
			for i, err := range errs {
				if locked := i%2 == 0; locked != (err != nil) || errors.Is(err, registry.ErrUnsupported) || locked && !strings.Contains(err.Error(), "az acr repository update") {
					t.Errorf("deletion %d: %v", i, err)
				}
			}
			var left []string
			for _, m := range r.Manifests("app") {
				left = append(left, m.Tags...)
			}
			if slices.Sort(left); !slices.Equal(left, []string{"1.0", "1.2"}) {
				t.Errorf("left are %q", left)
			}
		})
	}
}
