package ecr_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"tagline/reconcile"
	"tagline/reconcile/demo"
	"tagline/reconcile/ecr"
	"tagline/reconcile/ecr/ecrtest"
	"tagline/reconcile/registry"
)

// Each job of the README works with the actions that its IAM policies allow,
// per repository, and fails if any one of them is missing.
func TestPolicies(t *testing.T) {
	policies := readPolicies(t)
	dryRun, write := policies["`tagline apply --dry-run`"], policies["`tagline apply`"]
	for _, job := range []struct {
		name    string
		allowed []permission
		aliases string
		purge   bool
		writes  bool
	}{
		{"dry run", dryRun, ten, false, false},
		{"apply", slices.Concat(dryRun, write), ten, false, true},
		{"deletions", slices.Concat(dryRun, policies["Deletions"]), "10.10: absent", false, true},
		{"plain images", slices.Concat(dryRun, policies["Plain images"]), "9: {amd64: plain}", false, false},
		{"copies", slices.Concat(dryRun, write, policies["Copies"]), "8: base:1", false, true},
		{"purge", slices.Concat(dryRun, write, policies["Deletions"], policies["Plain images"]), ten, true, true},
	} {
		try := func(t *testing.T, allowed []permission) error {
			server := seeded(t, ecrtest.Options{})
			for repository, image := range map[string]demo.Image{
				"my-image": {Tag: "plain", Platforms: []string{"linux/amd64"}},
				"base":     {Tag: "1", Platforms: []string{"linux/amd64"}, Provenance: true},
			} {
				if _, err := server.Seed(repository, time.Now(), image); err != nil {
					t.Fatal(err)
				}
			}
			server.Script(ecrtest.Fault{Do: func(w http.ResponseWriter, c *ecrtest.Call) {
				for _, on := range repositoriesOf(c) {
					if c.Permission != "" && !slices.Contains(allowed, permission{c.Permission, on}) {
						ecrtest.Deny()(w, c)
						return
					}
				}
				c.Serve(w)
			}})
			image := mine(t, job.aliases)
			if job.purge {
				image = images(t, "images: {my-image: {policies: {provenance: purge, untagged: delete, prune: true}, aliases: {"+job.aliases+"}}}\n")[0]
			}
			p, err := plan(t, image), error(nil)
			if job.writes {
				p, err = apply(t, image)
			}
			for _, e := range p.Errors {
				err = errors.Join(err, errors.New(e.Message))
			}
			if err == nil && p.Empty() {
				return fmt.Errorf("there was nothing to do: %+v", p)
			}
			return err
		}
		t.Run(job.name, func(t *testing.T) {
			if len(job.allowed) == 0 {
				t.Fatal("no policy in the README")
			}
			if err := try(t, job.allowed); err != nil {
				t.Errorf("with %v: %v", job.allowed, err)
			}
			for i, action := range job.allowed {
				if err := try(t, slices.Delete(slices.Clone(job.allowed), i, i+1)); (err == nil) != (action.action == "GetLifecyclePolicy" || action.action == "ListImageReferrers") {
					t.Errorf("without %v: %v", action, err)
				}
			}
		})
	}
}

// restore works with the actions that its policy names, and fails if any one of
// them is missing.
func TestRestorePolicy(t *testing.T) {
	var allowed []string
	for _, p := range readPolicies(t)["`tagline restore`"] {
		allowed = append(allowed, p.action)
	}
	if len(allowed) == 0 {
		t.Fatal("no policy in the README")
	}
	try := func(t *testing.T, allowed []string) error {
		server := seeded(t, ecrtest.Options{})
		c := open(t, myImage)
		var kept []reconcile.Kept
		index := c.Reader(myImage).Manifests(t.Context(), []string{"10.10"})[0].Value
		m, err := registry.ParseManifest(index)
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, reconcile.Kept{Manifest: index, Tags: []reconcile.KeptTag{{Tag: "10.10"}}})
		digests := []string{index.Digest}
		for _, d := range m.Children {
			digests = append(digests, d.Digest.String())
			kept = append(kept, reconcile.Kept{Manifest: c.Reader(myImage).Manifests(t.Context(), digests[len(digests)-1:])[0].Value})
		}
		w := ecr.NewWriters(c).Writer(myImage)
		if err := errors.Join(append(w.DeleteManifests(t.Context(), []registry.Removal{{Digest: digests[0], Tags: []string{"10.10"}}}), w.DeleteManifests(t.Context(), registry.Removals(digests[1:]...))...)...); err != nil {
			t.Fatal(err)
		}
		server.Script(ecrtest.Fault{Do: func(w http.ResponseWriter, c *ecrtest.Call) {
			if c.Permission != "" && !slices.Contains(allowed, c.Permission) {
				ecrtest.Deny()(w, c)
				return
			}
			c.Serve(w)
		}})
		found, _ := reconcile.Choose([]reconcile.Record{{Repository: myImage, Kept: kept}}, nil, "", time.Time{})
		later := open(t)
		r := reconcile.Restore(t.Context(), later, ecr.NewWriters(later), found[0], false)
		for _, o := range slices.Concat(r.Manifests, r.Tags) {
			if o.Blocked != "" || o.Already {
				t.Errorf("%+v", o)
			}
			err = errors.Join(err, o.Err)
		}
		if err == nil && server.Tags("my-image")["10.10"] != index.Digest {
			t.Errorf("tags are %v", server.Tags("my-image"))
		}
		return err
	}
	if err := try(t, allowed); err != nil {
		t.Errorf("with %q: %v", allowed, err)
	}
	for i, action := range allowed {
		if err := try(t, slices.Delete(slices.Clone(allowed), i, i+1)); err == nil {
			t.Errorf("it works without %s", action)
		}
	}
}

// repositoriesOf returns the repositories that a call is about, or "*".
func repositoriesOf(c *ecrtest.Call) []string {
	var batch struct{ RepositoryNames []string }
	switch {
	case c.Repository != "":
		return []string{c.Repository}
	case json.Unmarshal(c.Body, &batch) == nil && len(batch.RepositoryNames) > 0:
		return batch.RepositoryNames
	}
	return []string{"*"}
}

// permission allows an action on a repository, or on "*".
type permission struct{ action, on string }

// readPolicies returns the permissions that each section's policy grants.
func readPolicies(t *testing.T) map[string][]permission {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	permissions := map[string][]permission{}
	for _, section := range strings.Split(string(text), "\n### ")[1:] {
		title, body, _ := strings.Cut(section, "\n")
		_, block, _ := strings.Cut(body, "```json\n")
		block, _, _ = strings.Cut(block, "```")
		var policy struct {
			Statement []struct {
				Action   []string
				Resource string
			}
		}
		if err := json.Unmarshal([]byte(block), &policy); err != nil {
			t.Fatalf("%s: %v", title, err)
		}
		for _, s := range policy.Statement {
			for _, action := range s.Action {
				on := s.Resource[strings.LastIndex(s.Resource, "/")+1:]
				permissions[title] = append(permissions[title], permission{strings.TrimPrefix(action, "ecr:"), on})
			}
		}
	}
	return permissions
}
