package ecr_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tagline/config"
	"tagline/reconcile/demo"
	"tagline/reconcile/ecr"
	"tagline/reconcile/ecr/ecrtest"
	"tagline/reconcile/oci"
	"tagline/reconcile/oci/transport"
)

// An error for missing credentials says where they should come from, and which
// command helps if there is one.
func TestCredentialsCannotBeHad(t *testing.T) {
	const (
		sso = "[profile dev]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = r\nregion = eu-central-1\n" +
			"[sso-session corp]\nsso_start_url = https://corp.awsapps.com/start\nsso_region = eu-central-1\n"
		legacy = "[profile dev]\nsso_start_url = https://corp.awsapps.com/start\nsso_region = eu-central-1\nsso_account_id = 123456789012\nsso_role_name = r\n"
		role   = "[profile ci]\nrole_arn = arn:aws:iam::123456789012:role/ci\nsource_profile = dev\n" + sso
		// The names are the SHA-1 of the session, and of the start URL.
		bySession = "ee0bfd2552fbd840c02cc48b6e823320543c450f.json"
		expired   = `{"accessToken":"t","expiresAt":"2020-01-01T00:00:00Z","clientId":"c","clientSecret":"s","refreshToken":"r"}`
		valid     = `{"accessToken":"t","expiresAt":"2999-01-01T00:00:00Z"}`
	)
	refuse := func(status int, code, message string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Amzn-Errortype", code)
			w.WriteHeader(status)
			_, _ = w.Write([]byte(`{"message":"` + message + `","error":"` + message + `"}`))
		}
	}
	for _, tt := range []struct {
		name, config, profile, token string
		answer                       http.HandlerFunc // for every service of AWS; nil: none
		web                          bool             // uses a web identity, as in a pod or in GitHub Actions
		want                         string
		silent                       string // what the message must not contain
	}{
		{name: "not logged in", config: sso, profile: "dev", want: `; log in with "aws sso login --profile dev"`},
		{name: "not logged in, by an old profile", config: legacy, profile: "dev", want: `; log in with "aws sso login --profile dev"`},
		{name: "not logged in, with the default profile", config: strings.Replace(sso, "profile dev", "default", 1), want: `; log in with "aws sso login"`},
		{name: "not logged in, for a role's source", config: role, profile: "ci", want: `; log in with "aws sso login --profile dev"`},
		{
			name: "ended", config: sso, profile: "dev", token: expired, answer: refuse(400, "InvalidGrantException", "gone"),
			want: `SSO OIDC CreateToken: InvalidGrantException; log in with "aws sso login --profile dev"`,
		},
		{
			name: "revoked", config: sso, profile: "dev", token: valid, answer: refuse(401, "UnauthorizedException", "Session token not found or invalid"),
			want: `SSO GetRoleCredentials: UnauthorizedException: Session token not found or invalid; log in with "aws sso login --profile dev"`,
		},
		{
			name: "a role that is not theirs", config: sso, profile: "dev", token: valid, answer: refuse(403, "ForbiddenException", "No access"),
			want: "SSO GetRoleCredentials: ForbiddenException: No access", silent: "log in",
		},
		{name: "SSO hangs", config: sso, profile: "dev", token: valid, want: "SSO GetRoleCredentials at ADDRESS: no answer within 500ms", silent: "log in"},
		{name: "STS hangs", web: true, want: "STS AssumeRoleWithWebIdentity at ADDRESS: no answer within 500ms", silent: "log in"},
		{
			name: "STS refuses", web: true, answer: func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusForbidden)
				_, _ = w.Write([]byte(`<ErrorResponse><Error><Code>AccessDenied</Code><Message>Not authorized to perform sts:AssumeRoleWithWebIdentity</Message></Error></ErrorResponse>`))
			},
			want: "STS AssumeRoleWithWebIdentity: AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity", silent: "log in",
		},
		{name: "a program that hangs", config: "[profile dev]\ncredential_process = while test -e $HOME/token; do sleep 0.05; done\n", profile: "dev", want: "credential_process of profile dev: no answer within 500ms"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := seeded(t, ecrtest.Options{})
			hangs := make(chan struct{})
			var asked atomic.Int64
			aws := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				if tt.answer != nil {
					tt.answer(w, r)
					return
				}
				<-hangs
				panic(http.ErrAbortHandler)
			}))
			defer aws.Close()
			defer close(hangs)
			home := t.TempDir()
			for name, value := range map[string]string{
				"HOME": home, "AWS_CONFIG_FILE": filepath.Join(home, "config"), "AWS_PROFILE": tt.profile, "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "",
				"AWS_ENDPOINT_URL_STS": aws.URL, "AWS_ENDPOINT_URL_SSO": aws.URL, "AWS_ENDPOINT_URL_SSO_OIDC": aws.URL,
			} {
				t.Setenv(name, value)
			}
			files := map[string]string{"config": tt.config, "token": "jwt"}
			if tt.token != "" {
				files[filepath.Join(".aws/sso/cache", bySession)] = tt.token
			}
			if tt.web {
				t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", filepath.Join(home, "token"))
				t.Setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/ci")
			}
			for name, content := range files {
				if err := os.MkdirAll(filepath.Dir(filepath.Join(home, name)), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(home, name), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			patience := transport.Patience{Backoff: time.Millisecond}
			if strings.Contains(tt.name, "hang") {
				patience.Headers = 500 * time.Millisecond
			}
			c := ecr.New(ecr.Options{OCI: oci.Options{Patience: patience}})
			defer c.Close()
			want := strings.ReplaceAll(tt.want, "ADDRESS", strings.TrimPrefix(aws.URL, "http://"))
			var asks []int64
			for _, repository := range []config.Repository{myImage, {Host: host, Path: "other"}} {
				err := c.Reader(repository).Resolve(t.Context(), []string{"10"})[0].Err
				if err == nil || !strings.HasPrefix(err.Error(), "AWS credentials: ") || !strings.Contains(err.Error(), want) || tt.silent != "" && strings.Contains(err.Error(), tt.silent) {
					t.Errorf("got  %v\nwant … %s", err, want)
				}
				asks = append(asks, asked.Load())
			}
			if asks[0] != asks[1] {
				t.Errorf("asked %v times: again for the second repository", asks)
			}
			if calls := server.Calls(); len(calls) > 0 {
				t.Errorf("calls of ECR: %v", calls)
			}
		})
	}
}

// A token that ends soon is renewed.
func TestTokenIsRenewed(t *testing.T) {
	late := time.Now().Add(-12*time.Hour + 10*time.Minute) // makes tokens that end in ten minutes
	server := emulate(t, ecrtest.Options{Now: func() time.Time { return late }})
	if _, err := server.Seed("my-image", late, demo.Image{Tag: "10.10", Platforms: []string{"linux/amd64"}}); err != nil {
		t.Fatal(err)
	}
	if p := plan(t, mine(t, "10: {amd64: 10.10}")); len(p.Pushes) != 1 {
		t.Fatalf("plan %+v", p)
	}
	if n := server.Calls()["GetAuthorizationToken"]; n < 2 {
		t.Errorf("%d tokens, want one for each request", n)
	}
}
