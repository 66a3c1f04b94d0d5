package config_test

import (
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
