package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tagline/reconcile/demo"
	"tagline/reconcile/ecr/ecrtest"
)

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

// A role is asked for at the STS of the host's partition, whatever region the job
// has, and over FIPS if the job asks for that. The proxy sees where the calls go.
func TestEndpointsOfSTS(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var asked []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, r.Host)
		w.WriteHeader(http.StatusForbidden)
	}))
	defer proxy.Close()
	const account = ecrtest.Account
	for _, test := range []struct{ name, host, settings, fips, want string }{
		{"here", account + ".dkr.ecr.eu-central-1.amazonaws.com", "role-arn: 'arn:aws:iam::" + account + ":role/t'", "", "sts.eu-central-1.amazonaws.com:443"},
		{"another region", account + ".dkr.ecr.eu-central-1.amazonaws.com", "region: us-east-1, role-arn: 'arn:aws:iam::" + account + ":role/t'", "", "sts.us-east-1.amazonaws.com:443"},
		{"FIPS", account + ".dkr.ecr-fips.us-east-1.amazonaws.com", "role-arn: 'arn:aws:iam::" + account + ":role/t'", "true", "sts-fips.us-east-1.amazonaws.com:443"},
		{"China", account + ".dkr.ecr.cn-north-1.amazonaws.com.cn", "role-arn: 'arn:aws-cn:iam::" + account + ":role/t'", "", "sts.cn-north-1.amazonaws.com.cn:443"},
		{"China by a profile", account + ".dkr.ecr.cn-north-1.amazonaws.com.cn", "aws-profile: china", "", "sts.cn-north-1.amazonaws.com.cn:443"},
		{"GovCloud", account + ".dkr.ecr.us-gov-west-1.amazonaws.com", "role-arn: 'arn:aws-us-gov:iam::" + account + ":role/t'", "", "sts.us-gov-west-1.amazonaws.com:443"},
	} {
		t.Run(test.name, func(t *testing.T) {
			asked = nil
			dir := t.TempDir()
			for name, text := range map[string]string{
				"images.yaml": "registry: " + test.host + "\nregistries: {" + test.host + ": {" + test.settings + "}}\nimages: {one: {aliases: {1: 10.10}}, two: {aliases: {1: 10.10}}}",
				"config":      "[profile china]\nrole_arn = arn:aws-cn:iam::" + account + ":role/t\nsource_profile = me\n[profile me]\naws_access_key_id = x\naws_secret_access_key = y\n",
			} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.Command(self(t), "apply", "--dry-run", "--cache-dir", "off")
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "HTTPS_PROXY="+proxy.URL, "https_proxy=", "NO_PROXY=", "no_proxy=", "HOME="+dir, "AWS_CONFIG_FILE="+filepath.Join(dir, "config"),
				"AWS_ACCESS_KEY_ID=x", "AWS_SECRET_ACCESS_KEY=y", "AWS_SESSION_TOKEN=", "AWS_ENDPOINT_URL=", "AWS_ENDPOINT_URL_ECR=", "AWS_ENDPOINT_URL_STS=",
				"AWS_PROFILE=", "AWS_REGION=eu-west-1", "AWS_USE_FIPS_ENDPOINT="+test.fips, "TAGLINE_REGISTRY=")
			out, _ := cmd.CombinedOutput()
			if code := cmd.ProcessState.ExitCode(); code != exitFailed || !strings.Contains(string(out), "refuses to connect to "+test.want) {
				t.Errorf("exit code %d\n%s", code, out)
			}
			if asked = slices.Compact(asked); !slices.Equal(asked, []string{test.want}) {
				t.Errorf("asked %q, want %s", asked, test.want)
			}
		})
	}
}
