package config_test

import (
	"strings"
	"testing"

	"tagline/config"
)

func TestKindOf(t *testing.T) {
	said := map[string]config.Registry{"harbor.example.com": {Kind: config.Harbor}, "ghcr.io": {Kind: config.OCI}}
	for host, want := range map[string]config.RegistryKind{
		"harbor.example.com": config.Harbor, "HARBOR.example.com": config.Harbor, "other.example.com": config.OCI,
		"ghcr.io":                    config.OCI, // the file's word counts
		"europe-docker.pkg.dev":      config.Google,
		"us-central1-docker.pkg.dev": config.Google, "gcr.io": config.Google, "eu.gcr.io": config.Google, "evil-gcr.io": config.OCI,
		"team.azurecr.io": config.Azure, "team.azurecr.us": config.Azure, "team.azurecr.cn": config.Azure, "azurecr.io": config.OCI,
		"team.azurecr.io.example.com": config.OCI, "team.westeurope.data.azurecr.io": config.Azure,
		"123456789012.dkr.ecr.eu-central-1.amazonaws.com": config.ECR,
		"localhost:5000": config.OCI,
	} {
		if got := config.KindOf(host, said); got != want {
			t.Errorf("%s is %q, want %q", host, got, want)
		}
	}
	if got := config.KindOf("ghcr.io", nil); got != config.GitHub {
		t.Errorf("ghcr.io is %q", got)
	}
}

func TestRegistries(t *testing.T) {
	const images = "\nimages: {a: {aliases: {1: 1.0}}}\n"
	cfg, err := config.Parse("images.yaml", []byte("registries: {Harbor.example.com: {kind: harbor}}"+images), config.Options{Registry: "r.test"})
	if err != nil {
		t.Fatal(err)
	}
	if got := cfg.Registries["harbor.example.com"].Kind; got != config.Harbor {
		t.Errorf("kind is %q", got)
	}
	for text, want := range map[string]string{
		"registries: {harbor.example.com: {kind: harbour}}":                                 `images.yaml:1:41: error[invalid-value]: kind is "harbour"; expected one of oci, github, google, azure, harbor`,
		"registries: {harbor.example.com: {sort: harbor}}":                                  `error[unknown-field]`,
		"registries: {harbor.example.com: {}}":                                              `has no kind; expected one of`,
		"registries: {https://harbor.example.com: {kind: harbor}}":                          `error[invalid-registry]`,
		"registries: {123456789012.dkr.ecr.eu-west-1.amazonaws.com: {kind: oci}}":           `is Amazon ECR by its name, and needs no setting`,
		"registries: [harbor.example.com]":                                                  `error[wrong-type]: registries is a list; expected a map from host to its settings`,
		"registries: {harbor.example.com: {kind: harbor}, harbor.example.com: {kind: oci}}": `error[duplicate-key]`,
	} {
		_, err := config.Parse("images.yaml", []byte(text+images), config.Options{Registry: "r.test"})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
}
