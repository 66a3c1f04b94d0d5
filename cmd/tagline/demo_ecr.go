package main

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"tagline/config"
	"tagline/policies"
	"tagline/reconcile/demo"
	"tagline/reconcile/ecr/ecrtest"
)

// ecrImages is the images.yaml of the demo on ECR.
const ecrImages = `policies:
  provenance: purge
  untagged: delete
images:
  my-image:
    aliases:
      10: {amd64: 10.10, arm64: 10.20}
`

// demoECR is the demo on an Amazon ECR in memory: where the untagged images come
// from, and how they go away.
func (a *app) demoECR(ctx context.Context, keep bool) (err error) {
	registry, err := ecrtest.Start(ecrtest.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, registry.Close()) }()
	// Two releases, days old, the second one built and pushed twice.
	releases := demo.Samples()
	again := releases[1]
	again.Build++
	if _, err := registry.Seed(demo.SampleRepository, time.Now().Add(-48*time.Hour), append(releases, again)...); err != nil {
		return err
	}
	environment := []struct{ name, value string }{
		{"AWS_ENDPOINT_URL_ECR", registry.URL},
		{"AWS_ACCESS_KEY_ID", "demo"}, {"AWS_SECRET_ACCESS_KEY", "demo"}, {"AWS_SESSION_TOKEN", ""}, {"AWS_PROFILE", ""},
		{"AWS_CONFIG_FILE", os.DevNull}, {"AWS_SHARED_CREDENTIALS_FILE", os.DevNull},
	}
	for _, variable := range environment {
		if err := os.Setenv(variable.name, variable.value); err != nil {
			return err
		}
	}
	host := ecrtest.Account + ".dkr.ecr." + ecrtest.Region + ".amazonaws.com"
	cfg, err := config.Parse("images.yaml", []byte(ecrImages), config.Options{Registry: host, Policies: policies.Keys()})
	if err != nil {
		return err
	}

	a.say("An Amazon ECR in memory, with two releases as docker buildx pushes them, the")
	a.say("second one pushed twice. What the AWS API lists, the smallest being what BuildKit")
	a.say("attests, 0.01 MB each in real life:")
	if err := a.listECR(ctx); err != nil {
		return err
	}
	a.say("\nimages.yaml:")
	for line := range strings.Lines(ecrImages) {
		a.say("  %s", strings.TrimRight(line, "\n"))
	}
	if err := a.threeRuns(ctx, cfg.Images); err != nil {
		return err
	}
	a.say("\nWhat the AWS API lists now:")
	if err := a.listECR(ctx); err != nil {
		return err
	}
	if !keep {
		return nil
	}
	a.say("\nThe registry runs until you press Ctrl-C. For tagline and the AWS CLI:")
	for _, variable := range environment[:3] {
		a.say("    export %s=%s", variable.name, variable.value)
	}
	a.say("    export AWS_DEFAULT_REGION=%s TAGLINE_REGISTRY=%s", ecrtest.Region, host)
	<-ctx.Done()
	return nil
}

// listECR prints what describe-images answers, tagged ones first.
func (a *app) listECR(ctx context.Context) error {
	cfg, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithRegion(ecrtest.Region))
	if err != nil {
		return err
	}
	out, err := ecr.NewFromConfig(cfg).DescribeImages(ctx, &ecr.DescribeImagesInput{RepositoryName: aws.String(demo.SampleRepository)})
	if err != nil {
		return err
	}
	untagged := 0
	for _, tagged := range []bool{true, false} {
		images := slices.DeleteFunc(slices.Clone(out.ImageDetails), func(d types.ImageDetail) bool { return (len(d.ImageTags) > 0) != tagged })
		slices.SortFunc(images, func(x, y types.ImageDetail) int {
			return strings.Compare(strings.Join(x.ImageTags, " "), strings.Join(y.ImageTags, " "))
		})
		for _, d := range images {
			name := "<untagged>"
			if tagged {
				name = strings.Join(d.ImageTags, ", ")
			} else {
				untagged++
			}
			kind := "image"
			if strings.Contains(*d.ImageManifestMediaType, "index") {
				kind = "image index"
			}
			a.say("  %-10s  %-11s  %s…  %.2f kB", name, kind, (*d.ImageDigest)[:19], float64(*d.ImageSizeInBytes)/1000)
		}
	}
	a.say("  %d images, %d of them untagged", len(out.ImageDetails), untagged)
	return nil
}
