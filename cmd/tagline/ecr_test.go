package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"tagline/reconcile/demo"
	"tagline/reconcile/ecr/ecrtest"
)

// Under a name that is not AWS's, such as a proxy's, Amazon ECR is reached like
// any other registry, with the password that `aws ecr get-login-password` gives
// to docker login.
func TestApplyOnECROverHTTP(t *testing.T) {
	registry, err := ecrtest.Start(ecrtest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := registry.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := registry.CreateRepository("my-image", types.ImageTagMutabilityMutable); err != nil {
		t.Fatal(err)
	}
	if _, err := registry.Seed("my-image", time.Now(), demo.Samples()...); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	auth := base64.StdEncoding.EncodeToString([]byte("AWS:" + registry.Password()))
	config := fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, registry.Host, auth)
	for name, content := range map[string]string{"config.json": config, "images.yaml": demo.ImagesYAML()} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("DOCKER_CONFIG", dir)
	t.Setenv("HOME", t.TempDir())
	t.Setenv("XDG_CACHE_HOME", "")

	tagline := func(args ...string) (int, string) {
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), append(args, "-f", filepath.Join(dir, "images.yaml"), "--registry", registry.Host), &stdout, &stderr)
		return code, stdout.String() + stderr.String()
	}
	if code, out := tagline("apply"); code != exitDone || !strings.Contains(out, "Applied: 1 pushed") {
		t.Fatalf("exit code %d:\n%s", code, out)
	}
	if code, out := tagline("apply"); code != exitDone || !strings.Contains(out, "Nothing to do: 1 alias in sync.") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
	if n := registry.Calls()["PUT manifest"]; n != 1 {
		t.Errorf("%d pushes, want 1", n)
	}
	registry.ExpireTokens()
	if code, out := tagline("apply"); code != exitFailed || !strings.Contains(out, "Your authorization token has expired") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
}

// The commands that need no images.yaml log in as it says, too.
func TestRolesOfImagesYAML(t *testing.T) {
	const role = "arn:aws:iam::" + ecrtest.Account + ":role/tagline"
	cloud, err := ecrtest.StartCloud("AKIDEXAMPLE")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cloud.Close(); err != nil {
			t.Error(err)
		}
	})
	cloud.AddRole(ecrtest.Role{ARN: role, ExternalID: "id", Trusts: []string{"AKIDEXAMPLE"}})
	registry, err := cloud.AddRegistry(ecrtest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := registry.Seed("my-image", time.Now(), demo.Samples()...); err != nil {
		t.Fatal(err)
	}
	host := ecrtest.Account + ".dkr.ecr." + ecrtest.Region + ".amazonaws.com"
	t.Chdir(t.TempDir())
	write := func(settings string) {
		text := fmt.Sprintf("registry: %s\nregistries: {%[1]s: {%s}}\nimages: {my-image: {policies: {provenance: purge, untagged: delete}, aliases: {10: {amd64: 10.10, arm64: 10.20}}}}\n", host, settings)
		if err := os.WriteFile("images.yaml", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": cloud.URL, "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_PROFILE": "", "AWS_REGION": "", "HOME": t.TempDir(), "XDG_CACHE_HOME": "",
	} {
		t.Setenv(name, value)
	}
	for _, test := range []struct{ command, want string }{
		{"apply --trash trash", "Applied: 3 pushed"},
		{"inspect my-image:10", "10.10"},
		{"init " + host + "/my-image", "my-image"},
		{"restore " + host + "/my-image --trash trash --dry-run", "my-image"},
	} {
		for _, id := range []string{"id", "wrong"} {
			write("role-arn: " + role + ", external-id: " + id)
			before := len(cloud.Assumed())
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), strings.Fields(test.command), &stdout, &stderr)
			out := stdout.String() + stderr.String()
			switch {
			case id == "id" && (code != exitDone || !strings.Contains(out, test.want)),
				id == "wrong" && (code != exitFailed || !strings.Contains(out, host+": role "+role+" can't be assumed")):
				t.Errorf("%s with external id %s: exit code %d\n%s", test.command, id, code, out)
			}
			if calls := len(cloud.Assumed()) - before; calls != 1 {
				t.Errorf("%s: %d calls of AssumeRole", test.command, calls)
			}
		}
	}
	write("role-arn: tagline")
	var stdout, stderr bytes.Buffer
	if run(t.Context(), []string{"inspect", host + "/my-image:10"}, &stdout, &stderr); !strings.Contains(stderr.String(), "images.yaml says nothing of registries") {
		t.Errorf("an invalid images.yaml is passed over in silence:\n%s%s", &stdout, &stderr)
	}
}
