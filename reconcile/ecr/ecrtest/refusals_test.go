package ecrtest_test

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tagline/reconcile/demo"
	"tagline/reconcile/ecr/ecrtest"
)

// A refusal leaves the registry unchanged, so all cases use one registry.
func TestRefusals(t *testing.T) {
	const foreign, stranger = "210987654321", "999999999999"
	server, client, digests := seeded(t, ecrtest.Options{ForeignAccounts: []string{foreign}, MaxImages: 8, MaxTags: 1})
	if err := server.CreateRepository("fixed", types.ImageTagMutabilityImmutableWithExclusion, "10*"); err != nil {
		t.Fatal(err)
	}
	for tag, image := range map[string]string{"9": "9", "10": "10"} {
		if err := server.SeedObjects("fixed", tag, noon(), objects(t, image)...); err != nil {
			t.Fatal(err)
		}
	}
	name, index := aws.String(repository), digests["10.10"]
	body := objects(t, "10.10")[6].Body
	const absent = "sha256:0000000000000000000000000000000000000000000000000000000000000000"

	put := func(change func(*ecr.PutImageInput)) func(context.Context) error {
		return func(ctx context.Context) error {
			in := &ecr.PutImageInput{RepositoryName: name, ImageManifest: aws.String(string(body)), ImageTag: aws.String("new")}
			change(in)
			_, err := client.PutImage(ctx, in)
			return err
		}
	}
	describe := func(in ecr.DescribeImagesInput) func(context.Context) error {
		return func(ctx context.Context) error {
			in.RepositoryName = name
			_, err := client.DescribeImages(ctx, &in)
			return err
		}
	}
	repositories := func(in ecr.DescribeRepositoriesInput) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := client.DescribeRepositories(ctx, &in)
			return err
		}
	}
	mutability := func(setting types.ImageTagMutability, patterns ...string) func(context.Context) error {
		return func(ctx context.Context) error {
			in := &ecr.PutImageTagMutabilityInput{RepositoryName: name, ImageTagMutability: setting}
			for _, pattern := range patterns {
				in.ImageTagMutabilityExclusionFilters = append(in.ImageTagMutabilityExclusionFilters, types.ImageTagMutabilityExclusionFilter{
					Filter: aws.String(pattern), FilterType: types.ImageTagMutabilityExclusionFilterTypeWildcard,
				})
			}
			_, err := client.PutImageTagMutability(ctx, in)
			return err
		}
	}
	create := func(repository string) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := client.CreateRepository(ctx, &ecr.CreateRepositoryInput{RepositoryName: aws.String(repository)})
			return err
		}
	}
	many := func(n int) []types.ImageIdentifier { return byTag(strings.Fields(strings.Repeat("a ", n))...) }

	for name, tc := range map[string]struct {
		call func(context.Context) error
		code string
		text string
	}{
		"create a repository twice":          {create(repository), "RepositoryAlreadyExistsException", "'my-image' already exists"},
		"create a repository in capitals":    {create("My-Image"), "InvalidParameterException", "repositoryName"},
		"create a repository of one letter":  {create("a"), "InvalidParameterException", "repositoryName"},
		"a repository that is missing":       {repositories(ecr.DescribeRepositoriesInput{RepositoryNames: []string{repository, "nope"}}), "RepositoryNotFoundException", "'nope' does not exist in the registry with id '123456789012'"},
		"a registry without the repository":  {describe(ecr.DescribeImagesInput{RegistryId: aws.String(stranger)}), "RepositoryNotFoundException", "in the registry with id '999999999999'"},
		"a registry that grants nothing":     {describe(ecr.DescribeImagesInput{RegistryId: aws.String(foreign)}), "AccessDeniedException", "ecr:DescribeImages on resource: arn:aws:ecr:eu-central-1:210987654321:repository/my-image because no resource-based policy"},
		"a registry id that is none":         {describe(ecr.DescribeImagesInput{RegistryId: aws.String("12")}), "InvalidParameterException", "registryId"},
		"101 repository names":               {repositories(ecr.DescribeRepositoriesInput{RepositoryNames: strings.Fields(strings.Repeat("aa ", 101))}), "InvalidParameterException", "less than or equal to 100"},
		"names and a page":                   {repositories(ecr.DescribeRepositoriesInput{RepositoryNames: []string{repository}, MaxResults: aws.Int32(1)}), "InvalidParameterException", "repositoryNames"},
		"a page of 1,001 repositories":       {repositories(ecr.DescribeRepositoriesInput{MaxResults: aws.Int32(1001)}), "InvalidParameterException", "'Member must have value less than or equal to 1000'"},
		"a page of 0 repositories":           {repositories(ecr.DescribeRepositoriesInput{MaxResults: aws.Int32(0)}), "InvalidParameterException", "maxResults"},
		"a token that is none":               {repositories(ecr.DescribeRepositoriesInput{NextToken: aws.String("?")}), "InvalidParameterException", "Invalid next token provided"},
		"no filter to exclude":               {mutability(types.ImageTagMutabilityImmutableWithExclusion), "InvalidParameterException", "ExclusionFilters"},
		"six filters":                        {mutability(types.ImageTagMutabilityMutableWithExclusion, "1*", "2*", "3*", "4*", "5*", "6*"), "InvalidParameterException", "less than or equal to 5"},
		"a filter that is no pattern":        {mutability(types.ImageTagMutabilityMutableWithExclusion, "[a-z]"), "InvalidParameterException", "ExclusionFilters"},
		"a filter with nothing to exclude":   {mutability(types.ImageTagMutabilityImmutable, "10*"), "InvalidParameterException", "ExclusionFilters"},
		"a mutability that is none":          {mutability("SOLID"), "InvalidParameterException", "enum"},
		"101 image ids to describe":          {describe(ecr.DescribeImagesInput{ImageIds: many(101)}), "InvalidParameterException", "imageIds"},
		"a page of 1,001 images":             {describe(ecr.DescribeImagesInput{MaxResults: aws.Int32(1001)}), "InvalidParameterException", "maxResults"},
		"image ids and a page":               {describe(ecr.DescribeImagesInput{ImageIds: many(1), MaxResults: aws.Int32(1)}), "InvalidParameterException", "imageIds"},
		"a tag to describe that is missing":  {describe(ecr.DescribeImagesInput{ImageIds: byTag("10.10", "nope")}), "ImageNotFoundException", "{imageDigest:'null', imageTag:'nope'}"},
		"an id of nothing":                   {describe(ecr.DescribeImagesInput{ImageIds: []types.ImageIdentifier{{}}}), "InvalidParameterException", "cannot be null"},
		"an image status that is none":       {describe(ecr.DescribeImagesInput{Filter: &types.DescribeImagesFilter{ImageStatus: "FROZEN"}}), "InvalidParameterException", "imageStatus"},
		"a tag status that is none":          {describe(ecr.DescribeImagesInput{Filter: &types.DescribeImagesFilter{TagStatus: "SOME"}}), "InvalidParameterException", "tagStatus"},
		"push what is there":                 {put(func(in *ecr.PutImageInput) { in.ImageTag = aws.String("10.10") }), "ImageAlreadyExistsException", index},
		"push what is there without a tag":   {put(func(in *ecr.PutImageInput) { in.ImageTag = nil }), "ImageAlreadyExistsException", index},
		"push another digest":                {put(func(in *ecr.PutImageInput) { in.ImageDigest = aws.String(absent) }), "ImageDigestDoesNotMatchException", index},
		"push no JSON":                       {put(func(in *ecr.PutImageInput) { in.ImageManifest = aws.String("{") }), "InvalidParameterException", "Invalid JSON syntax"},
		"push more than 4 MiB":               {put(func(in *ecr.PutImageInput) { in.ImageManifest = aws.String(string(body) + strings.Repeat(" ", 4<<20)) }), "InvalidParameterException", "between 1 and 4194304"},
		"push a tag with a slash":            {put(func(in *ecr.PutImageInput) { in.ImageTag = aws.String("a/b") }), "InvalidParameterException", "imageTag"},
		"push without a media type":          {put(func(in *ecr.PutImageInput) { in.ImageManifest = aws.String(`{"schemaVersion":2}`) }), "InvalidParameterException", "imageManifestMediaType"},
		"push with another media type":       {put(func(in *ecr.PutImageInput) { in.ImageManifestMediaType = aws.String(ocispec.MediaTypeImageManifest) }), "InvalidParameterException", "imageManifestMediaType"},
		"push to a repository that is not":   {put(func(in *ecr.PutImageInput) { in.RepositoryName = aws.String("nope") }), "RepositoryNotFoundException", "'nope'"},
		"push an index without its children": {put(func(in *ecr.PutImageInput) { in.ImageManifest = aws.String(string(objects(t, "1.0")[6].Body)) }), "ReferencedImagesNotFoundException", "required for pushing image into repository with name 'my-image'"},
		"push an image without its layers":   {put(func(in *ecr.PutImageInput) { in.ImageManifest = aws.String(string(objects(t, "1.0")[4].Body)) }), "LayersNotFoundException", "required for pushing image"},
		"push a second tag of one allowed":   {put(func(*ecr.PutImageInput) {}), "LimitExceededException", "which is '1'"},
		"move a tag that is immutable": {put(func(in *ecr.PutImageInput) {
			in.RepositoryName, in.ImageTag, in.ImageManifest = aws.String("fixed"), aws.String("9"), aws.String(string(objects(t, "10")[6].Body))
		}), "ImageTagAlreadyExistsException", "The image tag '9' already exists in the 'fixed' repository"},
		"get 101 images": {func(ctx context.Context) error {
			_, err := client.BatchGetImage(ctx, &ecr.BatchGetImageInput{RepositoryName: name, ImageIds: many(101)})
			return err
		}, "InvalidParameterException", "imageIds"},
		"delete no images": {func(ctx context.Context) error {
			_, err := client.BatchDeleteImage(ctx, &ecr.BatchDeleteImageInput{RepositoryName: name, ImageIds: []types.ImageIdentifier{}})
			return err
		}, "InvalidParameterException", "greater than or equal to 1"},
		"no lifecycle policy": {func(ctx context.Context) error {
			_, err := client.GetLifecyclePolicy(ctx, &ecr.GetLifecyclePolicyInput{RepositoryName: name})
			return err
		}, "LifecyclePolicyNotFoundException", "'my-image'"},
		"a lifecycle policy that is none": {func(ctx context.Context) error {
			_, err := client.PutLifecyclePolicy(ctx, &ecr.PutLifecyclePolicyInput{RepositoryName: name, LifecyclePolicyText: aws.String("{}")})
			return err
		}, "InvalidParameterException", "LifecyclePolicyText"},
		"a layer that is missing": {func(ctx context.Context) error {
			_, err := client.GetDownloadUrlForLayer(ctx, &ecr.GetDownloadUrlForLayerInput{RepositoryName: name, LayerDigest: aws.String(absent)})
			return err
		}, "LayersNotFoundException", absent},
		"51 referrers a page": {func(ctx context.Context) error {
			_, err := client.ListImageReferrers(ctx, &ecr.ListImageReferrersInput{
				RepositoryName: name, SubjectId: &types.SubjectIdentifier{ImageDigest: aws.String(index)}, MaxResults: aws.Int32(51),
			})
			return err
		}, "InvalidParameterException", "less than or equal to 50"},
		"referrers of a tag": {func(ctx context.Context) error {
			_, err := client.ListImageReferrers(ctx, &ecr.ListImageReferrersInput{
				RepositoryName: name, SubjectId: &types.SubjectIdentifier{ImageDigest: aws.String("10")},
			})
			return err
		}, "InvalidParameterException", "subjectId"},
		"an operation that is not emulated": {func(ctx context.Context) error {
			_, err := client.DescribeRegistry(ctx, &ecr.DescribeRegistryInput{})
			return err
		}, "UnknownOperationException", ""},
	} {
		t.Run(name, func(t *testing.T) { wantError(t, tc.call(t.Context()), tc.code, tc.text) })
	}

	t.Run("push one image too many", func(t *testing.T) {
		third := objects(t, "10.30")
		if err := server.SeedObjects(repository, "", noon(), third[:6]...); err != nil { // 8 of 8
			t.Fatal(err)
		}
		err := put(func(in *ecr.PutImageInput) { in.ImageManifest = aws.String(string(third[6].Body)) })(t.Context())
		wantError(t, err, "LimitExceededException", "already has the maximum allowed number of images which is '8'")
	})
}

// The signature must be one for ECR in this region.
func TestSignature(t *testing.T) {
	server, _, _ := seeded(t, ecrtest.Options{})
	for name, tc := range map[string]struct {
		change func(*ecr.Options)
		code   string
		text   string
	}{
		"another region":  {func(o *ecr.Options) { o.Region = "us-west-2" }, "InvalidSignatureException", "not 'us-west-2'"},
		"anonymous":       {func(o *ecr.Options) { o.Credentials = aws.AnonymousCredentials{} }, "MissingAuthenticationTokenException", ""},
		"no access key":   {func(o *ecr.Options) { o.Credentials = credentials("/") }, "IncompleteSignatureException", ""},
		"true to the end": {func(*ecr.Options) {}, "RepositoryNotFoundException", "'nope'"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := connect(t, server, tc.change).DescribeImages(t.Context(), &ecr.DescribeImagesInput{RepositoryName: aws.String("nope")})
			wantError(t, err, tc.code, tc.text)
		})
	}
}

// Seeding is a push: it accepts only what AWS would.
func TestSeedingIsChecked(t *testing.T) {
	registry := ecrtest.New(ecrtest.Options{})
	if err := registry.SeedObjects(repository, "10", noon(), objects(t, "10")[6]); err == nil {
		t.Error("an index without children was taken")
	}
	if _, err := registry.Seed(repository, noon(), demo.Image{Tag: "10"}); err == nil {
		t.Error("an image without platforms was taken")
	}
	if err := registry.SeedObjects("A", "10", noon()); err == nil {
		t.Error("a name in capitals was taken")
	}
	if err := registry.SetStatus(repository, "sha256:0", types.ImageStatusArchived); err == nil {
		t.Error("an image that does not exist was archived")
	}
	if err := registry.SetStatus("nope", "sha256:0", types.ImageStatusArchived); err == nil {
		t.Error("an image of no repository was archived")
	}
}
