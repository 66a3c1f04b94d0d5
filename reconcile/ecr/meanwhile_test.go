package ecr_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"tagline/reconcile"
	"tagline/reconcile/demo"
	"tagline/reconcile/ecr"
	"tagline/reconcile/ecr/ecrtest"
	"tagline/reconcile/oci"
	"tagline/reconcile/registry"
)

// A push that is sent again reads its tag before. Where another job has moved that
// meanwhile, the push is not sent.
func TestTagMovesBetweenAttempts(t *testing.T) {
	for name, do := range map[string]func(move func()) ecrtest.Action{
		"throttled": func(move func()) ecrtest.Action {
			return func(w http.ResponseWriter, c *ecrtest.Call) { move(); ecrtest.Throttle()(w, c) }
		},
		"cut": func(move func()) ecrtest.Action {
			return func(w http.ResponseWriter, c *ecrtest.Call) { move(); ecrtest.Reset()(w, c) }
		},
		"done, and the answer lost": func(move func()) ecrtest.Action {
			return func(w http.ResponseWriter, c *ecrtest.Call) {
				c.Serve(httptest.NewRecorder())
				move()
				ecrtest.Reset()(w, c)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := seeded(t, ecrtest.Options{})
			moved := ""
			server.Script(ecrtest.Fault{Operation: "PutImage", Times: 1, Do: do(func() {
				seeded, err := server.Seed("my-image", time.Now(), demo.Image{Tag: "10", Platforms: []string{"linux/amd64"}, Version: "another"})
				if err != nil {
					t.Error(err)
				}
				moved = seeded["10"]
			})})
			_, err := apply(t, mine(t, ten))
			if !errors.Is(err, reconcile.ErrStale) || !strings.Contains(err.Error(), "now names "+moved) {
				t.Errorf("got %v, want that it is stale", err)
			}
			if now := server.Tags("my-image")["10"]; now != moved || server.Calls()["PutImage"] != 1 {
				t.Errorf("the tag names %s, want %s, after %d pushes", now, moved, server.Calls()["PutImage"])
			}
		})
	}
}

// untilInTime repeats a try in which a push has to wait for some seconds, until the
// machine is quick enough for most of that wait to be left when the push begins.
func untilInTime(try func() (late time.Duration, check func())) {
	for {
		if late, check := try(); late < 500*time.Millisecond {
			check()
			return
		}
	}
}

// A push that has to wait for another call of this run reads its tag before, too.
func TestTagMovesWhileAPushWaits(t *testing.T) {
	image := mine(t, ten)
	untilInTime(func() (late time.Duration, check func()) {
		server := seeded(t, ecrtest.Options{})
		c := ecr.New(ecr.Options{OCI: oci.Options{Concurrency: 1}, PushRate: 1000})
		defer c.Close()
		w := ecr.NewWriters(c).Writer(image.Repository)
		plain := c.Reader(image.Repository).Manifests(t.Context(), []string{"10.10"})[0]
		if plain.Err != nil {
			t.Fatal(plain.Err)
		}
		waits, moved := make(chan time.Time, 1), ""
		server.Script(ecrtest.Fault{Operation: "DescribeRepositories", Times: 1, Do: func(w http.ResponseWriter, call *ecrtest.Call) {
			waits <- time.Now()
			time.Sleep(3 * time.Second)
			seeded, err := server.Seed("my-image", time.Now(), demo.Image{Tag: "10", Platforms: []string{"linux/amd64"}, Version: "another"})
			if err != nil {
				t.Error(err)
			}
			moved = seeded["10"]
			call.Serve(w)
		}})
		var slow sync.WaitGroup
		slow.Go(func() { _, _ = c.Reader(image.Repository).Facts(t.Context()) })
		late = time.Since(<-waits)
		err := w.Put(t.Context(), []registry.TaggedManifest{{Tag: "10", Manifest: plain.Value}})[0]
		slow.Wait()
		return late, func() {
			if is := (*registry.MovedError)(nil); !errors.As(err, &is) || is.Now != moved || server.Calls()["PutImage"] != 0 {
				t.Errorf("got %v after %d pushes, want that the tag names %s", err, server.Calls()["PutImage"], moved)
			}
		}
	})
}

// A push that has to wait for pushes without a tag, as of what a run puts back, reads its
// tag before, too.
func TestTagMovesWhileAPushWaitsForTheRate(t *testing.T) {
	image := mine(t, ten)
	untilInTime(func() (late time.Duration, check func()) {
		server := seeded(t, ecrtest.Options{})
		c := ecr.New(ecr.Options{PushRate: 0.4}) // two pushes, and one in every 2.5 s after that
		defer c.Close()
		w := ecr.NewWriters(c).Writer(image.Repository)
		plain := c.Reader(image.Repository).Manifests(t.Context(), []string{"10.10"})[0]
		if plain.Err != nil {
			t.Fatal(plain.Err)
		}
		began := time.Now()
		for range 2 {
			if err := w.Put(t.Context(), []registry.TaggedManifest{{Manifest: plain.Value}})[0]; err != nil {
				t.Fatal(err)
			}
		}
		moved, err := server.Seed("my-image", time.Now(), demo.Image{Tag: "10", Platforms: []string{"linux/amd64"}, Version: "another"})
		if err != nil {
			t.Fatal(err)
		}
		late = time.Since(began)
		err = w.Put(t.Context(), []registry.TaggedManifest{{Tag: "10", Manifest: plain.Value}})[0]
		return late, func() {
			if is := (*registry.MovedError)(nil); !errors.As(err, &is) || is.Now != moved["10"] {
				t.Errorf("got %v, want that the tag names %s", err, moved["10"])
			}
		}
	})
}

// An image that is deleted between two calls of a run does not look as if it
// had never existed.
func TestDeletedMeanwhile(t *testing.T) {
	server := seeded(t, ecrtest.Options{})
	server.Script(ecrtest.Fault{Operation: "BatchGetImage", Times: 1, Do: ecrtest.Before(func() {
		errs := ecr.NewWriters(open(t)).Writer(myImage).DeleteTags(t.Context(), []registry.TagDigest{{Tag: "10.10", Digest: server.Tags("my-image")["10.10"]}})
		if errs[0] != nil {
			t.Error(errs[0])
		}
	})})
	p := plan(t, mine(t, ten))
	if len(p.Errors) != 1 || !strings.Contains(p.Errors[0].Message, "was deleted a moment later; run again") || len(p.Pushes) > 0 {
		t.Errorf("plan %+v", p)
	}
}

// An immutable tag that appears between plan and push is not overwritten. The
// message is ECR's own.
func TestImmutableMeanwhile(t *testing.T) {
	server := emulate(t, ecrtest.Options{})
	if err := server.CreateRepository("my-image", types.ImageTagMutabilityImmutable); err != nil {
		t.Fatal(err)
	}
	if _, err := server.Seed("my-image", time.Now(), demo.Samples()...); err != nil {
		t.Fatal(err)
	}
	server.Script(ecrtest.Fault{Operation: "PutImage", Times: 1, Do: ecrtest.Before(func() {
		if _, err := server.Seed("my-image", time.Now(), demo.Image{Tag: "10", Platforms: []string{"linux/amd64"}}); err != nil {
			t.Error(err)
		}
	})})
	if _, err := apply(t, mine(t, ten)); err == nil || !strings.Contains(err.Error(), "ImageTagAlreadyExistsException") {
		t.Errorf("got %v", err)
	}
}

// The answer to the first push of an immutable tag is lost. If the tag names the pushed
// digest, the SDK pushes again, ECR refuses it, and the push succeeds. If another job was
// faster, it fails.
func TestImmutableAnswerLost(t *testing.T) {
	for _, test := range []struct {
		name string
		lose ecrtest.Action
		want string // part of the error
		sent int
	}{
		{"own push", ecrtest.LoseAnswer(), "", 2},
		{"another job's push", nil, "stale: the tag named nothing when it was planned", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := emulate(t, ecrtest.Options{})
			if err := server.CreateRepository("my-image", types.ImageTagMutabilityImmutable); err != nil {
				t.Fatal(err)
			}
			if _, err := server.Seed("my-image", time.Now(), demo.Samples()...); err != nil {
				t.Fatal(err)
			}
			if test.lose == nil {
				test.lose = func(w http.ResponseWriter, c *ecrtest.Call) {
					if _, err := server.Seed("my-image", time.Now(), demo.Image{Tag: "10", Platforms: []string{"linux/amd64"}}); err != nil {
						t.Error(err)
					}
					ecrtest.Reset()(w, c)
				}
			}
			server.Script(ecrtest.Fault{Operation: "PutImage", Times: 1, Do: test.lose})
			p, err := apply(t, mine(t, ten))
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if got := server.Tags("my-image")["10"]; (got == p.Pushes[0].New) != (test.want == "") {
				t.Errorf("10 is %s, the push was of %s", got, p.Pushes[0].New)
			}
			if n := server.Calls()["PutImage"]; n != test.sent {
				t.Errorf("%d pushes, want %d", n, test.sent)
			}
		})
	}
}

// A token that ECR no longer accepts is renewed, once.
func TestTokenEndsMeanwhile(t *testing.T) {
	seed := func(t *testing.T) *ecrtest.Server {
		server := emulate(t, ecrtest.Options{})
		for repository, platform := range map[string]string{"my-image": "linux/amd64", "base": "linux/arm64"} {
			if _, err := server.Seed(repository, time.Now(), demo.Image{Tag: "1", Platforms: []string{platform}}); err != nil {
				t.Fatal(err)
			}
		}
		return server
	}
	const aliases = "10: {amd64: 1, arm64: 'base:1'}"
	for _, operation := range []string{"GET blob", "POST upload"} {
		t.Run("once, at "+operation, func(t *testing.T) {
			server := seed(t)
			server.Script(ecrtest.Fault{Operation: operation, Times: 1, Do: ecrtest.Before(server.ExpireTokens)})
			p, err := apply(t, mine(t, aliases))
			if err != nil || len(p.Pushes) != 1 || server.Tags("my-image")["10"] != p.Pushes[0].New {
				t.Errorf("%v, plan %+v", err, p)
			}
		})
	}
	t.Run("for ever", func(t *testing.T) {
		server := seed(t)
		server.Script(ecrtest.Fault{Operation: "GET blob", Do: ecrtest.Before(server.ExpireTokens)})
		p, err := apply(t, mine(t, aliases))
		if err != nil || len(p.Errors) == 0 || !strings.Contains(p.Errors[0].Message, "authorization token has expired") || len(p.Violations)+len(p.Pushes) > 0 {
			t.Errorf("%v, plan %+v", err, p)
		}
		if n := server.Calls()["GetAuthorizationToken"]; n > 4 {
			t.Errorf("%d tokens", n)
		}
	})
}
