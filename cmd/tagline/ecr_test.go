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
