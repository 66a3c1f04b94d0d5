package logins_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"

	"tagline/reconcile/oci/logins"
	"tagline/reconcile/oci/ocitest"
)

// helper makes docker-credential-fake the only credential helper of a test, and
// returns how often it was started. An empty script leaves it out.
func helper(t *testing.T, script string) (starts func() int) {
	t.Helper()
	files := map[string]string{ocitest.DockerFile: `{"credsStore":"fake"}`}
	if script != "" {
		files["docker-credential-fake"] = "#!/bin/sh\ncat >>HOME/starts\necho >>HOME/starts\n" + script + "\n"
	}
	home := ocitest.Machine(t, files, nil)
	return func() int {
		lines, _ := os.ReadFile(home + "/starts") // no file before the first start
		return strings.Count(string(lines), "\n")
	}
}

func TestCredentialHelper(t *testing.T) {
	const check = "; check this credential helper, and the config.json that names it"
	tests := []struct {
		name, script string
		want         string // user or error
	}{
		{name: "answers", script: `echo '{"Username":"me","Secret":"s"}'`, want: "me"},
		{name: "has none", script: "echo credentials not found in native keychain; exit 1"},
		{name: "is missing", want: `ghcr.io: credentials: exec: "docker-credential-fake": executable file not found in $PATH; install it, or take it out of the config.json that names it`},
		{name: "fails", script: "echo the keyring is locked; exit 1", want: "ghcr.io: credentials: docker-credential-fake: error getting credentials - err: exit status 1, out: `the keyring is locked`" + check},
		{name: "fails in silence", script: "exit 1", want: "ghcr.io: credentials: docker-credential-fake: error getting credentials - err: exit status 1, out: ``" + check},
		{name: "prints garbage", script: "echo garbage", want: "ghcr.io: credentials: docker-credential-fake: invalid character 'g' looking for beginning of value" + check},
		{name: "prints nothing", script: "true", want: "ghcr.io: credentials: docker-credential-fake: EOF" + check},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			helper(t, tt.script)
			if got := user(t, logins.New(time.Minute, nil), "ghcr.io/org/app"); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// A caller that is interrupted does not wait for a helper; a later caller gets
// its answer.
func TestInterruptedBeforeAHelperAnswers(t *testing.T) {
	starts := helper(t, `until [ -e HOME/go ]; do sleep 0.01; done; echo '{"Username":"me","Secret":"s"}'`)
	l := logins.New(time.Minute, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	target := name.MustParseReference("ghcr.io/org/app:1").Context()
	if _, err := l.ResolveContext(ctx, target); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want the context's", err)
	}
	if err := os.WriteFile(os.Getenv("HOME")+"/go", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := user(t, l, "ghcr.io/org/app"); got != "me" {
		t.Errorf("later: %q", got)
	}
	if n := starts(); n != 1 {
		t.Errorf("started %d times, want 1", n)
	}
}
