package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"tagline/reconcile/ecr/ecrtest"
)

// A proxy that refuses is named, once and at once, whether it stands before a
// registry or before the AWS API.
func TestProxyRefuses(t *testing.T) {
	var asked atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusProxyAuthRequired)
	}))
	defer proxy.Close()
	address := strings.TrimPrefix(proxy.URL, "http://")
	for name, host := range map[string]string{"a registry": "registry.example", "Amazon ECR": ecrtest.Account + ".dkr.ecr." + ecrtest.Region + ".amazonaws.com"} {
		t.Run(name, func(t *testing.T) {
			asked.Store(0)
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "images.yaml"), []byte("registry: "+host+"\nimages: {my-image: {aliases: {1: 10.10, 2: 10.20, 3: 10.30}}}"), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(self(t), "apply", "--dry-run", "--cache-dir", "off")
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "HTTPS_PROXY=http://me:open-sesame@"+address, "https_proxy=", "NO_PROXY=", "no_proxy=", "HOME="+dir,
				"AWS_ACCESS_KEY_ID=x", "AWS_SECRET_ACCESS_KEY=y", "AWS_CONFIG_FILE=/nonexistent", "AWS_ENDPOINT_URL_ECR=", "AWS_PROFILE=", "TAGLINE_REGISTRY=")
			out, _ := cmd.CombinedOutput()
			if code := cmd.ProcessState.ExitCode(); code != exitFailed {
				t.Errorf("exit code %d", code)
			}
			said := string(out)
			if strings.Count(said, "proxy "+address+": refuses to connect to ") != 1 || !strings.Contains(said, "407 Proxy Authentication Required; HTTPS_PROXY or HTTP_PROXY needs a user and a password") ||
				strings.Contains(said, "sesame") || strings.Contains(said, "asking again") {
				t.Errorf("said\n%s", said)
			}
			if n := asked.Load(); n == 0 || n > 3 {
				t.Errorf("the proxy was asked %d times", n)
			}
		})
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
