package ecrtest_test

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tagline/reconcile/ecr/ecrtest"
	"tagline/reconcile/oci/ocitest"
)

// The AWS CLI, which uses another SDK, works with the emulator too. Each of
// forty steps takes half a second.
func TestAWSCLI(t *testing.T) {
	t.Parallel()
	if !ocitest.All() {
		t.Skip("`make test-all` runs it")
	}
	path, err := exec.LookPath("aws")
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatal("no aws on PATH: CI must have it")
	default:
		t.Skip("no aws on PATH: install the AWS CLI (Debian: awscli) to run it against the emulator")
	}
	server, _, digests := seeded(t, ecrtest.Options{})
	if err := server.CreateRepository("fixed", types.ImageTagMutabilityImmutable); err != nil {
		t.Fatal(err)
	}
	if err := server.SeedObjects("fixed", "10", noon(), objects(t, "10")...); err != nil {
		t.Fatal(err)
	}
	if err := server.SeedObjects("fixed", "", noon(), objects(t, "9")...); err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	file := func(name string, body []byte) string {
		t.Helper()
		path := filepath.Join(home, name)
		if err := os.WriteFile(path, body, 0o600); err != nil {
			t.Fatal(err)
		}
		return "file://" + path
	}
	index, moved, alone := file("index.json", objects(t, "10.10")[6].Body), file("moved.json", objects(t, "9")[6].Body), file("alone.json", objects(t, "1.0")[6].Body)
	child := objects(t, "10.10")[5].Digest.String()

	// The steps build on each other.
	for _, step := range []struct {
		arguments string
		want      string // the answer as JSON, or part of the error
	}{
		{"create-repository --repository-name new --query repository.repositoryName", `"new"`},
		{"create-repository --repository-name new", "(RepositoryAlreadyExistsException)"},
		{"describe-repositories --query repositories[].repositoryName", `["fixed","my-image","new"]`},
		{"describe-repositories --repository-names nope", "(RepositoryNotFoundException) when calling the DescribeRepositories operation: The repository with name 'nope'"},
		{"put-image --repository-name my-image --image-tag 10 --image-manifest " + index + " --image-manifest-media-type " + ocispec.MediaTypeImageIndex + " --image-digest " + digests["10.10"] + " --query image.imageId.imageTag", `"10"`},
		{"put-image --repository-name my-image --image-tag 10 --image-manifest " + index, "(ImageAlreadyExistsException)"},
		{"put-image --repository-name fixed --image-tag 10 --image-manifest " + moved, "(ImageTagAlreadyExistsException)"},
		{"put-image --repository-name my-image --image-tag 1 --image-manifest " + alone, "(ReferencedImagesNotFoundException)"},
		{"describe-images --repository-name my-image --image-ids imageTag=10 --query imageDetails[].[imageDigest,imageTags]", `[["` + digests["10.10"] + `",["10","10.10"]]]`},
		{"describe-images --repository-name my-image --page-size 1 --query length(imageDetails)", `6`},
		{"describe-images --repository-name my-image --filter tagStatus=UNTAGGED --page-size 3 --query length(imageDetails)", `4`},
		{"describe-images --repository-name my-image --page-size 2 --max-items 3 --query length(imageDetails)", `3`},
		{"describe-images --repository-name my-image --image-ids imageTag=nope", "(ImageNotFoundException)"},
		{"list-images --repository-name my-image --page-size 2 --filter tagStatus=TAGGED --query sort(imageIds[].imageTag)", `["10","10.10","10.20"]`},
		{"batch-get-image --repository-name my-image --image-ids imageDigest=" + digests["10.20"] + " imageTag=nope --query [length(images),failures[].failureCode]", `[1,["ImageNotFound"]]`},
		{"batch-delete-image --repository-name my-image --image-ids imageTag=10 imageDigest=" + child + " --query [imageIds[].imageTag,failures[].failureReason]", `[["10"],["Requested image referenced by manifest list: [` + digests["10.10"] + `]"]]`},
		{"batch-delete-image --repository-name my-image --image-ids imageTag=10.10 --query [imageIds[].imageDigest,failures]", `[["` + digests["10.10"] + `"],[]]`},
		{"batch-delete-image --repository-name my-image --image-ids imageDigest=" + child + " --query failures", `[]`},
		{"get-lifecycle-policy --repository-name my-image", "(LifecyclePolicyNotFoundException)"},
		{"describe-images --repository-name my-image --region us-west-2", "(InvalidSignatureException)"},
	} {
		cmd := exec.CommandContext(t.Context(), path, append([]string{"ecr", "--endpoint-url", server.URL, "--output", "json"}, strings.Fields(step.arguments)...)...)
		cmd.Env = []string{
			"HOME=" + home, "PATH=" + os.Getenv("PATH"), "AWS_ACCESS_KEY_ID=AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY=secret",
			"AWS_REGION=" + ecrtest.Region, "AWS_DEFAULT_REGION=" + ecrtest.Region, "AWS_PAGER=", "AWS_EC2_METADATA_DISABLED=true",
		}
		out, err := cmd.Output()
		var failed *exec.ExitError
		switch {
		case errors.As(err, &failed):
			if !strings.Contains(string(failed.Stderr), step.want) {
				t.Errorf("aws ecr %s: got %s, want %s", step.arguments, failed.Stderr, step.want)
			}
		case err != nil:
			t.Fatal(err)
		case compact(t, out) != step.want:
			t.Errorf("aws ecr %s: got %s, want %s", step.arguments, compact(t, out), step.want)
		}
	}
	if calls := server.Calls(); calls["DescribeImages"] < 6+2+2 {
		t.Errorf("the page sizes did not show: %v", calls)
	}
}

func compact(t *testing.T, body []byte) string {
	t.Helper()
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
