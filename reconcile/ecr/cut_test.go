package ecr_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	ggcr "github.com/google/go-containerregistry/pkg/v1/types"

	"tagline/config"
	"tagline/policies"
	"tagline/reconcile"
	"tagline/reconcile/demo"
	"tagline/reconcile/ecr"
	"tagline/reconcile/ecr/ecrtest"
	"tagline/reconcile/oci"
	"tagline/reconcile/oci/ocitest"
	"tagline/reconcile/oci/transport"
	"tagline/reconcile/registry"
)

// backend is a registry behind a proxy.
type backend struct {
	proxy  *ocitest.RegistryProxy
	host   string // as in images.yaml
	listed bool   // lists all manifests, not only tags
	seed   func(t *testing.T, repository string, images ...demo.Image)
	sign   func(t *testing.T, repository, tag string) // as cosign does, and by a referrer
	ago    *atomic.Int64                              // nanoseconds by which the clock for pushes is slow
}

// backends are the registries on which runs are cut and interleaved. Their
// content is two days old, if they record ages.
var backends = []struct {
	name  string
	start func(*testing.T) backend
}{
	{"olareg", func(t *testing.T) backend { return overHTTP(t, ocitest.Olareg(t)) }},
	{"ecr", func(t *testing.T) backend {
		var ago atomic.Int64
		server := emulate(t, ecrtest.Options{Now: func() time.Time { return time.Now().Add(-time.Duration(ago.Load())) }})
		proxy := ocitest.Front(t, server)
		t.Setenv("AWS_ENDPOINT_URL_ECR", "http://"+proxy.Host)
		return backend{proxy, host, true, func(t *testing.T, repository string, images ...demo.Image) {
			if _, err := server.Seed(repository, time.Now().Add(-48*time.Hour), images...); err != nil {
				t.Fatal(err)
			}
		}, func(t *testing.T, repository, tag string) {
			sign(t, server.Host, repository, tag, remote.WithAuth(authn.FromConfig(authn.AuthConfig{Username: "AWS", Password: server.Password()})))
		}, &ago}
	}},
	{"distribution", func(t *testing.T) backend { return overHTTP(t, ocitest.Distribution(t)) }},
}

func overHTTP(t *testing.T, upstream string) backend {
	proxy := ocitest.Proxy(t, upstream)
	return backend{proxy, proxy.Host, false, func(t *testing.T, repository string, images ...demo.Image) {
		if _, err := demo.Push(t.Context(), upstream, repository, images); err != nil {
			t.Fatal(err)
		}
	}, func(t *testing.T, repository, tag string) { sign(t, upstream, repository, tag) }, new(atomic.Int64)}
}

// sign pushes a signature under cosign's tag, and one that has the tag's manifest as
// its subject.
func sign(t *testing.T, host, repository, tag string, options ...remote.Option) {
	t.Helper()
	of, err := name.NewTag(host + "/" + repository + ":" + tag)
	if err != nil {
		t.Fatal(err)
	}
	subject, err := remote.Head(of, append(options, remote.WithContext(t.Context()))...)
	if err != nil {
		t.Fatal(err)
	}
	payload := static.NewLayer([]byte("signature of "+tag), "application/vnd.dev.cosign.simplesigning.v1+json")
	signature, err := mutate.AppendLayers(mutate.MediaType(empty.Image, ggcr.OCIManifestSchema1), payload)
	if err != nil {
		t.Fatal(err)
	}
	referrer := mutate.Subject(mutate.ConfigMediaType(signature, "application/vnd.example.signature"), *subject).(v1.Image)
	digest, err := referrer.Digest()
	if err == nil {
		err = errors.Join(
			remote.Write(of.Context().Tag(registry.FallbackTag(subject.Digest.String())+".sig"), signature, options...),
			remote.Write(of.Context().Digest(digest.String()), referrer, options...))
	}
	if err != nil {
		t.Fatal(err)
	}
}

var (
	intel    = []string{"linux/amd64"}
	graviton = []string{"linux/arm64"}
	both     = []string{"linux/amd64", "linux/arm64"}
)

// scenario is a repository and what a run does to it.
type scenario struct {
	name    string
	images  []demo.Image
	first   string       // an images.yaml that is applied first, if any
	then    []demo.Image // pushed after that
	image   string       // the images.yaml of the run
	sign    string       // a tag that is signed
	deletes bool         // an uncut run deletes manifests
	many    bool         // ordinary deletions exceed a quarter of the repository
}

var scenarios = []scenario{
	{
		name:   "an alias moves",
		images: []demo.Image{{Tag: "10.10", Platforms: intel}, {Tag: "10.19", Platforms: graviton}, {Tag: "10.20", Platforms: graviton}},
		first:  "{10: {amd64: 10.10, arm64: 10.19}}",
		image:  "{10: {amd64: 10.10, arm64: 10.20}, latest: 10}",
	},
	{
		name:    "purge",
		images:  []demo.Image{{Tag: "1", Platforms: intel, Provenance: true}, {Tag: "2", Platforms: both, Provenance: true}},
		image:   "{10: 2}, policies: {provenance: purge, untagged: delete}",
		deletes: true,
	},
	{
		name: "purge, and what is untagged stays",
		images: []demo.Image{
			{Tag: "1", Platforms: both, Provenance: true}, {Tag: "2", Platforms: both, Provenance: true}, {Tag: "3", Platforms: intel, Provenance: true},
			{Tag: "4", Platforms: both, Provenance: true, Artifact: true},
		},
		first:   "{10: 1}",
		image:   "{10: {amd64: 3, arm64: 2}}, policies: {provenance: purge}",
		deletes: true,
	},
	{
		name: "purge when composed aliases move, and what is untagged stays",
		images: []demo.Image{
			{Tag: "1", Platforms: intel, Provenance: true}, {Tag: "2", Platforms: graviton, Provenance: true},
			{Tag: "3", Platforms: intel, Provenance: true}, {Tag: "4", Platforms: graviton, Provenance: true},
		},
		first:   "{10: {amd64: 1, arm64: 2}, 11: {amd64: 1, arm64: 2}}",
		image:   "{10: {amd64: 3, arm64: 4}, 11: 3}, policies: {provenance: purge}",
		deletes: true,
	},
	{
		name:    "purge of a signed tag",
		images:  []demo.Image{{Tag: "1", Platforms: both, Provenance: true}},
		sign:    "1",
		image:   "{10: 1}, policies: {provenance: purge, signed: purge}",
		deletes: true,
	},
	{
		name:    "purge of artifacts",
		images:  []demo.Image{{Tag: "2", Platforms: both, Provenance: true, Artifact: true}},
		image:   "{10: 2}, policies: {provenance: purge, untagged: delete}",
		deletes: true,
	},
	{
		name:    "prune",
		images:  []demo.Image{{Tag: "1", Platforms: intel}},
		first:   "{8: {amd64: 1}, 9: {amd64: 1}, 10: {amd64: 1}}",
		image:   "{10: {amd64: 1}}, policies: {prune: true, untagged: delete}",
		deletes: true,
	},
	{
		name:    "untagged",
		images:  []demo.Image{{Tag: "1", Platforms: intel}, {Tag: "2", Platforms: graviton}},
		first:   "{10: {amd64: 1, arm64: 2}}",
		then:    []demo.Image{{Tag: "2", Platforms: graviton, Version: "2 again"}},
		image:   "{10: {amd64: 1, arm64: 2}}, policies: {untagged: delete}",
		deletes: true,
	},
	{
		name:    "everything",
		images:  []demo.Image{{Tag: "1", Platforms: intel, Provenance: true}, {Tag: "2", Platforms: both, Provenance: true, Artifact: true}},
		first:   "{9: {amd64: 1}, 10: {amd64: 1, arm64: 2}, 11: 1}",
		then:    []demo.Image{{Tag: "1", Platforms: intel, Provenance: true, Version: "1 again", Build: 1}},
		image:   "{10: {amd64: 1, arm64: 2}, 11: absent, latest: 10}, policies: {provenance: purge, prune: true, untagged: delete}",
		deletes: true,
		many:    true,
	},
}

// trial is a scenario in its own repository.
type trial struct {
	backend
	t     *testing.T
	image config.Image
	limit reconcile.Limit
}

var repositories struct {
	sync.Mutex
	n int
}

func (s scenario) begin(t *testing.T, b backend) trial {
	repositories.Lock()
	repositories.n++
	name := fmt.Sprintf("app%d", repositories.n)
	repositories.Unlock()
	parse := func(aliases string) config.Image {
		cfg, err := config.Parse("images.yaml", []byte("images: {"+name+": {aliases: "+aliases+"}}"), config.Options{Registry: b.host, Policies: policies.Keys()})
		if err != nil {
			t.Fatal(err)
		}
		return cfg.Images[0]
	}
	b.proxy.Script()
	b.ago.Store(int64(48 * time.Hour))
	defer b.ago.Store(0)
	b.seed(t, name, s.images...)
	if s.sign != "" {
		b.sign(t, name, s.sign)
	}
	if s.first != "" {
		first := trial{b, t, parse(s.first), reconcile.Limit{}}
		if _, err := first.run(8); err != nil {
			t.Fatal(err)
		}
	}
	b.seed(t, name, s.then...)
	b.proxy.Reset()
	r := trial{b, t, parse(s.image), reconcile.Limit{}}
	if s.many {
		r.limit = reconcile.Limit{Max: 100, Set: true}
	}
	return r
}

// client returns a client that never repeats a request. With one request at a
// time, every run sends the same requests.
func (r trial) client(atOnce int) *ecr.Client {
	return ecr.New(ecr.Options{
		OCI: oci.Options{Concurrency: atOnce, Patience: transport.Patience{Attempts: 1}}, PushRate: 1000,
		Repositories: []config.Repository{r.image.Repository},
	})
}

// run is one run. It joins all errors.
func (r trial) run(atOnce int) (reconcile.Plan, error) {
	c := r.client(atOnce)
	defer c.Close()
	p := reconcile.Guard(reconcile.Diff(r.image, reconcile.Observe(r.t.Context(), c, r.image)), r.limit)
	result := reconcile.Apply(r.t.Context(), ecr.NewWriters(c).Writer(r.image.Repository), p)
	var errs []error
	for _, o := range slices.Concat(result.Pushed, result.Deleted, result.Removed) {
		errs = append(errs, o.Err)
	}
	for _, f := range p.Errors {
		errs = append(errs, errors.New(f.Message))
	}
	for _, f := range p.Violations {
		errs = append(errs, f)
	}
	return p, errors.Join(errs...)
}

// holds is the content of a repository: what its tags name, and all manifests.
// If they can't be listed, it has those below tags and those that it had
// before.
type holds struct {
	tags      map[string]string
	manifests map[string]bool
}

// look reads a repository. It fails the test if a tag names an incomplete
// image.
func (r trial) look(ever map[string]bool) holds {
	r.t.Helper()
	r.proxy.Script()
	c := r.client(8)
	defer c.Close()
	reader := c.Reader(r.image.Repository)
	names, err := reader.Tags(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	h := holds{map[string]string{}, map[string]bool{}}
	open := names
	for len(open) > 0 {
		var below []string
		for i, a := range reader.Manifests(r.t.Context(), open) {
			if a.Err != nil {
				r.t.Fatalf("%s is needed and can't be read: %v", open[i], a.Err)
			}
			if !strings.Contains(open[i], ":") {
				h.tags[open[i]] = a.Value.Digest
			}
			h.manifests[a.Value.Digest] = true
			m, err := registry.ParseManifest(a.Value)
			if err != nil {
				r.t.Fatal(err)
			}
			for _, child := range m.Children {
				below = append(below, child.Digest.String())
			}
		}
		open = below
	}
	switch all, err := reader.Inventory(r.t.Context()); {
	case err == nil:
		for _, m := range all.Manifests {
			h.manifests[m.Digest] = true
		}
	case !errors.Is(err, registry.ErrUnsupported):
		r.t.Fatal(err)
	}
	var others []string
	for d := range ever {
		if !h.manifests[d] {
			others = append(others, d)
		}
	}
	if len(others) > 0 {
		for i, a := range reader.Manifests(r.t.Context(), others) {
			switch {
			case a.Err == nil:
				h.manifests[others[i]] = true
			case !errors.Is(a.Err, registry.ErrNotFound):
				r.t.Fatal(a.Err)
			}
		}
	}
	return h
}

// uncut returns a scenario's content before and after a complete run, and the
// requests of that run.
func (s scenario) uncut(t *testing.T, b backend) (before, after holds, requests []ocitest.Request) {
	r := s.begin(t, b)
	before = r.look(nil)
	r.proxy.Reset()
	p, err := r.run(1)
	requests = r.proxy.Trace()
	if err != nil {
		t.Fatal(err)
	}
	if p.Empty() || (len(p.DeleteManifests) > 0) != s.deletes {
		t.Fatalf("the plan is not what the scenario is about: %+v", p)
	}
	after = r.look(before.manifests)
	if again, err := r.run(8); err != nil || !again.Empty() {
		t.Fatalf("a second run: %v, %+v", err, again)
	}
	return before, after, requests
}

// check wants each tag to name what it named before or will name after, and
// wants every manifest that an uncut run keeps.
func (r trial) check(now, before, after holds) {
	r.t.Helper()
	for tag, digest := range before.tags {
		is, there := now.tags[tag]
		if _, stays := after.tags[tag]; stays && !there {
			r.t.Errorf("tag %s is gone", tag)
		} else if there && is != digest && is != after.tags[tag] {
			r.t.Errorf("tag %s names %s, neither what it did nor what it should", tag, is)
		}
	}
	for tag := range now.tags {
		if before.tags[tag] == "" && after.tags[tag] == "" {
			r.t.Errorf("tag %s is unexpected", tag)
		}
	}
	for digest := range before.manifests {
		if after.manifests[digest] && !now.manifests[digest] {
			r.t.Errorf("%s is needed, and gone", digest)
		}
	}
}

// settles wants the next run to end as an uncut run does. It returns the number
// of manifests that stay although an uncut run deletes them.
func (r trial) settles(before, after holds) (behind int) {
	r.t.Helper()
	r.proxy.Script()
	p, err := r.run(8)
	if err != nil {
		r.t.Errorf("the next run: %v", err)
	}
	end := r.look(before.manifests)
	if !maps.Equal(end.tags, after.tags) {
		r.t.Errorf("in the end tags are\n%v, want\n%v", end.tags, after.tags)
	}
	r.check(end, before, after)
	for digest := range end.manifests {
		if !after.manifests[digest] {
			behind++
		}
	}
	if r.listed && behind > 0 {
		r.t.Errorf("%d manifests stay behind", behind)
	}
	if p.Empty() {
		return behind
	}
	if p, err := r.run(8); err != nil || !p.Empty() {
		r.t.Errorf("after the next run: %v, %+v", err, p)
	}
	return behind
}

// writes reports whether a request changes the registry.
func writes(r ocitest.Request) bool {
	switch _, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), "."); operation {
	case "PutImage", "BatchDeleteImage":
		return true
	case "":
		return r.Method != http.MethodGet && r.Method != http.MethodHead
	}
	return false
}

// sample returns the positions of the requests at which runs are cut or
// interleaved. It favors the few writes over the many reads.
func sample(t *testing.T, requests []ocitest.Request) []int {
	t.Helper()
	var reading, writing, chosen []int
	for at, r := range requests {
		if writes(r) {
			writing = append(writing, at)
		} else {
			reading = append(reading, at)
		}
	}
	for _, i := range ocitest.Sample(t, len(reading), 2) {
		chosen = append(chosen, reading[i])
	}
	for _, i := range ocitest.Sample(t, len(writing), 3) {
		chosen = append(chosen, writing[i])
	}
	slices.Sort(chosen)
	return chosen
}

// cut ends a run at one request: either the request or its answer is lost. No
// later request arrives.
func cut(after bool) ocitest.Action {
	var mu sync.Mutex
	dead := false
	return func(w http.ResponseWriter, r *http.Request, upstream http.Handler) {
		mu.Lock()
		first := !dead
		dead = true
		mu.Unlock()
		if first && after {
			ocitest.LoseAnswer()(w, r, upstream)
			return
		}
		ocitest.Reset()(w, r, upstream)
	}
}

// A run may be cut off at any request, before the registry sees it or before
// its answer returns. It leaves every tag whole and loses nothing, and the next
// run ends as an uncut run does.
//
// The content after a cut depends only on the writes that were done. So the
// next run is made once per number of writes. A lost answer to a read needs no
// case of its own, and after a run without writes, its repository serves the
// next cut. Without [ocitest.All], samples of the scenarios and of their requests
// are cut.
func TestCutAnywhere(t *testing.T) {
	each(t, scenarios, func(t *testing.T, b backend, s scenario) {
		before, after, requests := s.uncut(t, b)
		cuts, behind, settled := 0, 0, map[int]bool{}
		var r trial
		for _, at := range sample(t, requests) {
			written := false
			for _, answered := range []bool{false, true} {
				if answered && !written {
					continue
				}
				if r.t == nil {
					r = s.begin(t, b)
				}
				r.proxy.Reset()
				r.proxy.Script(ocitest.Fault{Skip: at, Do: cut(answered)})
				_, _ = r.run(1) // its result does not matter
				cuts++
				done := 0
				for i, request := range r.proxy.Trace() {
					switch {
					case !writes(request) || i > at:
					case i == at && !answered:
						written = true
					default:
						done++
					}
				}
				if done == 0 && settled[0] {
					continue
				}
				r.check(r.look(before.manifests), before, after)
				if !settled[done] {
					settled[done] = true
					behind = max(behind, r.settles(before, after))
				}
				if t.Failed() {
					t.Fatalf("cut at request %d of %d, which the registry did: %v", at+1, len(requests), answered)
				}
				r = trial{}
			}
		}
		t.Logf("%d cuts in %d requests, %d states, none ends otherwise than the uncut run; %d manifests stay behind at most", cuts, len(requests), len(settled), behind)
	})
}

// Two runs at once, where one passes the other at any request. Nothing is lost,
// and neither undoes the other's work.
func TestTwoRunsAtOnce(t *testing.T) {
	each(t, scenarios[len(scenarios)-1:], func(t *testing.T, b backend, s scenario) {
		before, after, requests := s.uncut(t, b)
		stale := 0
		ats := sample(t, requests)
		for _, at := range ats {
			r := s.begin(t, b)
			r.proxy.Script(ocitest.Fault{Skip: at, Times: 1, Do: func(w http.ResponseWriter, req *http.Request, upstream http.Handler) {
				if _, err := r.run(1); err != nil {
					t.Errorf("the run that comes between: %v", err)
				}
				upstream.ServeHTTP(w, req)
			}})
			if _, err := r.run(1); err != nil {
				stale++
			}
			r.check(r.look(before.manifests), before, after)
			r.settles(before, after)
			if t.Failed() {
				t.Fatalf("the other run comes at request %d of %d", at+1, len(requests))
			}
		}
		t.Logf("%d interleavings of %d; in %d of them a run saw that it was late", len(ats), len(requests), stale)
	})
}

// each runs all scenarios on each registry. Without [ocitest.All], each registry
// gets every second one, and the next registry the others.
func each(t *testing.T, scenarios []scenario, test func(t *testing.T, b backend, s scenario)) {
	first := ocitest.Rand(t).IntN(2)
	for n, backend := range backends {
		t.Run(backend.name, func(t *testing.T) {
			b := backend.start(t)
			for i, s := range scenarios {
				if ocitest.All() || len(scenarios) == 1 || (i+n+first)%2 == 0 {
					t.Run(s.name, func(t *testing.T) { test(t, b, s) })
				}
			}
		})
	}
}
