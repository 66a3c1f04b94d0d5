package oci

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"tagline/config"
	"tagline/reconcile/demo"
	"tagline/reconcile/oci/ocitest"
	"tagline/reconcile/registry"
)

// everyRegistry runs a test on each kind of registry, behind a proxy that notes
// the requests.
func everyRegistry(t *testing.T, test func(t *testing.T, proxy *ocitest.RegistryProxy)) {
	ocitest.Each(t, func(t *testing.T, host string) { test(t, ocitest.Proxy(t, host)) })
}

func TestReadAndWrite(t *testing.T) {
	everyRegistry(t, func(t *testing.T, proxy *ocitest.RegistryProxy) {
		app := config.Repository{Host: proxy.Host, Path: "team/app"}
		digests := ocitest.PushFixtures(t, ocitest.AppOCI, app.Host, app.Path)
		c := newClient(t, Options{})
		reader, writer := c.Reader(app), NewWriters(c).Writer(app)

		tags := slices.Sorted(maps.Keys(digests))
		var byTag []registry.RawManifest
		for i, a := range reader.Manifests(t.Context(), tags) {
			if a.Err != nil {
				t.Fatal(a.Err)
			}
			byTag = append(byTag, a.Value)
			if want := digests[tags[i]]; a.Value.Digest != want || digestOf(a.Value.Body) != want {
				t.Errorf("%s is %s, want %s", tags[i], a.Value.Digest, want)
			}
		}
		for i, a := range reader.Resolve(t.Context(), tags) {
			m := byTag[i]
			want := registry.Descriptor{Digest: m.Digest, MediaType: m.MediaType, Size: int64(len(m.Body))}
			if a.Err != nil || a.Value != want {
				t.Errorf("%s resolves to %+v, %v, want %+v", tags[i], a.Value, a.Err, want)
			}
		}
		if a := reader.Manifests(t.Context(), []string{digests["10.12"]})[0]; a.Err != nil || a.Value.Digest != digests["10.12"] {
			t.Errorf("by digest: %+v", a)
		}
		var image struct{ Config struct{ Digest string } }
		if err := json.Unmarshal(byTag[slices.Index(tags, "10.12")].Body, &image); err != nil {
			t.Fatal(err)
		}
		if a := reader.Configs(t.Context(), []string{image.Config.Digest})[0]; a.Err != nil || !strings.Contains(string(a.Value), `"architecture":"amd64"`) {
			t.Errorf("config: %s, %v", a.Value, a.Err)
		}

		for i, a := range reader.HasBlobs(t.Context(), []string{image.Config.Digest, someHash}) {
			if a.Err != nil || a.Value != (i == 0) {
				t.Errorf("blob %d: %+v", i, a)
			}
		}

		// Every method reports what is absent.
		absent := map[string]error{
			"tag by HEAD":   reader.Resolve(t.Context(), []string{"nope"})[0].Err,
			"tag by GET":    reader.Manifests(t.Context(), []string{"nope"})[0].Err,
			"digest":        reader.Manifests(t.Context(), []string{someHash})[0].Err,
			"config":        reader.Configs(t.Context(), []string{someHash})[0].Err,
			"repository":    c.Reader(config.Repository{Host: proxy.Host, Path: "nope"}).Resolve(t.Context(), []string{"10"})[0].Err,
			"copy's source": writer.Copy(t.Context(), app, someHash),
		}
		for what, err := range absent {
			if !errors.Is(err, registry.ErrNotFound) {
				t.Errorf("%s: %v, want ErrNotFound", what, err)
			}
		}
		if got, err := reader.Referrers(t.Context(), digests["10.12"]); err != nil || len(got) != 0 {
			t.Errorf("referrers of 10.12: %v, %v, want none", got, err)
		}

		puts := []registry.TaggedManifest{{Tag: "10", Manifest: byTag[0]}, {Tag: "11", Manifest: byTag[1]}}
		for _, err := range writer.Put(t.Context(), puts) {
			if err != nil {
				t.Error(err)
			}
		}
		for i, a := range writer.Resolve(t.Context(), []string{"10", "11"}) {
			if a.Err != nil || a.Value.Digest != byTag[i].Digest {
				t.Errorf("after the push: %+v, want %s", a, byTag[i].Digest)
			}
		}
		due := []registry.TagDigest{{Tag: "10", Digest: byTag[0].Digest}, {Tag: "11", Digest: byTag[1].Digest}}
		for _, err := range writer.DeleteTags(t.Context(), due) {
			if err != nil {
				t.Error(err)
			}
		}
		for _, a := range writer.Resolve(t.Context(), []string{"10", "11"}) {
			if !errors.Is(a.Err, registry.ErrNotFound) {
				t.Errorf("after the deletion: %+v", a)
			}
		}
		for _, a := range writer.Resolve(t.Context(), tags) {
			if a.Err != nil {
				t.Errorf("deleted with its other tag: %v", a.Err)
			}
		}
	})
}

// A manifest without a tag is pushed by its digest, even after it was deleted.
func TestPutByDigest(t *testing.T) {
	everyRegistry(t, func(t *testing.T, proxy *ocitest.RegistryProxy) {
		app := config.Repository{Host: proxy.Host, Path: "team/app"}
		digest := ocitest.PushFixtures(t, ocitest.AppOCI, app.Host, app.Path)["10.70"]
		c := newClient(t, Options{})
		reader, writer := c.Reader(app), NewWriters(c).Writer(app)
		index := reader.Manifests(t.Context(), []string{digest})[0]
		before, err := reader.Tags(t.Context())
		if err := errors.Join(err, index.Err, writer.DeleteManifests(t.Context(), registry.Removals(digest))[0]); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := writer.Put(t.Context(), []registry.TaggedManifest{{Manifest: index.Value}})[0]; err != nil {
				t.Fatal(err)
			}
			if a := writer.Resolve(t.Context(), []string{digest})[0]; a.Err != nil || a.Value.Digest != digest {
				t.Errorf("after the push: %+v", a)
			}
		}
		after, err := reader.Tags(t.Context())
		if want := slices.DeleteFunc(before, func(tag string) bool { return tag == "10.70" }); err != nil || !sameTags(after, want) {
			t.Errorf("tags are %q, %v, want %q", after, err, want)
		}
	})
}

func sameTags(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// 10.70 has an attestation for each of its images: one registry lists them by
// the referrers API, the other by fallback tags.
func TestReferrersOfAttestations(t *testing.T) {
	everyRegistry(t, func(t *testing.T, proxy *ocitest.RegistryProxy) {
		objects := ocitest.AppOCI.Objects(t)["10.70"]
		if err := demo.PushObjects(t.Context(), proxy.Host, "app", "10.70", objects); err != nil {
			t.Fatal(err)
		}
		c := newClient(t, Options{})
		app, other := config.Repository{Host: proxy.Host, Path: "app"}, config.Repository{Host: proxy.Host, Path: "other"}
		if err := NewWriters(c).Writer(other).Copy(t.Context(), app, objects[len(objects)-1].Digest.String()); err != nil {
			t.Fatal(err)
		}
		for _, repository := range []config.Repository{app, other} {
			found := 0
			for _, object := range objects {
				referrers, err := c.Reader(repository).Referrers(t.Context(), object.Digest.String())
				if err != nil {
					t.Error(err)
				}
				for _, referrer := range referrers {
					found++
					if want := "application/vnd.docker.attestation.manifest.v1+json"; referrer.ArtifactType != want || !config.IsDigest(referrer.Digest) || referrer.Size == 0 {
						t.Errorf("referrer %+v, want a %s", referrer, want)
					}
				}
			}
			if found != 2 {
				t.Errorf("%s has %d referrers, want 2", repository, found)
			}
		}
	})
}

// Within a registry, a copy uploads nothing.
func TestCopyMounts(t *testing.T) {
	everyRegistry(t, func(t *testing.T, proxy *ocitest.RegistryProxy) {
		app := config.Repository{Host: proxy.Host, Path: "team/app"}
		other := config.Repository{Host: proxy.Host, Path: "other"}
		digest := ocitest.PushFixtures(t, ocitest.AppOCI, app.Host, app.Path)["10.30"]
		c := newClient(t, Options{})
		proxy.Reset()

		if err := NewWriters(c).Writer(other).Copy(t.Context(), app, digest); err != nil {
			t.Fatal(err)
		}
		counts := proxy.Count()
		if counts["PATCH upload"]+counts["PUT upload"]+counts["GET blob"] > 0 || counts["POST upload"] == 0 {
			t.Errorf("blobs were moved: %v", counts)
		}
		if sent := c.Stats().BytesSent; sent != 0 {
			t.Errorf("%d bytes sent", sent)
		}
		trace := proxy.Trace()
		if last := trace[len(trace)-1]; last.Method != http.MethodPut || !strings.HasSuffix(last.Path, digest) {
			t.Errorf("last was %s %s, want the push of the index", last.Method, last.Path)
		}
		if a := c.Reader(other).Manifests(t.Context(), []string{digest})[0]; a.Err != nil {
			t.Error(a.Err)
		}

		proxy.Reset()
		if err := NewWriters(c).Writer(other).Copy(t.Context(), app, digest); err != nil {
			t.Fatal(err)
		}
		if got := proxy.Count(); got["GET manifest(digest)"] != 5 || got["HEAD manifest(digest)"] != 1 || proxy.Total() != 6 {
			t.Errorf("copied again with %v, want a GET and a HEAD for it, and a GET for each of the four that it lists", got)
		}
	})
}

// What an index lists and has been deleted is copied again.
func TestCopyCompletes(t *testing.T) {
	everyRegistry(t, func(t *testing.T, proxy *ocitest.RegistryProxy) {
		app := config.Repository{Host: proxy.Host, Path: "team/app"}
		other := config.Repository{Host: proxy.Host, Path: "other"}
		digest := ocitest.PushFixtures(t, ocitest.AppOCI, app.Host, app.Path)["10.30"]
		c := newClient(t, Options{})
		w := NewWriters(c).Writer(other)
		if err := w.Copy(t.Context(), app, digest); err != nil {
			t.Fatal(err)
		}
		index, err := registry.ParseManifest(c.Reader(other).Manifests(t.Context(), []string{digest})[0].Value)
		if err != nil || len(index.Children) < 2 {
			t.Fatalf("%+v, %v", index, err)
		}
		child := []string{index.Children[1].Digest.String()}
		if err := w.DeleteManifests(t.Context(), registry.Removals(child...))[0]; err != nil {
			t.Fatal(err)
		}
		if a := w.Resolve(t.Context(), child)[0]; !errors.Is(a.Err, registry.ErrNotFound) {
			t.Fatalf("it was deleted, and is there: %+v", a)
		}
		w = NewWriters(newClient(t, Options{})).Writer(other) // of another run
		if err := w.Copy(t.Context(), app, digest); err != nil {
			t.Fatal(err)
		}
		if a := w.Resolve(t.Context(), child)[0]; a.Err != nil {
			t.Error(a.Err)
		}
		proxy.Script(ocitest.Fault{Path: "/other/manifests/" + child[0], Do: ocitest.Status(http.StatusForbidden)})
		if err := w.Copy(t.Context(), app, digest); err == nil || err.Error() != other.String()+"@"+child[0]+", which "+digest+" lists: 403 Forbidden; the credentials for "+other.Host+" do not allow this" {
			t.Errorf("if its children can't be read: %v", err)
		}
		proxy.Script(
			ocitest.Fault{Method: "GET", Path: "/other/manifests/" + child[0], Do: ocitest.Status(http.StatusNotFound)},
			ocitest.Fault{Method: "HEAD", Path: "/other/manifests/" + child[0], Do: ocitest.Status(http.StatusNotFound)},
			ocitest.Fault{Method: "PUT", Path: "/other/manifests/" + child[0], Do: ocitest.Status(http.StatusForbidden)},
		)
		want := "copy " + app.String() + "@" + child[0] + ", which " + digest + " lists, to " + other.String() + ": 403 Forbidden; the credentials for " + other.Host + " do not allow this"
		if err := NewWriters(newClient(t, Options{})).Writer(other).Copy(t.Context(), app, digest); err == nil || err.Error() != want {
			t.Errorf("error %v\nwant  %s", err, want)
		}
		want = "copy " + app.String() + "@" + someHash + " to " + other.String() + ": not found"
		if err := w.Copy(t.Context(), app, someHash); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("error %v\nwant  %s", err, want)
		}
	})
}

// A copy that reads from the host that it writes to never waits for itself,
// however low the limit on requests is.
func TestCopyWithinAHostThatMountsNothing(t *testing.T) {
	proxy := ocitest.Proxy(t, ocitest.Olareg(t))
	app := config.Repository{Host: proxy.Host, Path: "app"}
	digest := ocitest.PushFixtures(t, ocitest.AppOCI, app.Host, app.Path)["10.30"]
	proxy.Script(ocitest.Fault{Method: http.MethodPost, Do: func(w http.ResponseWriter, r *http.Request, upstream http.Handler) {
		if r.URL.Query().Has("mount") {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		upstream.ServeHTTP(w, r)
	}})
	for _, concurrency := range []int{1, 2, 16} {
		other := config.Repository{Host: proxy.Host, Path: fmt.Sprintf("other%d", concurrency)}
		proxy.Reset()
		c := newClient(t, Options{Concurrency: concurrency})
		if err := NewWriters(c).Writer(other).Copy(t.Context(), app, digest); err != nil {
			t.Fatal(err)
		}
		if c.Stats().BytesSent == 0 {
			t.Error("nothing was sent")
		}
		// A streamed body is an open request too, one per upload.
		if most := proxy.MaxInFlight(); most > 2*concurrency {
			t.Errorf("%d requests at once, want %d at most", most, 2*concurrency)
		}
	}
}

func TestCopyBetweenRegistries(t *testing.T) {
	everyRegistry(t, func(t *testing.T, proxy *ocitest.RegistryProxy) {
		app := config.Repository{Host: ocitest.Olareg(t), Path: "app"}
		mirror := config.Repository{Host: proxy.Host, Path: "mirror"}
		digests := ocitest.PushFixtures(t, ocitest.AppOCI, app.Host, app.Path)
		var blobs int64
		for _, object := range ocitest.AppOCI.Objects(t)["10.30"] {
			if !registry.KnownType(object.MediaType) {
				blobs += object.Size
			}
		}
		// The first upload fails in the middle, and repeating that request
		// can't help.
		proxy.Script(ocitest.Fault{Method: http.MethodPatch, Times: 1, Do: ocitest.Status(http.StatusServiceUnavailable)})
		c := newClient(t, Options{Concurrency: 1})
		if err := NewWriters(c).Writer(mirror).Copy(t.Context(), app, digests["10.30"]); err != nil {
			t.Fatal(err)
		}
		if sent := c.Stats().BytesSent; sent < blobs {
			t.Errorf("%d bytes sent, want %d at least", sent, blobs)
		} else if to, from := c.Sent(mirror), c.Sent(app); to != sent || from != 0 {
			t.Errorf("%d of %d bytes went to the copy, and %d to where it comes from", to, sent, from)
		}
		if a := c.Reader(mirror).Manifests(t.Context(), []string{digests["10.30"]})[0]; a.Err != nil {
			t.Error(a.Err)
		}
	})
}

// A blob that does not match its digest does not arrive.
func TestCopyVerifies(t *testing.T) {
	source := ocitest.Proxy(t, ocitest.Olareg(t))
	target := config.Repository{Host: ocitest.Olareg(t), Path: "mirror"}
	digest := ocitest.PushFixtures(t, ocitest.AppOCI, source.Host, "app")["10.12"]
	source.Script(ocitest.Fault{Method: http.MethodGet, Path: "/blobs/", Do: ocitest.ReplaceBody(func(body []byte) []byte {
		return append([]byte("x"), body[1:]...)
	})})
	c := newClient(t, Options{})
	err := NewWriters(c).Writer(target).Copy(t.Context(), config.Repository{Host: source.Host, Path: "app"}, digest)
	if err == nil || errors.Is(err, registry.ErrNotFound) {
		t.Errorf("error %v", err)
	}
	if a := c.Reader(target).Manifests(t.Context(), []string{digest})[0]; !errors.Is(a.Err, registry.ErrNotFound) {
		t.Errorf("the manifest is there: %+v", a)
	}
}

func TestPasswords(t *testing.T) {
	host := ocitest.Distribution(t, ocitest.BasicAuth)
	app := config.Repository{Host: host, Path: "app"}
	right := authn.FromConfig(authn.AuthConfig{Username: ocitest.User, Password: ocitest.Password})
	digests := ocitest.PushFixtures(t, ocitest.AppOCI, host, "app", remote.WithAuth(right))

	c := newClient(t, Options{Keychain: login{ocitest.User, ocitest.Password}})
	if got, err := resolve(t, c, app, "10.10"); err != nil || got.Digest != digests["10.10"] {
		t.Errorf("right password: %+v, %v", got, err)
	}
	manifest, err := fetch(t, c, app, "10.10")
	if err != nil {
		t.Fatal(err)
	}
	if err := NewWriters(c).Writer(app).Put(t.Context(), []registry.TaggedManifest{{Tag: "10", Manifest: manifest}})[0]; err != nil {
		t.Errorf("right password: %v", err)
	}

	for name, keychain := range map[string]authn.Keychain{"wrong": login{ocitest.User, "wrong"}, "none": nil} {
		c := newClient(t, Options{Keychain: keychain})
		for _, tag := range []string{"10.10", "nope"} {
			_, err := resolve(t, c, app, tag)
			want := fmt.Sprintf(`%s/app:%s: 401 Unauthorized: UNAUTHORIZED: authentication required; log in, or log in again, with "docker login %s"`, host, tag, host)
			if err == nil || err.Error() != want || errors.Is(err, registry.ErrNotFound) {
				t.Errorf("%s: %v\nwant %s", name, err, want)
			}
		}
		err := NewWriters(c).Writer(app).Put(t.Context(), []registry.TaggedManifest{{Tag: "10", Manifest: manifest}})[0]
		if err == nil || !strings.Contains(err.Error(), "401 Unauthorized") {
			t.Errorf("%s: push: %v", name, err)
		}
	}
}

func TestTokens(t *testing.T) {
	upstream := ocitest.Olareg(t)
	digests := ocitest.PushFixtures(t, ocitest.AppOCI, upstream, "app")
	auth := ocitest.TokenAuth(t, upstream, "me", "secret")
	proxy := ocitest.Proxy(t, auth.Host)
	app := config.Repository{Host: proxy.Host, Path: "app"}
	c := newClient(t, Options{Keychain: login{"me", "secret"}})
	reader, writer := c.Reader(app), NewWriters(c).Writer(app)

	tags := slices.Sorted(maps.Keys(digests))
	for i, a := range reader.Resolve(t.Context(), tags) {
		if a.Err != nil || a.Value.Digest != digests[tags[i]] {
			t.Errorf("%s: %+v", tags[i], a)
		}
	}
	if n := proxy.Count()["GET token"]; n != 1 {
		t.Errorf("%d tokens for %d tags, want 1", n, len(tags))
	}

	manifest, err := fetch(t, c, app, "10.10")
	if err != nil {
		t.Fatal(err)
	}
	put := func(tag string) error {
		return writer.Put(t.Context(), []registry.TaggedManifest{{Tag: tag, Manifest: manifest}})[0]
	}
	if err := put("10"); err != nil {
		t.Error(err)
	}
	// A token that expires between two pushes is renewed, and the second push
	// has its whole body.
	auth.Expire()
	if err := put("11"); err != nil {
		t.Errorf("after its token expired: %v", err)
	}
	if err := writer.DeleteTags(t.Context(), []registry.TagDigest{{Tag: "11", Digest: manifest.Digest}})[0]; err != nil {
		t.Error(err)
	}
	other := NewWriters(c).Writer(config.Repository{Host: proxy.Host, Path: "other"})
	if err := other.Copy(t.Context(), app, digests["10.30"]); err != nil {
		t.Error(err)
	}

	proxy.Reset()
	wrong := newClient(t, Options{Keychain: login{"me", "wrong"}}).Reader(app)
	for i, a := range wrong.Resolve(t.Context(), tags) {
		want := fmt.Sprintf(`%s:%s: 401 Unauthorized from %s/token: UNAUTHORIZED: wrong user or password; log in, or log in again, with "docker login %s"`, app, tags[i], proxy.Host, proxy.Host)
		if a.Err == nil || a.Err.Error() != want {
			t.Errorf("%v\nwant %s", a.Err, want)
		}
	}
	if n := proxy.Count()["GET token"]; n != 1 {
		t.Errorf("%d logins with a wrong password, want 1", n)
	}
}

// Anonymous tokens allow pulls and no pushes.
func TestAnonymousTokens(t *testing.T) {
	upstream := ocitest.Olareg(t)
	ocitest.PushFixtures(t, ocitest.AppOCI, upstream, "app")
	app := config.Repository{Host: ocitest.TokenAuth(t, upstream, "", "").Host, Path: "app"}
	c := newClient(t, Options{})
	manifest, err := fetch(t, c, app, "10.10")
	if err != nil {
		t.Fatal(err)
	}
	err = NewWriters(c).Writer(app).Put(t.Context(), []registry.TaggedManifest{{Tag: "10", Manifest: manifest}})[0]
	if err == nil || !strings.Contains(err.Error(), "401 Unauthorized") {
		t.Errorf("error %v", err)
	}
}
