package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/rogpeppe/go-internal/testscript"

	"tagline/reconcile/ecr/ecrtest"
	"tagline/reconcile/oci/ocitest"
)

// TestECRScripts runs each script of testdata/ecr on an Amazon ECR in memory,
// which AWS_ENDPOINT_URL_ECR names. $REGISTRY is the host that AWS would have
// for it, $OVERHTTP the one that speaks the OCI protocol. Beside testscript's
// own commands there are:
//
//	tagline, crane, exits, capture   as in TestScripts
//	push REPOSITORY:TAG PLATFORM[,PLATFORM] [provenance] [artifact] [docker] [build=N], an hour ago
//	shape FILE                   what it says, see shape
//	digests REPOSITORY TAG...    prints what each tag names, and what is in that
//	gone REPOSITORY FILE         prints how many of the digests in it can't be pulled
//	images REPOSITORY N          there are so many, tagged or not
//	pulled REPOSITORY DURATION   every image was pulled last so long ago
//	refuse [OPERATION...]        these calls fail from now on, and no others
//	repository NAME MUTABILITY [PATTERN...]   an empty one
//	mutability NAME MUTABILITY [PATTERN...]   of one that is there
//	calls [OPERATION=N...]                    exactly these since the last time
//	lose REPOSITORY DIGEST...    ECR clears these layers away
//	login                                     for programs that use $OVERHTTP
func TestECRScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                "testdata/ecr",
		UpdateScripts:      *update,
		RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			registry, err := ecrtest.Start(ecrtest.Options{})
			if err != nil {
				return err
			}
			env.Defer(func() { _ = registry.Close() })
			env.Values["ecr"] = registry
			for name, value := range map[string]string{
				"REGISTRY":         ecrtest.Account + ".dkr.ecr." + ecrtest.Region + ".amazonaws.com",
				"TAGLINE_REGISTRY": ecrtest.Account + ".dkr.ecr." + ecrtest.Region + ".amazonaws.com",
				"OVERHTTP":         registry.Host,

				"AWS_ENDPOINT_URL_ECR": registry.URL, "AWS_DEFAULT_REGION": ecrtest.Region, "AWS_EC2_METADATA_DISABLED": "true",
				"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_PAGER": "",

				"HOME":     env.WorkDir,
				"NO_COLOR": "", "GORACE": "atexit_sleep_ms=0", "GOGC": "400", "TAGLINE_TEST_ALL": os.Getenv("TAGLINE_TEST_ALL"),
			} {
				env.Setenv(name, value)
			}
			return startRunner(env)
		},
		Condition: func(name string) (bool, error) {
			switch name {
			case "ci":
				return os.Getenv("CI") == "true", nil
			case "all":
				return ocitest.All(), nil
			}
			return false, fmt.Errorf("unknown condition %s", name)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"tagline": running("tagline"),
			"crane":   running("crane"),
			"exits":   exits,
			"capture": capture,
			"push": onECR(func(_ *testscript.TestScript, r *ecrtest.Server, args []string) error {
				repository, image, err := parseImage(args)
				if err == nil {
					_, err = r.Seed(repository, time.Now().Add(-time.Hour), image)
				}
				return err
			}),
			"shape": onECR(func(ts *testscript.TestScript, r *ecrtest.Server, args []string) error {
				made, err := parseShape(ts.ReadFile(args[0]))
				if err != nil {
					return err
				}
				defer r.ResetCalls()
				for _, repository := range made.repositories() {
					_ = r.CreateRepository(repository, types.ImageTagMutabilityMutable) // or it is there already
				}
				return made.push(context.Background(), r.Host, remote.WithAuth(authn.FromConfig(authn.AuthConfig{Username: "AWS", Password: r.Password()})))
			}),
			"digests": onECR(func(ts *testscript.TestScript, r *ecrtest.Server, args []string) error {
				return printDigests(ts, r.Host, args, loggedIn(r))
			}),
			"gone": onECR(func(ts *testscript.TestScript, r *ecrtest.Server, args []string) error {
				return printGone(ts, r.Host, args, loggedIn(r))
			}),
			"images": onECR(func(_ *testscript.TestScript, r *ecrtest.Server, args []string) error {
				n, err := countImages(r.URL, args[0])
				if err == nil && args[1] != strconv.Itoa(n) {
					err = fmt.Errorf("%s has %d images, want %s", args[0], n, args[1])
				}
				return err
			}),
			"pulled": onECR(func(_ *testscript.TestScript, r *ecrtest.Server, args []string) error {
				ago, err := time.ParseDuration(args[1])
				if err == nil {
					err = r.SetPulled(args[0], time.Now().Add(-ago))
				}
				return err
			}),
			"refuse": onECR(func(_ *testscript.TestScript, r *ecrtest.Server, args []string) error {
				var faults []ecrtest.Fault
				for _, operation := range args {
					faults = append(faults, ecrtest.Fault{Operation: operation, Do: ecrtest.Refuse("AccessDeniedException", "not authorized")})
				}
				r.Script(faults...)
				return nil
			}),
			"repository": onECR(func(_ *testscript.TestScript, r *ecrtest.Server, args []string) error {
				return r.CreateRepository(args[0], types.ImageTagMutability(args[1]), args[2:]...)
			}),
			"mutability": onECR(func(_ *testscript.TestScript, r *ecrtest.Server, args []string) error {
				return r.SetMutability(args[0], types.ImageTagMutability(args[1]), args[2:]...)
			}),
			"calls": onECR(func(_ *testscript.TestScript, r *ecrtest.Server, args []string) error {
				defer r.ResetCalls()
				calls := r.Calls()
				var got []string
				for _, operation := range slices.Sorted(maps.Keys(calls)) {
					got = append(got, fmt.Sprintf("%s=%d", operation, calls[operation]))
				}
				if slices.Sort(args); !slices.Equal(got, args) {
					return fmt.Errorf("calls are %q, want %q", got, args)
				}
				return nil
			}),
			"lose": onECR(func(_ *testscript.TestScript, r *ecrtest.Server, args []string) error {
				for _, layer := range args[1:] {
					r.DeleteLayer(args[0], layer)
				}
				return nil
			}),
			"login": onECR(func(ts *testscript.TestScript, r *ecrtest.Server, _ []string) error {
				auth := base64.StdEncoding.EncodeToString([]byte("AWS:" + r.Password()))
				dir := ts.MkAbs(".docker")
				if err := os.MkdirAll(dir, 0o700); err != nil {
					return err
				}
				return os.WriteFile(filepath.Join(dir, "config.json"), fmt.Appendf(nil, `{"auths":{%q:{"auth":%q}}}`, r.Host, auth), 0o600)
			}),
		},
	})
}

func onECR(run func(*testscript.TestScript, *ecrtest.Server, []string) error) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, negated bool, args []string) {
		if err := run(ts, ts.Value("ecr").(*ecrtest.Server), args); (err != nil) != negated {
			ts.Fatalf("failed: %v", err)
		}
	}
}

// loggedIn lets crane in where it speaks the OCI protocol.
func loggedIn(r *ecrtest.Server) crane.Option {
	return crane.WithAuth(&authn.Basic{Username: "AWS", Password: r.Password()})
}

// countImages asks as the AWS console does.
func countImages(url, repository string) (int, error) {
	client := ecr.New(ecr.Options{
		Region: ecrtest.Region, BaseEndpoint: &url,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret"}, nil
		}),
	})
	n := 0
	for pages := ecr.NewDescribeImagesPaginator(client, &ecr.DescribeImagesInput{RepositoryName: &repository}); pages.HasMorePages(); {
		page, err := pages.NextPage(context.Background())
		if err != nil {
			return 0, err
		}
		n += len(page.ImageDetails)
	}
	return n, nil
}
