package ecrtest_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tagline/reconcile/ecr/ecrtest"
)

// Each fault, as the SDK reports it.
func TestFaults(t *testing.T) {
	server, client, digests := seeded(t, ecrtest.Options{})
	describe := func(ctx context.Context) error {
		_, err := client.DescribeImages(ctx, &ecr.DescribeImagesInput{RepositoryName: aws.String(repository), ImageIds: byTag("10.10")})
		return err
	}
	for name, tc := range map[string]struct {
		do   ecrtest.Action
		code string
		text string
	}{
		"throttled":           {ecrtest.Throttle(), "ThrottlingException", "Rate exceeded"},
		"denied":              {ecrtest.Deny(), "AccessDeniedException", "is not authorized to perform: ecr:DescribeImages on resource: arn:aws:ecr:eu-central-1:123456789012:repository/my-image"},
		"expired credentials": {ecrtest.ExpireCredentials(), "ExpiredTokenException", "expired"},
		"unknown credentials": {ecrtest.ForgetCredentials(), "UnrecognizedClientException", "invalid"},
		"a broken service":    {ecrtest.Refuse("ServerException", "try again"), "ServerException", "try again"},
		"nothing":             {func(w http.ResponseWriter, c *ecrtest.Call) { c.Serve(w) }, "", ""},
		"a wait":              {ecrtest.Delay(time.Millisecond), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			server.Script(
				ecrtest.Fault{Operation: "PutImage", Do: ecrtest.Reset()},
				ecrtest.Fault{Operation: "DescribeImages", Skip: 1, Times: 2, Do: tc.do},
			)
			for call := range 4 {
				if err := describe(t.Context()); tc.code != "" && (call == 1 || call == 2) {
					wantError(t, err, tc.code, tc.text)
				} else if err != nil {
					t.Errorf("call %d: %v", call, err)
				}
			}
		})
	}

	t.Run("a reset", func(t *testing.T) {
		server.Script(ecrtest.Fault{Do: ecrtest.Reset()})
		if err := describe(t.Context()); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("an impatient client", func(t *testing.T) {
		server.Script(ecrtest.Fault{Do: ecrtest.Delay(time.Hour)})
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if err := describe(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a lost answer", func(t *testing.T) {
		server.Script(ecrtest.Fault{Operation: "PutImage", Times: 1, Do: ecrtest.LoseAnswer()})
		in := &ecr.PutImageInput{
			RepositoryName: aws.String(repository), ImageTag: aws.String("new"), ImageManifest: aws.String(string(objects(t, "10.10")[6].Body)),
		}
		if _, err := client.PutImage(t.Context(), in); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("got %v", err)
		}
		if got := server.Tags(repository)["new"]; got != digests["10.10"] {
			t.Errorf("the tag names %q", got)
		}
		_, err := client.PutImage(t.Context(), in)
		wantError(t, err, "ImageAlreadyExistsException", "")
	})
	t.Run("an image that goes between two calls", func(t *testing.T) {
		server.Script(ecrtest.Fault{Operation: "BatchGetImage", Do: ecrtest.Before(func() {
			if _, err := client.BatchDeleteImage(context.Background(), &ecr.BatchDeleteImageInput{
				RepositoryName: aws.String(repository), ImageIds: byDigest(digests["10.10"]),
			}); err != nil {
				t.Error(err)
			}
		})})
		if err := describe(t.Context()); err != nil {
			t.Fatal(err)
		}
		out, err := client.BatchGetImage(t.Context(), &ecr.BatchGetImageInput{RepositoryName: aws.String(repository), ImageIds: byTag("10.10")})
		if err != nil || len(out.Failures) != 1 || out.Failures[0].FailureCode != types.ImageFailureCodeImageNotFound {
			t.Errorf("got %+v, %v", out, err)
		}
	})
}

// An operation admits one second's worth of calls at once, and then its rate.
func TestRates(t *testing.T) {
	now := noon()
	server, client, _ := seeded(t, ecrtest.Options{Rates: map[string]float64{"DescribeImages": 2}, Now: func() time.Time { return now }})
	for _, tc := range []struct {
		wait     time.Duration
		admitted bool
	}{{0, true}, {0, true}, {0, false}, {400 * time.Millisecond, false}, {100 * time.Millisecond, true}, {0, false}, {time.Hour, true}, {0, true}, {0, false}} {
		now = now.Add(tc.wait)
		_, err := client.DescribeImages(t.Context(), &ecr.DescribeImagesInput{RepositoryName: aws.String(repository)})
		if tc.admitted && err != nil {
			t.Error(err)
		} else if !tc.admitted {
			wantError(t, err, "ThrottlingException", "Rate exceeded")
		}
	}
	if got := server.Calls(); !maps.Equal(got, map[string]int{"DescribeImages": 9}) {
		t.Errorf("counted %v", got)
	}
	server.ResetCalls()
	if got := server.Calls(); len(got) != 0 {
		t.Errorf("counted %v", got)
	}
}

// The client connects as tagline's does: AWS_ENDPOINT_URL_ECR, default options,
// the SDK's retries.
func TestEndpointFromEnvironment(t *testing.T) {
	server, _, digests := seeded(t, ecrtest.Options{})
	for key, value := range map[string]string{
		"AWS_ENDPOINT_URL_ECR": server.URL, "AWS_REGION": ecrtest.Region, "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret",
		"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_PROFILE": "", "AWS_CA_BUNDLE": "", "AWS_SESSION_TOKEN": "",
	} {
		t.Setenv(key, value)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	cfg, err := config.LoadDefaultConfig(t.Context(), config.WithHTTPClient(&http.Client{Transport: inMemory{transport}}),
		config.WithRetryer(func() aws.Retryer { return retry.AddWithMaxBackoffDelay(retry.NewStandard(), time.Millisecond) }))
	if err != nil {
		t.Fatal(err)
	}
	server.Script(ecrtest.Fault{Operation: "DescribeImages", Times: 2, Do: ecrtest.Throttle()})
	out, err := ecr.NewFromConfig(cfg).DescribeImages(t.Context(), &ecr.DescribeImagesInput{
		RegistryId: aws.String(ecrtest.Account), RepositoryName: aws.String(repository), ImageIds: byTag("10.20"),
	})
	if err != nil || *out.ImageDetails[0].ImageDigest != digests["10.20"] || server.Calls()["DescribeImages"] != 3 {
		t.Errorf("got %+v, %v, calls %v", out, err, server.Calls())
	}
}

func TestRepositories(t *testing.T) {
	server, client, _ := seeded(t, ecrtest.Options{})
	created, err := client.CreateRepository(t.Context(), &ecr.CreateRepositoryInput{
		RepositoryName: aws.String("team/app"), ImageTagMutability: types.ImageTagMutabilityImmutableWithExclusion,
		ImageTagMutabilityExclusionFilters: []types.ImageTagMutabilityExclusionFilter{
			{Filter: aws.String("latest"), FilterType: types.ImageTagMutabilityExclusionFilterTypeWildcard},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := created.Repository; *got.RepositoryUri != server.Host+"/team/app" || *got.RepositoryArn != "arn:aws:ecr:eu-central-1:123456789012:repository/team/app" || !got.CreatedAt.Equal(noon()) {
		t.Errorf("got %+v", got)
	}
	described, err := client.DescribeRepositories(t.Context(), &ecr.DescribeRepositoriesInput{RepositoryNames: []string{"team/app"}})
	if err != nil || described.Repositories[0].ImageTagMutability != types.ImageTagMutabilityImmutableWithExclusion ||
		*described.Repositories[0].ImageTagMutabilityExclusionFilters[0].Filter != "latest" {
		t.Errorf("got %+v, %v", described, err)
	}
	if _, err := client.PutImageTagMutability(t.Context(), &ecr.PutImageTagMutabilityInput{
		RepositoryName: aws.String("team/app"), ImageTagMutability: types.ImageTagMutabilityMutable,
	}); err != nil {
		t.Fatal(err)
	}
	var names []string
	pages := ecr.NewDescribeRepositoriesPaginator(client, &ecr.DescribeRepositoriesInput{MaxResults: aws.Int32(1)})
	for pages.HasMorePages() {
		out, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, *out.Repositories[0].RepositoryName)
	}
	if got := strings.Join(names, " "); got != "my-image team/app" {
		t.Errorf("got %s", got)
	}
}

func TestLifecyclePolicy(t *testing.T) {
	_, client, _ := seeded(t, ecrtest.Options{})
	const policy = `{ "rules": [ {"rulePriority": 1, "selection": {"tagStatus": "untagged", "countType": "imageCountMoreThan", "countNumber": 1}, "action": {"type": "expire"}} ] }`
	if _, err := client.PutLifecyclePolicy(t.Context(), &ecr.PutLifecyclePolicyInput{RepositoryName: aws.String(repository), LifecyclePolicyText: aws.String(policy)}); err != nil {
		t.Fatal(err)
	}
	out, err := client.GetLifecyclePolicy(t.Context(), &ecr.GetLifecyclePolicyInput{RepositoryName: aws.String(repository)})
	if err != nil || *out.LifecyclePolicyText != policy {
		t.Errorf("got %+v, %v", out, err)
	}
}

// A push creates a missing repository if the account allows it.
func TestCreateOnPush(t *testing.T) {
	server := serve(t, ecrtest.Options{CreateOnPush: true})
	client := connect(t, server)
	manifest := `{"schemaVersion":2,"mediaType":"` + ocispec.MediaTypeImageIndex + `","manifests":[]}`
	if _, err := client.PutImage(t.Context(), &ecr.PutImageInput{RepositoryName: aws.String("team/new"), ImageTag: aws.String("10"), ImageManifest: &manifest}); err != nil {
		t.Fatal(err)
	}
	upload := ask(t, server, login(t, client), http.MethodPost, server.URL+"/v2/team/newer/blobs/uploads/", "")
	if upload.status != http.StatusAccepted {
		t.Errorf("got %+v", upload)
	}
	if got, err := client.DescribeRepositories(t.Context(), &ecr.DescribeRepositoriesInput{}); err != nil || len(got.Repositories) != 2 {
		t.Errorf("got %+v, %v", got, err)
	}
	_, err := client.DescribeImages(t.Context(), &ecr.DescribeImagesInput{RepositoryName: aws.String("team/other")})
	wantError(t, err, "RepositoryNotFoundException", "'team/other'")
}
