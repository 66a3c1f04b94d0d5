package main

import (
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"tagline/config"
	"tagline/reconcile/ecr/ecrtest"
	"tagline/reconcile/listing/listingtest"
	"tagline/reconcile/oci/ocitest"
)

// shapeRegistry is where a shape was pushed.
type shapeRegistry struct {
	flags    []string // of tagline
	settings string   // at the end of images.yaml
	name     string   // in messages
	host     string   // that speaks the OCI protocol
	options  []remote.Option
	requests func() int // since the last call
}

func overHTTP(t *testing.T, s *shape, upstream string) shapeRegistry {
	proxy := ocitest.Proxy(t, upstream)
	r := shapeRegistry{name: proxy.Host, host: upstream, flags: []string{"--registry", proxy.Host}, requests: func() int {
		defer proxy.Reset()
		return total(needed(proxy))
	}}
	if err := s.push(t.Context(), r.host); err != nil {
		t.Fatal(err)
	}
	return r
}

// onKind has an emulator of a registry with an API of its own.
func onKind(t *testing.T, s *shape, kind config.RegistryKind, emulator *listingtest.Registry) shapeRegistry {
	r := shapeRegistry{
		name: emulator.Host, host: emulator.Host, flags: []string{"--registry", emulator.Host},
		settings: fmt.Sprintf("registries: {%q: {kind: %s}}\n", emulator.Host, kind),
		requests: func() int { return len(emulator.Requests()) },
	}
	if err := s.push(t.Context(), r.host); err != nil {
		t.Fatal(err)
	}
	return r
}

func onAmazon(t *testing.T, s *shape) shapeRegistry {
	amazon, err := ecrtest.Start(ecrtest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = amazon.Close() })
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL_ECR": amazon.URL, "AWS_DEFAULT_REGION": ecrtest.Region, "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "",
		"AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
	} {
		t.Setenv(name, value)
	}
	for _, repository := range s.repositories() {
		if err := amazon.CreateRepository(repository, types.ImageTagMutabilityMutable); err != nil {
			t.Fatal(err)
		}
	}
	r := shapeRegistry{
		name: ecrtest.Account + ".dkr.ecr." + ecrtest.Region + ".amazonaws.com", host: amazon.Host,
		options: []remote.Option{remote.WithAuth(authn.FromConfig(authn.AuthConfig{Username: "AWS", Password: amazon.Password()}))},
		requests: func() int {
			defer amazon.ResetCalls()
			return total(amazon.Calls())
		},
	}
	r.flags = []string{"--registry", r.name}
	if err := s.push(t.Context(), r.host, r.options...); err != nil {
		t.Fatal(err)
	}
	return r
}

func total(counts map[string]int) (n int) {
	for _, count := range counts {
		n += count
	}
	return n
}
