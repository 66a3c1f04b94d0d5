package ecrtest_test

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tagline/reconcile/demo"
	"tagline/reconcile/ecr/ecrtest"
	"tagline/reconcile/oci/ocitest"
)

// DescribeImages returns one item per manifest, with what ECR knows about it.
func TestDescribeImages(t *testing.T) {
	server, client, digests := seeded(t, ecrtest.Options{})
	made := objects(t, "10.10")
	layer, statement, image, attestation, index := made[0], made[2], made[4], made[5], made[6]
	if err := server.SeedObjects(repository, "latest", noon(), index); err != nil {
		t.Fatal(err)
	}
	out, err := client.DescribeImages(t.Context(), &ecr.DescribeImagesInput{
		RepositoryName: aws.String(repository), ImageIds: byDigest(image.Digest.String(), attestation.Digest.String(), digests["10.10"]),
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		mediaType, artifact string
		size                int64
		tags                []string
	}{
		{ocispec.MediaTypeImageManifest, ocispec.MediaTypeImageConfig, layer.Size, nil},
		{ocispec.MediaTypeImageManifest, ocispec.MediaTypeImageConfig, statement.Size, nil},
		{ocispec.MediaTypeImageIndex, "", max(layer.Size, statement.Size), []string{"10.10", "latest"}},
	} {
		got := out.ImageDetails[i]
		if aws.ToString(got.ImageManifestMediaType) != want.mediaType || aws.ToString(got.ArtifactMediaType) != want.artifact ||
			aws.ToInt64(got.ImageSizeInBytes) != want.size || !slices.Equal(got.ImageTags, want.tags) ||
			!got.ImagePushedAt.Equal(noon().Add(-time.Hour)) || got.ImageStatus != types.ImageStatusActive || aws.ToString(got.RegistryId) != ecrtest.Account {
			t.Errorf("%d: got %+v, want %+v", i, got, want)
		}
	}

	twice := append(byTag("10.10", "latest"), byDigest(digests["10.10"])...)
	out, err = client.DescribeImages(t.Context(), &ecr.DescribeImagesInput{RepositoryName: aws.String(repository), ImageIds: twice})
	if err != nil || len(out.ImageDetails) != 1 {
		t.Errorf("an image by three ids: got %d items, %v", len(out.ImageDetails), err)
	}
}

// Pages of every size hold what the filter selects, each item once, even while
// images come and go.
func TestPaging(t *testing.T) {
	server, client, digests := seeded(t, ecrtest.Options{}) // 6 manifests, 2 of which are tagged
	if err := server.SetStatus(repository, digests["10.20"], types.ImageStatusArchived); err != nil {
		t.Fatal(err)
	}
	name := aws.String(repository)
	for _, tc := range []struct {
		filter types.DescribeImagesFilter
		want   int
	}{
		{types.DescribeImagesFilter{}, 5},
		{types.DescribeImagesFilter{ImageStatus: types.ImageStatusFilterAny}, 6},
		{types.DescribeImagesFilter{ImageStatus: types.ImageStatusFilterArchived}, 1},
		{types.DescribeImagesFilter{TagStatus: types.TagStatusTagged}, 1},
		{types.DescribeImagesFilter{TagStatus: types.TagStatusUntagged}, 4},
		{types.DescribeImagesFilter{TagStatus: types.TagStatusTagged, ImageStatus: types.ImageStatusFilterAny}, 2},
	} {
		for size := int32(1); size <= 6; size++ {
			t.Run(fmt.Sprintf("%s%s by %d", tc.filter.TagStatus, tc.filter.ImageStatus, size), func(t *testing.T) {
				described, listed := map[string]bool{}, map[string]bool{}
				pages := ecr.NewDescribeImagesPaginator(client, &ecr.DescribeImagesInput{RepositoryName: name, Filter: &tc.filter, MaxResults: &size})
				for pages.HasMorePages() {
					out, err := pages.NextPage(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					for _, d := range out.ImageDetails {
						if described[*d.ImageDigest] || len(out.ImageDetails) > int(size) {
							t.Errorf("%s again, or a page of %d", *d.ImageDigest, len(out.ImageDetails))
						}
						described[*d.ImageDigest] = true
					}
				}
				list := ecr.NewListImagesPaginator(client, &ecr.ListImagesInput{
					RepositoryName: name, MaxResults: &size, Filter: &types.ListImagesFilter{TagStatus: tc.filter.TagStatus, ImageStatus: tc.filter.ImageStatus},
				})
				for list.HasMorePages() {
					out, err := list.NextPage(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					for _, id := range out.ImageIds {
						listed[*id.ImageDigest] = true
					}
				}
				if len(described) != tc.want || !maps.Equal(described, listed) {
					t.Errorf("described %d, listed %d, want %d", len(described), len(listed), tc.want)
				}
			})
		}
	}

	one := aws.Int32(1)
	first, err := client.DescribeImages(t.Context(), &ecr.DescribeImagesInput{RepositoryName: name, MaxResults: one})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.ListImages(t.Context(), &ecr.ListImagesInput{RepositoryName: name, NextToken: first.NextToken})
	wantError(t, err, "InvalidParameterException", "Invalid next token provided")
	_, err = client.DescribeImages(t.Context(), &ecr.DescribeImagesInput{
		RepositoryName: name, NextToken: first.NextToken, Filter: &types.DescribeImagesFilter{TagStatus: types.TagStatusTagged},
	})
	wantError(t, err, "InvalidParameterException", "Invalid next token provided")

	if _, err := client.BatchDeleteImage(t.Context(), &ecr.BatchDeleteImageInput{RepositoryName: name, ImageIds: byTag("10.10")}); err != nil {
		t.Fatal(err)
	}
	rest, err := client.DescribeImages(t.Context(), &ecr.DescribeImagesInput{RepositoryName: name, NextToken: first.NextToken})
	if err != nil || len(rest.ImageDetails) != 3 { // 5 active, 1 already returned, 1 deleted
		t.Errorf("after a deletion: got %d more, %v, want 3", len(rest.ImageDetails), err)
	}
}

// An image with many tags spreads over pages.
func TestListImagesOfOneImage(t *testing.T) {
	server, client, _ := seeded(t, ecrtest.Options{})
	index := objects(t, "10.10")[6]
	for i := range 250 {
		if err := server.SeedObjects(repository, fmt.Sprintf("build-%d", i), noon(), index); err != nil {
			t.Fatal(err)
		}
	}
	tags := map[string]bool{}
	calls := 0
	pages := ecr.NewListImagesPaginator(client, &ecr.ListImagesInput{
		RepositoryName: aws.String(repository), Filter: &types.ListImagesFilter{TagStatus: types.TagStatusTagged},
	})
	for pages.HasMorePages() {
		out, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range out.ImageIds {
			tags[*id.ImageTag] = true
		}
		calls++
	}
	if len(tags) != 252 || calls != 3 || server.Calls()["ListImages"] != 3 {
		t.Errorf("got %d tags in %d pages, want 252 in 3", len(tags), calls)
	}
}

func TestBatchGetImage(t *testing.T) {
	server, client, digests := seeded(t, ecrtest.Options{})
	made := objects(t, "10.10")
	image, index := made[4], made[6]
	if err := server.SetStatus(repository, digests["10.20"], types.ImageStatusArchived); err != nil {
		t.Fatal(err)
	}
	manifests := []string{ocispec.MediaTypeImageManifest}
	for name, tc := range map[string]struct {
		id      types.ImageIdentifier
		accept  []string
		want    string // the answer
		failure types.ImageFailureCode
	}{
		"a digest":                     {byDigest(digests["10.10"])[0], nil, string(index.Body), ""},
		"a digest of another type":     {byDigest(digests["10.10"])[0], manifests, string(index.Body), ""},
		"a tag":                        {byTag("10.10")[0], nil, string(index.Body), ""},
		"a tag of an accepted type":    {byTag("10.10")[0], []string{ocispec.MediaTypeImageIndex}, string(index.Body), ""},
		"a tag of another type":        {byTag("10.10")[0], manifests, string(image.Body), ""},
		"a tag of a type of no image":  {byTag("10.10")[0], []string{"application/vnd.docker.distribution.manifest.v1+json"}, "", types.ImageFailureCodeImageNotFound},
		"a digest and its tag":         {types.ImageIdentifier{ImageTag: aws.String("10.10"), ImageDigest: aws.String(digests["10.10"])}, nil, string(index.Body), ""},
		"a digest and another's tag":   {types.ImageIdentifier{ImageTag: aws.String("10.10"), ImageDigest: aws.String(digests["10.20"])}, nil, "", types.ImageFailureCodeImageTagDoesNotMatchDigest},
		"a tag that does not exist":    {byTag("nope")[0], nil, "", types.ImageFailureCodeImageNotFound},
		"a digest that does not exist": {byDigest("sha256:00")[0], nil, "", types.ImageFailureCodeImageNotFound},
		"a digest that is none":        {byDigest("10.10")[0], nil, "", types.ImageFailureCodeInvalidImageDigest},
		"a tag that is none":           {byTag("a b")[0], nil, "", types.ImageFailureCodeInvalidImageTag},
		"neither":                      {types.ImageIdentifier{}, nil, "", types.ImageFailureCodeMissingDigestAndTag},
		"an archived image":            {byDigest(digests["10.20"])[0], nil, "", types.ImageFailureCodeImageNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := client.BatchGetImage(t.Context(), &ecr.BatchGetImageInput{
				RepositoryName: aws.String(repository), ImageIds: []types.ImageIdentifier{tc.id}, AcceptedMediaTypes: tc.accept,
			})
			switch {
			case err != nil:
				t.Fatal(err)
			case tc.failure != "":
				if len(out.Images) != 0 || len(out.Failures) != 1 || out.Failures[0].FailureCode != tc.failure {
					t.Errorf("got %d images, failures %+v; want %s", len(out.Images), out.Failures, tc.failure)
				}
			case len(out.Images) != 1 || len(out.Failures) != 0 || aws.ToString(out.Images[0].ImageManifest) != tc.want:
				t.Errorf("got %+v, failures %+v", out.Images, out.Failures)
			}
		})
	}
}

func TestBatchDeleteImage(t *testing.T) {
	made := objects(t, "10.10")
	image, attestation, index := made[4].Digest.String(), made[5].Digest.String(), made[6].Digest.String()
	held := "Requested image referenced by manifest list: [" + index + "]"
	for name, tc := range map[string]struct {
		ids      []types.ImageIdentifier
		tags     string // the remaining tags of 10.10 and latest, which are the index's, and of child, its image's
		left     int    // images left of 3
		failures []string
	}{
		"a tag":                       {byTag("10.10"), "child latest", 3, nil},
		"a tag and its digest":        {[]types.ImageIdentifier{{ImageTag: aws.String("latest"), ImageDigest: &index}}, "10.10 child", 3, nil},
		"a tag and another digest":    {[]types.ImageIdentifier{{ImageTag: aws.String("latest"), ImageDigest: &image}}, "10.10 child latest", 3, []string{"Requested image tag does not match the digest"}},
		"both tags":                   {byTag("10.10", "latest"), "child", 2, nil},
		"a digest":                    {byDigest(index), "child", 2, nil},
		"a child":                     {byDigest(attestation), "10.10 child latest", 3, []string{held}},
		"a child by its last tag":     {byTag("child"), "10.10 child latest", 3, []string{held}},
		"parent and children at once": {byDigest(index, image, attestation), "child", 2, []string{held, held}},
		"children first":              {byDigest(attestation, image, index), "child", 2, []string{held, held}},
		"what does not exist":         {byTag("nope"), "10.10 child latest", 3, []string{"Requested image not found"}},
		"nothing and something":       {append(byTag("10.10"), types.ImageIdentifier{}), "child latest", 3, []string{"Invalid request parameters: both tag and digest cannot be null"}},
	} {
		t.Run(name, func(t *testing.T) {
			server := serve(t, ecrtest.Options{})
			if err := server.CreateRepository(repository, types.ImageTagMutabilityImmutable); err != nil { // which prevents no deletion
				t.Fatal(err)
			}
			for _, seed := range []struct {
				tag     string
				objects []demo.Object
			}{{"child", made[:5]}, {"10.10", made}, {"latest", made[6:]}} {
				if err := server.SeedObjects(repository, seed.tag, noon(), seed.objects...); err != nil {
					t.Fatal(err)
				}
			}
			client := connect(t, server)
			out, err := client.BatchDeleteImage(t.Context(), &ecr.BatchDeleteImageInput{RepositoryName: aws.String(repository), ImageIds: tc.ids})
			if err != nil {
				t.Fatal(err)
			}
			var failures []string
			for _, failure := range out.Failures {
				failures = append(failures, *failure.FailureReason)
			}
			if !slices.Equal(failures, tc.failures) {
				t.Errorf("got failures %q, want %q", failures, tc.failures)
			}
			if got := strings.Join(slices.Sorted(maps.Keys(server.Tags(repository))), " "); got != tc.tags {
				t.Errorf("left tags %s, want %s", got, tc.tags)
			}
			left, err := client.DescribeImages(t.Context(), &ecr.DescribeImagesInput{RepositoryName: aws.String(repository)})
			if err != nil || len(left.ImageDetails) != tc.left {
				t.Errorf("left %d images, %v, want %d", len(left.ImageDetails), err, tc.left)
			}
		})
	}
}

// Once the index is gone, a second call can delete its children.
func TestChildrenAfterParents(t *testing.T) {
	_, client, digests := seeded(t, ecrtest.Options{})
	made := objects(t, "10.10")
	for _, ids := range [][]types.ImageIdentifier{
		byDigest(digests["10.10"]),
		byDigest(made[4].Digest.String(), made[5].Digest.String()),
	} {
		out, err := client.BatchDeleteImage(t.Context(), &ecr.BatchDeleteImageInput{RepositoryName: aws.String(repository), ImageIds: ids})
		if err != nil || len(out.Failures) != 0 || len(out.ImageIds) != len(ids) {
			t.Errorf("got %+v, %v", out, err)
		}
	}
	_, err := client.GetDownloadUrlForLayer(t.Context(), &ecr.GetDownloadUrlForLayerInput{
		RepositoryName: aws.String(repository), LayerDigest: aws.String(made[2].Digest.String()),
	})
	wantError(t, err, "LayerInaccessibleException", "not associated with an image")
}

// The setting and its filters decide which tags can be moved. The first push of
// a tag always works.
func TestMutability(t *testing.T) {
	moved := objects(t, "10.20")
	for _, tc := range []struct {
		setting  types.ImageTagMutability
		patterns []string
		movable  string // which of "10" and "10.1-rc" can be moved
	}{
		{types.ImageTagMutabilityMutable, nil, "10 10.1-rc"},
		{"", nil, "10 10.1-rc"},
		{types.ImageTagMutabilityImmutable, nil, ""},
		{types.ImageTagMutabilityImmutableWithExclusion, []string{"10"}, "10"},
		{types.ImageTagMutabilityImmutableWithExclusion, []string{"x", "*-rc"}, "10.1-rc"},
		{types.ImageTagMutabilityImmutableWithExclusion, []string{"10*"}, "10 10.1-rc"},
		{types.ImageTagMutabilityMutableWithExclusion, []string{"1*.*c"}, "10"},
	} {
		t.Run(fmt.Sprintf("%s %s", tc.setting, tc.patterns), func(t *testing.T) {
			server := serve(t, ecrtest.Options{})
			if err := server.CreateRepository(repository, tc.setting, tc.patterns...); err != nil {
				t.Fatal(err)
			}
			client := connect(t, server)
			var movable []string
			for _, tag := range []string{"10", "10.1-rc"} {
				if err := server.SeedObjects(repository, tag, noon(), objects(t, "10.10")...); err != nil {
					t.Fatal(err)
				}
				if err := server.SeedObjects(repository, "", noon(), moved...); err != nil {
					t.Fatal(err)
				}
				_, err := client.PutImage(t.Context(), &ecr.PutImageInput{
					RepositoryName: aws.String(repository), ImageTag: aws.String(tag), ImageManifest: aws.String(string(moved[6].Body)),
				})
				if err == nil && server.Tags(repository)[tag] == moved[6].Digest.String() {
					movable = append(movable, tag)
				} else {
					wantError(t, err, "ImageTagAlreadyExistsException", tag)
				}
			}
			if got := strings.Join(movable, " "); got != tc.movable {
				t.Errorf("moved %q, want %q", got, tc.movable)
			}
		})
	}
}

// An archived image is described only if the filter asks for it, and a push
// restores it.
func TestArchive(t *testing.T) {
	server, client, digests := seeded(t, ecrtest.Options{})
	if err := server.SetStatus(repository, digests["10.10"], types.ImageStatusArchived); err != nil {
		t.Fatal(err)
	}
	in := &ecr.DescribeImagesInput{RepositoryName: aws.String(repository), ImageIds: byTag("10.10")}
	_, err := client.DescribeImages(t.Context(), in)
	wantError(t, err, "ImageNotFoundException", "10.10")
	in.Filter = &types.DescribeImagesFilter{ImageStatus: types.ImageStatusFilterAny}
	out, err := client.DescribeImages(t.Context(), in)
	if err != nil || out.ImageDetails[0].ImageStatus != types.ImageStatusArchived || !out.ImageDetails[0].LastArchivedAt.Equal(noon()) {
		t.Errorf("got %+v, %v", out, err)
	}
	if _, err := client.PutImage(t.Context(), &ecr.PutImageInput{
		RepositoryName: aws.String(repository), ImageTag: aws.String("10.10"), ImageManifest: aws.String(string(objects(t, "10.10")[6].Body)),
	}); err != nil {
		t.Fatal(err)
	}
	out, err = client.DescribeImages(t.Context(), &ecr.DescribeImagesInput{RepositoryName: aws.String(repository), ImageIds: byTag("10.10")})
	if err != nil || out.ImageDetails[0].ImageStatus != types.ImageStatusActive || !out.ImageDetails[0].LastActivatedAt.Equal(noon()) {
		t.Errorf("got %+v, %v", out, err)
	}
	if err := server.SetStatus(repository, digests["10.20"], types.ImageStatusActive); err != nil {
		t.Fatal(err)
	}
}

func TestReferrers(t *testing.T) {
	server, client, _ := seeded(t, ecrtest.Options{})
	signed, err := demo.Image{Tag: "10.30", Platforms: []string{"linux/amd64"}, Provenance: true, Artifact: true}.Objects()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.SeedObjects(repository, "10.30", noon(), signed...); err != nil {
		t.Fatal(err)
	}
	subject, attestation := signed[len(signed)-3], signed[len(signed)-2]
	list := func(filter types.ListImageReferrersFilter) []types.ImageReferrer {
		out, err := client.ListImageReferrers(t.Context(), &ecr.ListImageReferrersInput{
			RepositoryName: aws.String(repository), SubjectId: &types.SubjectIdentifier{ImageDigest: aws.String(subject.Digest.String())}, Filter: &filter,
		})
		if err != nil {
			t.Fatal(err)
		}
		return out.Referrers
	}
	if got := list(types.ListImageReferrersFilter{}); len(got) != 1 || *got[0].Digest != attestation.Digest.String() || *got[0].Size != attestation.Size ||
		*got[0].ArtifactType != "application/vnd.docker.attestation.manifest.v1+json" || *got[0].MediaType != ocispec.MediaTypeImageManifest {
		t.Errorf("got %+v, want %s", got, attestation.Digest)
	}
	if got := list(types.ListImageReferrersFilter{ArtifactTypes: []string{"application/spdx+json"}}); len(got) != 0 {
		t.Errorf("got %+v, want none", got)
	}
	if got := list(types.ListImageReferrersFilter{ArtifactStatus: types.ArtifactStatusFilterArchived}); len(got) != 0 {
		t.Errorf("got %+v, want none", got)
	}
	out, err := client.DescribeImages(t.Context(), &ecr.DescribeImagesInput{RepositoryName: aws.String(repository), ImageIds: byDigest(attestation.Digest.String())})
	if err != nil || aws.ToString(out.ImageDetails[0].SubjectManifestDigest) != subject.Digest.String() {
		t.Errorf("got %+v, %v", out, err)
	}
}

// In a full repository of 100,000 images, every page costs the same, and memory
// is bounded. Without [ocitest.All], the repository has a tenth of that.
func TestFullRepository(t *testing.T) {
	t.Parallel()
	images := 10_000
	if ocitest.All() {
		images = 100_000
	}
	server := serve(t, ecrtest.Options{})
	image := objects(t, "10.10")[:5]
	if err := server.SeedObjects(repository, "", noon(), image[:2]...); err != nil {
		t.Fatal(err)
	}
	manifest := strings.TrimSuffix(string(image[4].Body), "\n}")
	for i := range images {
		body := fmt.Appendf(nil, "%s,\n  \"annotations\": {\"build\": \"%d\"}\n}", manifest, i)
		if err := server.SeedObjects(repository, fmt.Sprintf("build-%d", i), noon(), manifestObject(body)); err != nil {
			t.Fatal(err)
		}
	}
	client := connect(t, server)
	begin, seen := time.Now(), 0
	pages := ecr.NewDescribeImagesPaginator(client, &ecr.DescribeImagesInput{RepositoryName: aws.String(repository), MaxResults: aws.Int32(1000)})
	for pages.HasMorePages() {
		out, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		seen += len(out.ImageDetails)
	}
	var memory runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&memory)
	t.Logf("%d images in %d calls, %v, %d MB", seen, server.Calls()["DescribeImages"], time.Since(begin).Round(time.Millisecond), memory.HeapAlloc>>20)
	if seen != images || server.Calls()["DescribeImages"] != images/1000 || memory.HeapAlloc > 200<<20 {
		t.Errorf("got %d images in %d calls with %d MB", seen, server.Calls()["DescribeImages"], memory.HeapAlloc>>20)
	}
}
