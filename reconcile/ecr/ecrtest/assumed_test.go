package ecrtest_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tagline/reconcile/demo"
	"tagline/reconcile/ecr/ecrtest"
)

// subject is an ECR to check an assumption on: the emulator or AWS.
type subject struct {
	api        *ecr.Client
	host       string // speaks the OCI protocol
	registry   *string
	repository *string
	unique     string // prefix of tags that no other test uses
}

// push pushes an image over /v2/, and returns its objects in the order of
// [objects].
func (s subject) push(t *testing.T, image demo.Image) []demo.Object {
	t.Helper()
	token, err := s.api.GetAuthorizationToken(t.Context(), &ecr.GetAuthorizationTokenInput{})
	if err != nil {
		t.Fatal(err)
	}
	password, err := base64.StdEncoding.DecodeString(*token.AuthorizationData[0].AuthorizationToken)
	if err != nil {
		t.Fatal(err)
	}
	objects, err := image.Objects()
	if err != nil {
		t.Fatal(err)
	}
	login := remote.WithAuth(&authn.Basic{Username: "AWS", Password: strings.TrimPrefix(string(password), "AWS:")})
	if err := demo.PushObjects(t.Context(), s.host, *s.repository, image.Tag, objects, login); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // parents first; a refusal in the answer means that the test has deleted it
		for _, o := range slices.Backward(objects) {
			_, _ = s.api.BatchDeleteImage(t.Context(), &ecr.BatchDeleteImageInput{
				RegistryId: s.registry, RepositoryName: s.repository, ImageIds: byDigest(o.Digest.String()),
			})
		}
	})
	return objects
}

func (s subject) delete(t *testing.T, ids ...types.ImageIdentifier) []types.ImageFailure {
	t.Helper()
	out, err := s.api.BatchDeleteImage(t.Context(), &ecr.BatchDeleteImageInput{RegistryId: s.registry, RepositoryName: s.repository, ImageIds: ids})
	if err != nil {
		t.Fatal(err)
	}
	return out.Failures
}

// describe returns the digest of each image in the answer.
func (s subject) describe(t *testing.T, ids ...types.ImageIdentifier) ([]string, error) {
	t.Helper()
	out, err := s.api.DescribeImages(t.Context(), &ecr.DescribeImagesInput{
		RegistryId: s.registry, RepositoryName: s.repository, ImageIds: ids,
		Filter: &types.DescribeImagesFilter{ImageStatus: types.ImageStatusFilterAny},
	})
	if err != nil {
		return nil, err
	}
	var digests []string
	for _, d := range out.ImageDetails {
		digests = append(digests, *d.ImageDigest)
	}
	return digests, nil
}

// retag adds a tag to an image.
func (s subject) retag(t *testing.T, o demo.Object, tag string) error {
	t.Helper()
	_, err := s.api.PutImage(t.Context(), &ecr.PutImageInput{
		RegistryId: s.registry, RepositoryName: s.repository, ImageManifest: aws.String(string(o.Body)),
		ImageManifestMediaType: &o.MediaType, ImageDigest: aws.String(o.Digest.String()), ImageTag: &tag,
	})
	return err
}

func (s subject) image() demo.Image {
	return demo.Image{Tag: s.unique, Platforms: []string{"linux/amd64"}, Provenance: true}
}

// wantFailures wants these codes, in any order.
func wantFailures(t *testing.T, failures []types.ImageFailure, want ...types.ImageFailureCode) {
	t.Helper()
	var got []types.ImageFailureCode
	for _, f := range failures {
		got = append(got, f.FailureCode)
	}
	slices.Sort(got)
	if slices.Sort(want); !slices.Equal(got, want) {
		t.Errorf("failures are %v, want %v", got, want)
	}
}

// assumptions are what tagline's client relies on and no page of AWS states.
// They must always hold for the emulator.
var assumptions = []struct {
	name string
	test func(*testing.T, subject)
}{
	{"an image asked for by tag and by digest is described once", func(t *testing.T, s subject) {
		top := s.push(t, s.image())[6].Digest.String()
		got, err := s.describe(t, types.ImageIdentifier{ImageTag: &s.unique}, types.ImageIdentifier{ImageDigest: &top})
		if err != nil || !slices.Equal(got, []string{top}) {
			t.Errorf("got %v, %v; want %s once", got, err, top)
		}
	}},
	{"an image pushed again under its tag already exists", func(t *testing.T, s subject) {
		index := s.push(t, s.image())[6]
		var exists *types.ImageAlreadyExistsException
		if err := s.retag(t, index, s.unique); !errors.As(err, &exists) {
			t.Errorf("got %v", err)
		}
	}},
	{"a manifest fetched by digest is the very one, whatever it is", func(t *testing.T, s subject) {
		for _, o := range s.push(t, s.image())[4:] {
			out, err := s.api.BatchGetImage(t.Context(), &ecr.BatchGetImageInput{
				RegistryId: s.registry, RepositoryName: s.repository, ImageIds: byDigest(o.Digest.String()),
				AcceptedMediaTypes: []string{ocispec.MediaTypeImageIndex, ocispec.MediaTypeImageManifest},
			})
			if err != nil || len(out.Images) != 1 || *out.Images[0].ImageManifest != string(o.Body) {
				t.Errorf("%s: got %+v, %v", o.Digest, out, err)
			}
		}
	}},
	{"a tag that does not exist fails alone in BatchGetImage", func(t *testing.T, s subject) {
		s.push(t, s.image())
		out, err := s.api.BatchGetImage(t.Context(), &ecr.BatchGetImageInput{
			RegistryId: s.registry, RepositoryName: s.repository, ImageIds: byTag(s.unique, s.unique+"-none"),
		})
		if err != nil || len(out.Images) != 1 {
			t.Fatalf("got %+v, %v", out, err)
		}
		wantFailures(t, out.Failures, types.ImageFailureCodeImageNotFound)
	}},
	{"a child that goes with its index in one call is still referenced", func(t *testing.T, s subject) {
		o := s.push(t, s.image())
		wantFailures(t, s.delete(t, byDigest(o[6].Digest.String(), o[5].Digest.String())...), types.ImageFailureCodeImageReferencedByManifestList)
	}},
	{"a child can go once its index is gone", func(t *testing.T, s subject) {
		o := s.push(t, s.image())
		wantFailures(t, s.delete(t, byDigest(o[6].Digest.String())...))
		wantFailures(t, s.delete(t, byDigest(o[5].Digest.String(), o[4].Digest.String())...))
	}},
	{"a digest with a tag is a condition, and removes the tag alone", func(t *testing.T, s subject) {
		o := s.push(t, s.image())
		top, second := o[6].Digest.String(), s.unique+"-second"
		if err := s.retag(t, o[6], second); err != nil {
			t.Fatal(err)
		}
		child := o[5].Digest.String()
		wantFailures(t, s.delete(t, types.ImageIdentifier{ImageDigest: &child, ImageTag: &second}), types.ImageFailureCodeImageTagDoesNotMatchDigest)
		wantFailures(t, s.delete(t, types.ImageIdentifier{ImageDigest: &top, ImageTag: &second}))
		if got, err := s.describe(t, byTag(s.unique)...); err != nil || !slices.Equal(got, []string{top}) {
			t.Errorf("got %v, %v; want that the other tag is left", got, err)
		}
	}},
	{"the last tag takes the image with it", func(t *testing.T, s subject) {
		top := s.push(t, s.image())[6].Digest.String()
		wantFailures(t, s.delete(t, byTag(s.unique)...))
		var gone *types.ImageNotFoundException
		if got, err := s.describe(t, byDigest(top)...); !errors.As(err, &gone) {
			t.Errorf("got %v, %v", got, err)
		}
	}},
	{"an attestation can go before the image that is its subject, and after", func(t *testing.T, s subject) {
		image := s.image()
		image.Artifact = true
		o := s.push(t, image)
		wantFailures(t, s.delete(t, byDigest(o[6].Digest.String())...))
		wantFailures(t, s.delete(t, byDigest(o[4].Digest.String())...))
		wantFailures(t, s.delete(t, byDigest(o[5].Digest.String())...))
	}},
	{"a registry of an account that does not exist has no such repository", func(t *testing.T, s subject) {
		_, err := s.api.DescribeImages(t.Context(), &ecr.DescribeImagesInput{RegistryId: aws.String("000000000000"), RepositoryName: s.repository})
		var refused smithy.APIError
		if !errors.As(err, &refused) || refused.ErrorCode() != "RepositoryNotFoundException" && refused.ErrorCode() != "AccessDeniedException" {
			t.Errorf("got %v", err)
		}
	}},
	{"a signature for another region is refused", func(t *testing.T, s subject) {
		_, err := s.api.DescribeRepositories(t.Context(), &ecr.DescribeRepositoriesInput{}, func(o *ecr.Options) {
			o.BaseEndpoint = aws.String("https://api.ecr." + o.Region + ".amazonaws.com")
			if strings.HasPrefix(s.host, "127.") {
				o.BaseEndpoint = aws.String("http://" + s.host)
			}
			o.Region = "eu-north-1"
		})
		var refused smithy.APIError
		if !errors.As(err, &refused) || refused.ErrorCode() != "InvalidSignatureException" {
			t.Errorf("got %v", err)
		}
	}},
}

func TestAssumed(t *testing.T) {
	for i, a := range assumptions {
		unique := fmt.Sprintf("assumed-%d-%d", time.Now().Unix(), i)
		t.Run(a.name, func(t *testing.T) {
			t.Run("emulator", func(t *testing.T) {
				server := serve(t, ecrtest.Options{})
				if err := server.CreateRepository(repository, types.ImageTagMutabilityMutable); err != nil {
					t.Fatal(err)
				}
				a.test(t, subject{connect(t, server), server.Host, nil, aws.String(repository), unique})
			})
			t.Run("AWS", func(t *testing.T) {
				live := os.Getenv("TAGLINE_LIVE_ECR")
				if live == "" {
					t.Skip("no TAGLINE_LIVE_ECR=ACCOUNT.dkr.ecr.REGION.amazonaws.com/REPOSITORY to hold this against")
				}
				host, name, _ := strings.Cut(live, "/")
				parts := strings.Split(host, ".")
				if len(parts) < 6 {
					t.Fatalf("TAGLINE_LIVE_ECR %q is not ACCOUNT.dkr.ecr.REGION.amazonaws.com/REPOSITORY", live)
				}
				cfg, err := awsconfig.LoadDefaultConfig(t.Context(), awsconfig.WithRegion(parts[3]))
				if err != nil {
					t.Fatal(err)
				}
				a.test(t, subject{ecr.NewFromConfig(cfg), host, &parts[0], &name, unique})
			})
		})
	}
}
