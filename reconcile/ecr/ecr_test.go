package ecr_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	aws "github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"go.uber.org/goleak"

	"tagline/config"
	"tagline/policies"
	"tagline/reconcile"
	"tagline/reconcile/demo"
	"tagline/reconcile/ecr"
	"tagline/reconcile/ecr/ecrtest"
	"tagline/reconcile/oci"
	"tagline/reconcile/registry"
)

// After a test has closed its clients, no goroutine is left, except the SDK's
// request to a metadata service that hangs: it ends by itself after 5 seconds.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/aws/aws-sdk-go-v2/aws.(*CredentialsCache).singleRetrieve"))
}

const host = ecrtest.Account + ".dkr.ecr." + ecrtest.Region + ".amazonaws.com"

var myImage = config.Repository{Host: host, Path: "my-image"}

// emulate starts an ECR and points the AWS SDK to it, as a user would.
func emulate(t testing.TB, options ecrtest.Options) *ecrtest.Server {
	t.Helper()
	server, err := ecrtest.Start(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL_ECR": server.URL, "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret",
		"AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent", "AWS_PROFILE": "",
		"AWS_REGION": "", "AWS_DEFAULT_REGION": "", "AWS_SESSION_TOKEN": "", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CA_BUNDLE": "", // a big one is slow to read, and each client reads it
	} {
		setenv(t, name, value)
	}
	return server
}

// setenv is t.Setenv, for benchmarks too.
func setenv(t testing.TB, name, value string) {
	t.(interface{ Setenv(name, value string) }).Setenv(name, value)
}

// seeded is [emulate] with the sample images in my-image.
func seeded(t testing.TB, options ecrtest.Options) *ecrtest.Server {
	t.Helper()
	server := emulate(t, options)
	if _, err := server.Seed("my-image", time.Now().Add(-time.Hour), demo.Samples()...); err != nil {
		t.Fatal(err)
	}
	return server
}

// sdk returns the AWS SDK's client with its defaults.
func sdk(t testing.TB) *aws.Client {
	t.Helper()
	cfg, err := awsconfig.LoadDefaultConfig(t.Context(), awsconfig.WithRegion(ecrtest.Region))
	if err != nil {
		t.Fatal(err)
	}
	return aws.NewFromConfig(cfg)
}

// open returns a client like that of a run, but with less patience.
func open(t testing.TB, repositories ...config.Repository) *ecr.Client {
	t.Helper()
	c := ecr.New(ecr.Options{
		OCI:      oci.Options{UserAgent: "tagline/test", Patience: oci.Patience{Backoff: time.Millisecond}},
		PushRate: 1000, Repositories: repositories,
	})
	t.Cleanup(c.Close)
	return c
}

// images parses an images.yaml for this registry.
func images(t testing.TB, text string) []config.Image {
	t.Helper()
	cfg, err := config.Parse("images.yaml", []byte(text), config.Options{Registry: host, Policies: policies.Keys()})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return cfg.Images
}

func mine(t testing.TB, aliases string) config.Image {
	t.Helper()
	return images(t, "images:\n  my-image:\n    policies: {provenance: drop}\n    aliases: {"+aliases+"}\n")[0]
}

const ten = "10: {amd64: 10.10, arm64: 10.20}"

func plan(t testing.TB, image config.Image) reconcile.Plan {
	t.Helper()
	return reconcile.Diff(image, reconcile.Observe(t.Context(), open(t, image.Repository), image))
}

// apply is one run with its own client. It joins all errors.
func apply(t testing.TB, image config.Image) (reconcile.Plan, error) {
	t.Helper()
	c := open(t, image.Repository)
	p := reconcile.Diff(image, reconcile.Observe(t.Context(), c, image))
	result := reconcile.Apply(t.Context(), ecr.NewWriters(c).Writer(image.Repository), p)
	var errs []error
	for _, o := range slices.Concat(result.Pushed, result.Deleted, result.Removed) {
		errs = append(errs, o.Err)
	}
	return p, errors.Join(errs...)
}

// The main job: a run asks nothing twice, and the next run has nothing to do.
func TestMainJob(t *testing.T) {
	server := seeded(t, ecrtest.Options{})
	image := mine(t, ten)

	if p := plan(t, image); len(p.Pushes) != 1 || len(p.Errors)+len(p.Violations) > 0 {
		t.Fatalf("plan %+v", p)
	}
	server.ResetCalls()
	p, err := apply(t, image)
	if err != nil || len(p.Pushes) != 1 {
		t.Fatalf("%v, plan %+v", err, p)
	}
	want := map[string]int{
		"DescribeImages": 3, // all three tags; again without the alias, which is missing; then what it will list
		"BatchGetImage":  3, // the sources; the alias before and after the push
		"PutImage":       1, "DescribeRepositories": 1, "GetLifecyclePolicy": 1,
	}
	if got := server.Calls(); !maps.Equal(got, want) {
		t.Errorf("calls of the first run are %v, want %v", got, want)
	}
	if got := server.Tags("my-image")["10"]; got != p.Pushes[0].New {
		t.Errorf("10 is %s, want %s", got, p.Pushes[0].New)
	}
	server.ResetCalls()
	if p, err = apply(t, image); err != nil || !p.Empty() || len(p.InSync) != 1 {
		t.Errorf("%v, the second plan is %+v", err, p)
	}
	if got := server.Calls(); !maps.Equal(got, map[string]int{"DescribeImages": 1, "BatchGetImage": 1}) {
		t.Errorf("calls of a run with nothing to do are %v", got)
	}
}

// A plain image states its platform in a config blob, which is read over HTTP
// with a token. Once the alias exists, neither is needed.
func TestPlainImages(t *testing.T) {
	server := emulate(t, ecrtest.Options{})
	_, err := server.Seed("my-image", time.Now(),
		demo.Image{Tag: "10.10", Platforms: []string{"linux/amd64"}}, demo.Image{Tag: "10.20", Platforms: []string{"linux/arm64"}, Docker: true})
	if err != nil {
		t.Fatal(err)
	}
	if p, err := apply(t, mine(t, ten)); err != nil || len(p.Pushes) != 1 {
		t.Fatalf("%v, plan %+v", err, p)
	}
	calls := server.Calls()
	if calls["GetAuthorizationToken"] != 1 || calls["GET blob"] != 2 || calls["GET layer"] != 2 {
		t.Errorf("calls are %v, want one token, two blobs", calls)
	}
	server.ResetCalls()
	if p, err := apply(t, mine(t, ten)); err != nil || !p.Empty() {
		t.Errorf("%v, the second plan is %+v", err, p)
	}
	if got := server.Calls(); !maps.Equal(got, map[string]int{"DescribeImages": 1, "BatchGetImage": 1}) {
		t.Errorf("calls of a run with nothing to do are %v", got)
	}
}

func TestCopies(t *testing.T) {
	server := seeded(t, ecrtest.Options{})
	if _, err := server.Seed("base", time.Now(), demo.Image{Tag: "1", Platforms: []string{"linux/amd64", "linux/arm64"}, Provenance: true}); err != nil {
		t.Fatal(err)
	}
	other, err := demo.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	if _, err := demo.Seed(t.Context(), other.Host()); err != nil {
		t.Fatal(err)
	}

	t.Run("from another repository", func(t *testing.T) {
		p, err := apply(t, mine(t, "b: base:1"))
		if err != nil || len(p.Pushes) != 1 || server.Tags("my-image")["b"] != p.Pushes[0].New {
			t.Errorf("%v, plan %+v", err, p)
		}
	})
	t.Run("from another registry", func(t *testing.T) {
		p, err := apply(t, mine(t, fmt.Sprintf("o: {amd64: %q}", other.Host()+"/my-image:10.10")))
		if err != nil || len(p.Pushes) != 1 || server.Tags("my-image")["o"] != p.Pushes[0].New {
			t.Errorf("%v, plan %+v", err, p)
		}
	})
	t.Run("to another registry", func(t *testing.T) {
		image := images(t, fmt.Sprintf("images:\n  %s/my-image:\n    aliases: {e: '%s/base:1'}\n", other.Host(), host))[0]
		if p, err := apply(t, image); err != nil || len(p.Pushes) != 1 {
			t.Errorf("%v, plan %+v", err, p)
		}
		if p, err := apply(t, image); err != nil || !p.Empty() {
			t.Errorf("%v, the second plan is %+v", err, p)
		}
	})
}

// Rules are reported in the order of their priority, which is a number.
func TestOrderOfRules(t *testing.T) {
	server := seeded(t, ecrtest.Options{})
	var rules []string
	for _, priority := range []int{10, 9, 100} {
		rules = append(rules, fmt.Sprintf(`{"rulePriority":%d,"selection":{"tagStatus":"any","countType":"imageCountMoreThan","countNumber":10},"action":{"type":"expire"}}`, priority))
	}
	policy := `{"rules":[` + strings.Join(rules, ",") + `]}`
	if _, err := sdk(t).PutLifecyclePolicy(t.Context(), &aws.PutLifecyclePolicyInput{RepositoryName: &myImage.Path, LifecyclePolicyText: &policy}); err != nil {
		t.Fatal(err, server.Host)
	}
	facts, err := open(t).Reader(myImage).Facts(t.Context())
	var got []string
	for _, e := range facts.Expiries {
		got = append(got, strings.TrimPrefix(e.Rule, "lifecycle rule "))
	}
	if err != nil || !slices.Equal(got, []string{"9", "10", "100"}) {
		t.Errorf("rules %q, %v", got, err)
	}
}

// A run notices what ECR would refuse before it writes anything.
func TestFacts(t *testing.T) {
	rule := func(selection, action string) string {
		return `{"rules":[{"rulePriority":3,"selection":{"tagStatus":"tagged",` + selection +
			`,"countType":"sinceImagePushed","countUnit":"days","countNumber":90},"action":{` + action + `}}]}`
	}
	const (
		expire  = `"type":"expire"`
		archive = `"type":"transition","targetStorageClass":"archive"`
	)
	expiring := "expiring-alias: lifecycle rule 3 of " + host + `/my-image may delete alias "10"`
	lifecycle := `{"rules":[{"rulePriority":2,"description":"keep ten releases","selection":` +
		`{"tagStatus":"tagged","tagPatternList":["1*"],"countType":"imageCountMoreThan","countNumber":10},"action":{"type":"expire"}},` +
		`{"rulePriority":1,"selection":{"tagStatus":"untagged","countType":"imageCountMoreThan","countNumber":1},"action":{"type":"expire"}}]}`
	for _, test := range []struct {
		name       string
		mutability types.ImageTagMutability
		except     []string
		lifecycle  string
		violation  string // its ID and part of its message
		warning    string
		aliases    string // [ten] if empty
	}{
		{name: "mutable", mutability: types.ImageTagMutabilityMutable},
		{
			name: "immutable", mutability: types.ImageTagMutabilityImmutable,
			violation: `immutable-tag: the tags of ` + host + `/my-image are immutable; an exclusion filter "10" would let this one move`,
		},
		{
			name: "immutable but for others", mutability: types.ImageTagMutabilityImmutableWithExclusion, except: []string{"latest*", "2*"},
			violation: `immutable-tag: the tags of ` + host + `/my-image are immutable, but for those that match "latest*" or "2*"; an exclusion filter "10"`,
		},
		{name: "immutable but for this one", mutability: types.ImageTagMutabilityImmutableWithExclusion, except: []string{"*0"}},
		{
			name: "mutable but for this one", mutability: types.ImageTagMutabilityMutableWithExclusion, except: []string{"1*"},
			violation: `immutable-tag: ` + host + `/my-image keeps the tags immutable that match "1*"`,
		},
		{
			name: "expiring", mutability: types.ImageTagMutabilityMutable, lifecycle: lifecycle,
			warning: "expiring-alias: lifecycle rule 2 (keep ten releases) of " + host + `/my-image may delete alias "10"`,
		},
		{name: "by a prefix", lifecycle: rule(`"tagPrefixList":["1"]`, expire), warning: expiring},
		{name: "by two prefixes", lifecycle: rule(`"tagPrefixList":["1","10"]`, expire), warning: expiring},
		{name: "by one prefix of two", lifecycle: rule(`"tagPrefixList":["1","prod"]`, expire)},
		{name: "by one pattern of two", lifecycle: rule(`"tagPatternList":["*0","prod*"]`, expire)},
		{
			name: "with a tag for each pattern", lifecycle: rule(`"tagPatternList":["1*","pr*"]`, expire), warning: expiring,
			aliases: "10: prod",
		},
		{name: "by its source's tag", lifecycle: rule(`"tagPatternList":["pr*"]`, expire), warning: expiring, aliases: "10: prod"},
		{
			name: "archived", lifecycle: rule(`"tagPatternList":["1*"]`, archive),
			warning: "expiring-alias: lifecycle rule 3 of " + host + `/my-image may archive alias "10", which can't be pulled then;`,
		},
		{name: "only if archived", lifecycle: rule(`"storageClass":"archive","tagPatternList":["1*"]`, expire)},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := emulate(t, ecrtest.Options{})
			if err := server.CreateRepository("my-image", test.mutability, test.except...); err != nil {
				t.Fatal(err)
			}
			if _, err := server.Seed("my-image", time.Now(), append(demo.Samples(), demo.Image{Tag: "10", Platforms: []string{"linux/amd64"}},
				demo.Image{Tag: "prod", Platforms: []string{"linux/amd64"}, Provenance: true})...); err != nil {
				t.Fatal(err)
			}
			if test.lifecycle != "" {
				_, err := sdk(t).PutLifecyclePolicy(t.Context(), &aws.PutLifecyclePolicyInput{
					RepositoryName: &myImage.Path, LifecyclePolicyText: &test.lifecycle,
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			was := server.Tags("my-image")["10"]
			if test.aliases == "" {
				test.aliases = ten
			}
			p, err := apply(t, mine(t, test.aliases))
			if err != nil || len(p.Errors) > 0 {
				t.Fatalf("%v, %+v", err, p)
			}
			check := func(kind string, found []*config.Finding, want string) {
				switch {
				case want == "" && len(found) == 0:
				case want == "" || len(found) != 1 || !strings.HasPrefix(string(found[0].ID)+": "+found[0].Message, want):
					t.Errorf("%ss are %v, want %s", kind, found, want)
				}
			}
			check("violation", p.Violations, test.violation)
			check("warning", p.Warnings, test.warning)
			if moved := server.Tags("my-image")["10"] != was; moved != (test.violation == "") {
				t.Errorf("moved: %v", moved)
			}
		})
	}
}

// A push never creates a repository, even if ECR would.
func TestMissingRepository(t *testing.T) {
	server := seeded(t, ecrtest.Options{CreateOnPush: true})
	image := images(t, "images:\n  typo:\n    aliases: {10: 'my-image:10.10'}\n")[0]
	p, err := apply(t, image)
	if err != nil || len(p.Pushes) > 0 || len(p.Violations) != 1 || p.Violations[0].ID != "missing-repository" {
		t.Errorf("%v, plan %+v", err, p)
	}
	if server.Calls()["PutImage"] > 0 || len(server.Tags("typo")) > 0 {
		t.Error("there is a repository typo now")
	}
}

// One call returns the facts of all repositories of a run. If one repository
// makes it fail, each is asked for alone.
func TestFactsTogether(t *testing.T) {
	server := emulate(t, ecrtest.Options{})
	var repositories []config.Repository
	for i := range 150 {
		r := config.Repository{Host: host, Path: fmt.Sprintf("r%03d", i)}
		if err := server.CreateRepository(r.Path, types.ImageTagMutabilityMutable); err != nil {
			t.Fatal(err)
		}
		repositories = append(repositories, r)
	}
	ask := func(repositories []config.Repository) (missing, calls int) {
		server.ResetCalls()
		c := open(t, repositories...)
		for _, r := range repositories {
			facts, err := c.Reader(r).Facts(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if facts.Missing {
				missing++
			}
		}
		return missing, server.Calls()["DescribeRepositories"]
	}
	if missing, calls := ask(repositories); missing != 0 || calls != 2 {
		t.Errorf("%d missing, %d calls; want none, 2", missing, calls)
	}
	repositories[120].Path = "typo"
	if missing, calls := ask(repositories); missing != 1 || calls != 2+50 {
		t.Errorf("%d missing, %d calls; want 1, and 50 more", missing, calls)
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

// A token that ends soon is renewed.
func TestTokenIsRenewed(t *testing.T) {
	late := time.Now().Add(-12*time.Hour + 10*time.Minute) // makes tokens that end in ten minutes
	server := emulate(t, ecrtest.Options{Now: func() time.Time { return late }})
	if _, err := server.Seed("my-image", late, demo.Image{Tag: "10.10", Platforms: []string{"linux/amd64"}}); err != nil {
		t.Fatal(err)
	}
	if p := plan(t, mine(t, "10: {amd64: 10.10}")); len(p.Pushes) != 1 {
		t.Fatalf("plan %+v", p)
	}
	if n := server.Calls()["GetAuthorizationToken"]; n < 2 {
		t.Errorf("%d tokens, want one for each request", n)
	}
}

// A cancelled run starts nothing.
func TestCancelled(t *testing.T) {
	server := seeded(t, ecrtest.Options{})
	c := open(t)
	w := ecr.NewWriters(c).Writer(myImage)
	body := []byte(`{"schemaVersion":2}`)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, errs := range [][]error{
		w.Put(ctx, []registry.TaggedManifest{{Tag: "10", Manifest: registry.RawManifest{Body: body}}}),
		w.DeleteTags(ctx, []registry.TagDigest{{Tag: "10.10", Digest: server.Tags("my-image")["10.10"]}}),
	} {
		if !errors.Is(errs[0], context.Canceled) {
			t.Errorf("got %v, want that it was cancelled", errs[0])
		}
	}
	if calls := server.Calls(); len(calls) > 0 {
		t.Errorf("calls: %v", calls)
	}
}

func TestDeleteTags(t *testing.T) {
	server := seeded(t, ecrtest.Options{})
	if p, err := apply(t, mine(t, "10.10: absent, nope: absent")); err != nil || len(p.DeleteTags) != 1 {
		t.Errorf("%v, plan %+v", err, p)
	}
	if tags := server.Tags("my-image"); tags["10.10"] != "" || tags["10.20"] == "" {
		t.Errorf("tags are %v", tags)
	}
	// The image that an index lists can't lose its last tag.
	if _, err := server.Seed("my-image", time.Now(), demo.Image{Tag: "3", Platforms: []string{"linux/amd64"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := apply(t, mine(t, "30: {amd64: 3}")); err != nil {
		t.Fatal(err)
	}
	now := server.Tags("my-image")
	errs := ecr.NewWriters(open(t)).Writer(myImage).DeleteTags(t.Context(), []registry.TagDigest{{Tag: "3", Digest: now["3"]}, {Tag: "30", Digest: now["30"]}})
	if errs[0] == nil || !strings.Contains(errs[0].Error(), "ImageReferencedByManifestList") || errs[1] != nil {
		t.Errorf("got %v, want that the first is referenced", errs)
	}
}

// The last tag of an image that an index lists can't be deleted. Every run
// reports this as a violation, and does its other deletions.
func TestLastTagOfAListedImage(t *testing.T) {
	server := seeded(t, ecrtest.Options{})
	if _, err := server.Seed("my-image", time.Now(), demo.Image{Tag: "3", Platforms: []string{"linux/amd64"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := apply(t, mine(t, "30: {amd64: 3}")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		p, err := apply(t, mine(t, "3: absent, 10.10: absent"))
		if err != nil || len(p.Violations) != 1 || !strings.Contains(p.Violations[0].Message, `which tag "30" lists`) {
			t.Errorf("%v, violations %v", err, p.Violations)
		}
		if tags := server.Tags("my-image"); tags["10.10"] != "" || tags["3"] == "" {
			t.Errorf("tags are %v", tags)
		}
	}
}

// A tag may move between its last read and its deletion. Then it stays, and so
// does the image that it names, which has no other tag.
func TestDeletionIsConditional(t *testing.T) {
	server := seeded(t, ecrtest.Options{})
	server.Script(ecrtest.Fault{Operation: "BatchDeleteImage", Times: 1, Do: ecrtest.Before(func() {
		if _, err := server.Seed("my-image", time.Now(), demo.Image{Tag: "10.10", Platforms: []string{"linux/amd64"}, Version: "another"}); err != nil {
			t.Error(err)
		}
	})})
	_, err := apply(t, mine(t, "10.10: absent"))
	if !errors.Is(err, reconcile.ErrStale) || !strings.Contains(err.Error(), "ImageTagDoesNotMatchDigest") {
		t.Errorf("%v, want that it is stale", err)
	}
	now := server.Tags("my-image")["10.10"]
	if a := open(t).Reader(myImage).Resolve(t.Context(), []string{"10.10", now}); now == "" || a[0].Err != nil || a[1].Err != nil {
		t.Errorf("the new image is lost: %+v", a)
	}
	if _, err := apply(t, mine(t, "10.10: absent")); err != nil || server.Tags("my-image")["10.10"] != "" {
		t.Errorf("the next run: %v", err)
	}
}

// A deletion succeeds if its answer is lost, whatever ECR answers the second
// time.
func TestLostDeletion(t *testing.T) {
	for _, code := range []types.ImageFailureCode{types.ImageFailureCodeImageNotFound, types.ImageFailureCodeImageTagDoesNotMatchDigest} {
		t.Run(string(code), func(t *testing.T) {
			server := seeded(t, ecrtest.Options{})
			server.Script(
				ecrtest.Fault{Operation: "BatchDeleteImage", Times: 1, Do: ecrtest.LoseAnswer()},
				ecrtest.Fault{Operation: "BatchDeleteImage", Do: func(w http.ResponseWriter, _ *ecrtest.Call) {
					_, _ = fmt.Fprintf(w, `{"failures":[{"failureCode":%q,"imageId":{"imageTag":"10.10"}}]}`, code)
				}},
			)
			if _, err := apply(t, mine(t, "10.10: absent")); err != nil || server.Tags("my-image")["10.10"] != "" {
				t.Errorf("%v, tags %v", err, server.Tags("my-image"))
			}
			if n := server.Calls()["BatchDeleteImage"]; n != 2 {
				t.Errorf("%d calls, want 2", n)
			}
		})
	}
}

// A manifest without a tag is pushed by its digest, and no tag changes.
func TestPutByDigest(t *testing.T) {
	server := seeded(t, ecrtest.Options{})
	c := open(t, myImage)
	reader, writer := c.Reader(myImage), ecr.NewWriters(c).Writer(myImage)
	index := reader.Manifests(t.Context(), []string{"10.10"})[0]
	if err := errors.Join(index.Err, writer.DeleteManifests(t.Context(), []string{index.Value.Digest})[0]); err != nil {
		t.Fatal(err)
	}
	before := server.Tags("my-image")
	for range 2 {
		if err := writer.Put(t.Context(), []registry.TaggedManifest{{Manifest: index.Value}})[0]; err != nil {
			t.Fatal(err)
		}
		if a := writer.Resolve(t.Context(), []string{index.Value.Digest})[0]; a.Err != nil || a.Value.Digest != index.Value.Digest {
			t.Errorf("after the push: %+v", a)
		}
	}
	if after := server.Tags("my-image"); !maps.Equal(after, before) {
		t.Errorf("tags are %v, not %v", after, before)
	}
}
