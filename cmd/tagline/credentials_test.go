package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"tagline/reconcile/demo"
	"tagline/reconcile/ecr/ecrtest"
	"tagline/reconcile/oci/ocitest"
)

// Whatever a run writes, with every output there is and every request logged,
// whether it goes well or not, holds none of its secrets: the passwords of
// config.json, AWS keys, the tokens that registries gave out on the way. None
// goes to a host that it is not for.
func TestNoSecretIsWritten(t *testing.T) {
	const password, secretKey, sessionToken = "correct-horse-battery-staple", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "IQoJb3JpZ2luX2VjEXAMPLE"
	upstream := ocitest.Olareg(t)
	if _, err := demo.Seed(t.Context(), upstream); err != nil {
		t.Fatal(err)
	}
	bearer := ocitest.Proxy(t, ocitest.TokenAuth(t, upstream, "me", password).Host)
	elsewhere := ocitest.Proxy(t, upstream)

	amazon, err := ecrtest.Start(ecrtest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = amazon.Close() })
	if err := amazon.CreateRepository("my-image", types.ImageTagMutabilityMutable); err != nil {
		t.Fatal(err)
	}
	plain := demo.Image{Tag: "plain", Platforms: []string{"linux/amd64"}} // its config comes over HTTP
	if _, err := amazon.Seed("my-image", time.Now(), append(demo.Samples(), plain)...); err != nil {
		t.Fatal(err)
	}
	aws := ocitest.Proxy(t, amazon.Host)
	ecrHost := ecrtest.Account + ".dkr.ecr." + ecrtest.Region + ".amazonaws.com"

	home, work := t.TempDir(), t.TempDir() // what tagline reads, and where it writes
	for name, value := range map[string]string{
		"DOCKER_CONFIG": home, "HOME": work, "XDG_CACHE_HOME": "", "GITHUB_STEP_SUMMARY": filepath.Join(work, "summary.md"),
		"AWS_ENDPOINT_URL_ECR": "http://" + aws.Host, "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": secretKey,
		"AWS_SESSION_TOKEN": sessionToken, "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent", "AWS_PROFILE": "",
	} {
		t.Setenv(name, value)
	}
	auth := base64.StdEncoding.EncodeToString([]byte("me:" + password))
	files := map[string]string{
		"config.json": fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, bearer.Host, auth),
		"images.yaml": fmt.Sprintf("policies: {prune: true}\nimages:\n  %s/my-image: {aliases: {10: {amd64: 10.10, arm64: 10.20}, 9: absent}}\n  %s/my-image: {aliases: {10: {amd64: plain, arm64: 10.20}, 9: absent}}\n", bearer.Host, ecrHost),
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(home, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	var written bytes.Buffer
	tagline := func(want int, args ...string) {
		t.Helper()
		var out lockedBuffer
		if code := run(t.Context(), args, &out, &out); code != want {
			t.Errorf("%q: exit code %d, want %d\n%s", args, code, want, out.String())
		}
		written.WriteString(out.String())
	}
	n := 0
	apply := func(want int, args ...string) {
		t.Helper()
		n++
		args = append([]string{"apply", "-f", filepath.Join(home, "images.yaml"), "-vv", "--log-format", []string{"text", "json"}[n%2], "-o", "text"}, args...)
		for _, format := range formatNames()[1:] {
			args = append(args, "-o", format+"="+filepath.Join(work, fmt.Sprintf("run-%d.%s", n, format)))
		}
		tagline(want, args...)
	}
	everything := func(do ocitest.Action) {
		bearer.Script(ocitest.Fault{Path: "/manifests/", Do: do})
		aws.Script(ocitest.Fault{Path: "/blobs/", Do: do})
	}
	echo := func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		_, secret, _ := r.BasicAuth()
		w.WriteHeader(http.StatusForbidden)
		_, _ = fmt.Fprintf(w, `{"errors":[{"code":"DENIED","message":"%s %s"}]}`, r.Header.Get("Authorization"), secret)
	}

	apply(exitDone, "--dry-run")
	everything(echo)
	apply(exitFailed, "--cache-dir", noCache)
	everything(ocitest.Redirect(elsewhere.Host))
	apply(exitBlocked, "--cache-dir", noCache) // the config is not there
	everything(ocitest.Status(http.StatusUnauthorized, "WWW-Authenticate", `Basic realm="elsewhere"`))
	apply(exitFailed, "--cache-dir", noCache)
	bearer.Script()
	aws.Script()
	apply(exitDone)
	apply(exitDone)
	tagline(exitDone, "inspect", "-vv", bearer.Host+"/my-image:10")
	tagline(exitFailed, "apply", "-f", filepath.Join(home, "images.yaml"), "--registry", "https://me:"+password+"@"+bearer.Host)

	secrets := map[string]bool{password: true, auth: true, secretKey: true, sessionToken: true}
	for _, proxy := range []*ocitest.RegistryProxy{bearer, aws} {
		for _, r := range proxy.Trace() {
			scheme, value, _ := strings.Cut(r.Header.Get("Authorization"), " ")
			_, signature, signed := strings.Cut(value, "Signature=")
			switch {
			case signed:
				secrets[signature] = true
			case value != "":
				secrets[value] = true
			}
			if decoded, err := base64.StdEncoding.DecodeString(value); err == nil && scheme == "Basic" {
				_, secret, _ := strings.Cut(string(decoded), ":")
				secrets[secret] = true
			}
		}
	}
	if len(secrets) < 10 {
		t.Errorf("only %d secrets were in use", len(secrets))
	}
	for _, r := range elsewhere.Trace() {
		for name, values := range r.Header {
			for secret := range secrets {
				if strings.Contains(strings.Join(values, " "), secret) {
					t.Errorf("%s went to another host in %s", secret, name)
				}
			}
		}
	}
	if elsewhere.Total() == 0 {
		t.Error("nothing was redirected")
	}

	searched := 0
	search := func(where string, content []byte) {
		searched += len(content)
		for secret := range secrets {
			if i := bytes.Index(content, []byte(secret)); i >= 0 {
				t.Errorf("%q is in %s:\n%s", secret, where, content[max(0, i-200):min(len(content), i+200)])
			}
		}
	}
	search("stdout or stderr", written.Bytes())
	err = filepath.WalkDir(work, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		search(path, append(content, path...))
		return err
	})
	if err != nil || searched < 50_000 {
		t.Errorf("searched %d bytes, %v", searched, err)
	}
	t.Logf("%d secrets in %d bytes", len(secrets), searched)
}
