package oci

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"

	"tagline/reconcile/oci/ocitest"
)

// machine gives a test its own home with these files, so that no other logins
// exist. Their paths are relative to the home that it returns; HOME in a file
// or a variable stands for that path.
func machine(t *testing.T, files map[string]string, env map[string]string) (home string) {
	t.Helper()
	home = t.TempDir()
	all := map[string]string{"HOME": home, "DOCKER_CONFIG": "", "DOCKER_AUTH_CONFIG": "", "REGISTRY_AUTH_FILE": "",
		"XDG_CONFIG_HOME": "", "XDG_RUNTIME_DIR": home + "/run", "PATH": home + string(filepath.ListSeparator) + os.Getenv("PATH")}
	for name, value := range env {
		all[name] = strings.ReplaceAll(value, "HOME", home)
	}
	for name, value := range all {
		t.Setenv(name, value)
	}
	for path, content := range files {
		path = filepath.Join(home, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(content, "HOME", home)), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return home
}

// auths is a file with an entry for each key. The entry's user is the key; a
// key that ends in "=" has an empty entry.
func auths(keys ...string) string {
	var entries []string
	for i, key := range keys {
		key, empty := strings.CutSuffix(key, "=")
		login := "{}"
		if !empty {
			login = fmt.Sprintf(`{"auth":%q}`, base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%d %s:secret", i, strings.ReplaceAll(key, ":", "_"))))
		}
		entries = append(entries, fmt.Sprintf("%q:%s", key, login))
	}
	return `"auths":{` + strings.Join(entries, ",") + `}`
}

func loginsOf(parts ...string) string { return "{" + strings.Join(parts, ",") + "}" }

const (
	dockerFile  = ".docker/config.json"
	runtimeFile = "run/containers/auth.json"
	podmanFile  = ".config/containers/auth.json"
	// answering is a helper that knows every host and puts its name into the
	// user.
	answering = "#!/bin/sh\nread host; echo '{\"Username\":\"helper of '$host'\",\"Secret\":\"s\"}'\n"
	empty     = "#!/bin/sh\necho credentials not found in native keychain; exit 1\n"
)

func user(t *testing.T, l *Logins, repository string) string {
	t.Helper()
	target, err := name.NewRepository(repository)
	if err != nil {
		t.Fatal(err)
	}
	auth, err := l.ResolveContext(t.Context(), target)
	if err != nil {
		return err.Error()
	}
	login, err := auth.Authorization()
	if err != nil {
		t.Fatal(err)
	}
	if login.RegistryToken+login.IdentityToken != "" {
		return "token " + login.RegistryToken + login.IdentityToken
	}
	return login.Username
}

// Which login is used never depends on the order in which Go walks a map, so
// each case is looked up fifty times.
func TestWhichLoginCounts(t *testing.T) {
	team := auths("ghcr.io/team/app", "ghcr.io/other", "ghcr.io/team", "ghcr.io")
	tests := []struct {
		name  string
		files map[string]string
		env   map[string]string
		want  map[string]string // repository -> user; "" is anonymous
	}{
		{name: "no file", want: map[string]string{"ghcr.io/team/app": ""}},
		{
			name: "the most specific entry", files: map[string]string{dockerFile: loginsOf(team)},
			want: map[string]string{
				"ghcr.io/team/app": "0 ghcr.io/team/app", "ghcr.io/team/app/web": "0 ghcr.io/team/app", "ghcr.io/team/apple": "2 ghcr.io/team",
				"ghcr.io/team/more": "2 ghcr.io/team", "ghcr.io/teams": "3 ghcr.io", "ghcr.io/other": "1 ghcr.io/other", "ghcr.io/x/other": "3 ghcr.io",
				"quay.io/team/app": "", "ghcr.io.evil.com/team/app": "", "ghcr.io:5000/team/app": "",
			},
		},
		{
			name:  "robot accounts alone",
			files: map[string]string{dockerFile: loginsOf(auths("ghcr.io/team/app", "ghcr.io/other", "ghcr.io/a", "ghcr.io/b", "ghcr.io/c"))},
			want:  map[string]string{"ghcr.io/team/app": "0 ghcr.io/team/app", "ghcr.io/other": "1 ghcr.io/other", "ghcr.io/team/more": ""},
		},
		{
			name:  "old spellings are of the host, and behind the plain one",
			files: map[string]string{dockerFile: loginsOf(auths("https://a.io/v1/", "http://a.io", "a.io/v1/", "a.io", "https://b.io/v2/", "c.io/v1/", "https://d.io/team/app", "E.io"))},
			want: map[string]string{
				"a.io/x": "3 a.io", "b.io/x": "4 https_//b.io/v2/", "c.io/x": "5 c.io/v1/", "d.io/x": "6 https_//d.io/team/app", "e.io/x": "7 E.io", "a.io/v1/x": "3 a.io",
			},
		},
		{
			name:  "Docker Hub under its names",
			files: map[string]string{dockerFile: loginsOf(auths("https://index.docker.io/v1/", "docker.io", "docker.io/team"))},
			want:  map[string]string{"docker.io/library/alpine": "0 https_//index.docker.io/v1/", "docker.io/team/app": "2 docker.io/team"},
		},
		{
			name:  "Docker Hub by podman",
			files: map[string]string{podmanFile: loginsOf(auths("docker.io"))},
			want:  map[string]string{"docker.io/library/alpine": "0 docker.io"},
		},
		{
			name: "entries before helpers, where they say something",
			files: map[string]string{
				dockerFile:               loginsOf(auths("ghcr.io/team/app", "ghcr.io=", "quay.io"), `"credsStore":"all","credHelpers":{"quay.io":"one","docker.io":"one"}`),
				"docker-credential-all":  answering,
				"docker-credential-one":  strings.ReplaceAll(answering, "helper", "one"),
				"docker-credential-none": empty,
			},
			want: map[string]string{
				"ghcr.io/team/app": "0 ghcr.io/team/app", "ghcr.io/other": "helper of ghcr.io", "quay.io/app": "2 quay.io",
				"docker.io/library/alpine": "one of https://index.docker.io/v1/",
			},
		},
		{
			name:  "podman's files beside Docker's",
			files: map[string]string{dockerFile: loginsOf(auths("quay.io")), runtimeFile: loginsOf(auths("ghcr.io", "quay.io/team")), podmanFile: loginsOf(auths("gcr.io", "ghcr.io"))},
			want:  map[string]string{"ghcr.io/app": "0 ghcr.io", "gcr.io/app": "0 gcr.io", "quay.io/app": "0 quay.io", "quay.io/team/app": "1 quay.io/team"},
		},
		{
			name:  "equally specific: Docker's first",
			files: map[string]string{dockerFile: loginsOf(auths("ghcr.io")), podmanFile: loginsOf(auths("x", "ghcr.io"))},
			want:  map[string]string{"ghcr.io/app": "0 ghcr.io"},
		},
		{
			name: "a helper of Docker's, entries of podman's",
			files: map[string]string{
				dockerFile: loginsOf(`"credsStore":"all"`), podmanFile: loginsOf(auths("ghcr.io/team")), "docker-credential-all": answering,
			},
			want: map[string]string{"ghcr.io/team/app": "0 ghcr.io/team", "ghcr.io/app": "helper of ghcr.io"},
		},
		{
			name: "a helper that has none",
			files: map[string]string{
				dockerFile: loginsOf(`"credsStore":"none"`), podmanFile: loginsOf(`"credHelpers":{"ghcr.io":"all"}`),
				"docker-credential-all": answering, "docker-credential-none": empty,
			},
			want: map[string]string{"ghcr.io/app": "helper of ghcr.io", "quay.io/app": ""},
		},
		{
			name:  "REGISTRY_AUTH_FILE before all files",
			files: map[string]string{dockerFile: loginsOf(auths("ghcr.io/team/app", "quay.io")), "named.json": loginsOf(auths("x", "ghcr.io"))},
			env:   map[string]string{"REGISTRY_AUTH_FILE": "HOME/named.json"},
			want:  map[string]string{"ghcr.io/team/app": "1 ghcr.io", "quay.io/app": "1 quay.io"},
		},
		{
			name:  "DOCKER_AUTH_CONFIG before that",
			files: map[string]string{dockerFile: loginsOf(auths("ghcr.io/team/app", "quay.io")), "named.json": loginsOf(auths("ghcr.io", "gcr.io"))},
			env:   map[string]string{"REGISTRY_AUTH_FILE": "HOME/named.json", "DOCKER_AUTH_CONFIG": loginsOf(auths("x", "ghcr.io"))},
			want:  map[string]string{"ghcr.io/team/app": "1 ghcr.io", "gcr.io/app": "1 gcr.io", "quay.io/app": "1 quay.io"},
		},
		{
			name:  "DOCKER_CONFIG instead of the home's",
			files: map[string]string{dockerFile: loginsOf(auths("ghcr.io")), "ci/config.json": loginsOf(auths("x", "ghcr.io"))},
			env:   map[string]string{"DOCKER_CONFIG": "HOME/ci"},
			want:  map[string]string{"ghcr.io/app": "1 ghcr.io"},
		},
		{
			name:  "DOCKER_CONFIG that is no folder",
			files: map[string]string{dockerFile: loginsOf(auths("ghcr.io")), podmanFile: loginsOf(auths("quay.io"))},
			env:   map[string]string{"DOCKER_CONFIG": "/dev/null"},
			want:  map[string]string{"ghcr.io/app": "", "quay.io/app": "0 quay.io"},
		},
		{
			name:  "XDG_CONFIG_HOME",
			files: map[string]string{podmanFile: loginsOf(auths("ghcr.io")), "xdg/containers/auth.json": loginsOf(auths("x", "ghcr.io"))},
			env:   map[string]string{"XDG_CONFIG_HOME": "HOME/xdg"},
			want:  map[string]string{"ghcr.io/app": "1 ghcr.io"},
		},
		{
			name: "tokens",
			files: map[string]string{
				dockerFile:              loginsOf(`"auths":{"ghcr.io/a":{"registrytoken":"r"},"ghcr.io/b":{"identitytoken":"i"}},"credsStore":"tok"`),
				"docker-credential-tok": "#!/bin/sh\necho '{\"Username\":\"<token>\",\"Secret\":\"h\"}'\n",
			},
			want: map[string]string{"ghcr.io/a": "token r", "ghcr.io/b": "token i", "ghcr.io/c": "token h"},
		},
		{
			name: "a file that is no JSON", files: map[string]string{podmanFile: "no", dockerFile: loginsOf(auths("ghcr.io"))},
			want: map[string]string{"ghcr.io/app": "ghcr.io: credentials: HOME/.config/containers/auth.json: invalid character 'o' in literal null (expecting 'u')"},
		},
		{
			name: "a file that was named and is not there", files: map[string]string{dockerFile: loginsOf(auths("ghcr.io"))},
			env:  map[string]string{"REGISTRY_AUTH_FILE": "HOME/nope.json"},
			want: map[string]string{"ghcr.io/app": "ghcr.io: credentials: REGISTRY_AUTH_FILE: open HOME/nope.json: no such file or directory"},
		},
		{
			name: "a variable that is no JSON", env: map[string]string{"DOCKER_AUTH_CONFIG": "no"},
			want: map[string]string{"ghcr.io/app": "ghcr.io: credentials: DOCKER_AUTH_CONFIG: invalid character 'o' in literal null (expecting 'u')"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			home := machine(t, tt.files, tt.env)
			for repository, want := range tt.want {
				want = strings.ReplaceAll(want, "HOME", home)
				runs := 50
				if strings.Contains(want, " of ") {
					runs = 5 // each starts a program
				}
				got := map[string]int{}
				for range runs {
					got[user(t, NewLogins(Patience{}, nil), repository)]++
				}
				if got[want] != runs {
					t.Errorf("%s: %v, want %q in %d runs", repository, got, want, runs)
				}
			}
		})
	}
}

// Two repositories of a host are read with their own logins, and a redirect
// carries neither.
func TestEachRepositoryHasItsLogin(t *testing.T) {
	elsewhere := serve(t, map[string]http.HandlerFunc{"/": goodManifest()})
	server := serve(t, map[string]http.HandlerFunc{
		"/v2/{$}": answer(http.StatusUnauthorized, "", "WWW-Authenticate", `Basic realm="r"`),
		"/v2/": func(w http.ResponseWriter, r *http.Request) {
			name, _, _ := r.BasicAuth()
			if !strings.HasSuffix(name, strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/v2"), "/manifests/10")) {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			http.Redirect(w, r, "http://localhost:"+strings.Split(elsewhere.host, ":")[1]+r.URL.Path, http.StatusTemporaryRedirect)
		},
	})
	machine(t, map[string]string{dockerFile: loginsOf(auths(server.host+"/app", server.host, server.host+"/team/app"))}, nil)
	c := newClient(t, Options{Keychain: NewLogins(hasty(), nil)})
	for _, path := range []string{"app", "team/app"} {
		app := server.app()
		app.Path = path
		if _, err := fetch(t, c, app, "10"); err != nil {
			t.Error(err)
		}
	}
	if got := elsewhere.count("GET"); got != 2 {
		t.Errorf("%d requests were redirected, want 2", got)
	}
	for _, r := range elsewhere.seen {
		if r.Header.Get("Authorization") != "" {
			t.Errorf("%s carries credentials", r.URL)
		}
	}
}

// A copy between repositories with different logins. The token service refuses
// a token for both, as some do.
func TestCopyBetweenLogins(t *testing.T) {
	for name, same := range map[string]bool{"a login each": false, "the same login": true} {
		t.Run(name, func(t *testing.T) {
			upstream := ocitest.Olareg(t)
			digest := ocitest.PushFixtures(t, ocitest.AppOCI, upstream, "from/app")["10.30"]
			behind := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: upstream})
			var host string
			server := serve(t, map[string]http.HandlerFunc{
				"/token": func(w http.ResponseWriter, r *http.Request) {
					name, _, _ := r.BasicAuth()
					for _, scope := range strings.Fields(strings.Join(r.URL.Query()["scope"], " ")) {
						if repository := strings.Split(scope, ":")[1]; !same && !strings.HasSuffix(name, repository) {
							w.WriteHeader(http.StatusForbidden)
							return
						}
					}
					_, _ = fmt.Fprintf(w, `{"token":%q}`, base64.RawURLEncoding.EncodeToString([]byte(name)))
				},
				"/v2/": func(w http.ResponseWriter, r *http.Request) {
					token, _ := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
					_, repository, _ := strings.Cut(string(token), "/")
					if r.URL.Path == "/v2/" && len(token) == 0 || r.URL.Path != "/v2/" && !same && !strings.HasPrefix(r.URL.Path, "/v2/"+repository+"/") {
						w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="http://%s/token",service="x"`, host))
						w.WriteHeader(http.StatusUnauthorized)
						return
					}
					behind.ServeHTTP(w, r)
				},
				"/v2/{$}": func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="http://%s/token",service="x"`, host))
					w.WriteHeader(http.StatusUnauthorized)
				},
			})
			host = server.host
			logins := loginsOf(auths(host+"/from/app", host+"/to/app"))
			if same {
				logins = loginsOf(auths(host))
			}
			machine(t, map[string]string{dockerFile: logins}, nil)
			c := newClient(t, Options{Keychain: NewLogins(hasty(), nil)})
			from, to := server.app(), server.app()
			from.Path, to.Path = "from/app", "to/app"
			if err := NewWriters(c).Writer(to).Copy(t.Context(), from, digest); err != nil {
				t.Fatal(err)
			}
			if missing, err := missingBelow(t, c, to, digest); len(missing) > 0 || err != nil {
				t.Errorf("missing %v, %v", missing, err)
			}
			if moved := server.count("PATCH "); (moved == 0) != same {
				t.Errorf("%d blobs were moved", moved)
			}
		})
	}
}

var _ authn.ContextKeychain = (*Logins)(nil)
