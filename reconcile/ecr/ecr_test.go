package ecr_test

import (
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"testing"
	"time"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	aws "github.com/aws/aws-sdk-go-v2/service/ecr"
	"go.uber.org/goleak"

	"tagline/config"
	"tagline/policies"
	"tagline/reconcile"
	"tagline/reconcile/demo"
	"tagline/reconcile/ecr"
	"tagline/reconcile/ecr/ecrtest"
	"tagline/reconcile/oci"
	"tagline/reconcile/oci/transport"
)

// After a test has closed its clients, no goroutine is left, except the SDK's
// request to a metadata service that hangs: it ends by itself after 5 seconds.
// Garbage is collected less often: the tests allocate much and keep little.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
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
		OCI:      oci.Options{UserAgent: "tagline/test", Patience: transport.Patience{Backoff: time.Millisecond}},
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
