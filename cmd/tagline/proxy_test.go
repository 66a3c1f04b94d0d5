package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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
