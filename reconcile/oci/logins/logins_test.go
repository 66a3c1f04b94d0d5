package logins_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"

	"tagline/reconcile/oci/logins"
	"tagline/reconcile/oci/ocitest"
)

const (
	runtimeFile = "run/containers/auth.json"
	podmanFile  = ".config/containers/auth.json"
	// answering is a helper that knows every host and puts its name into the
	// user.
	answering = "#!/bin/sh\nread host; echo '{\"Username\":\"helper of '$host'\",\"Secret\":\"s\"}'\n"
	empty     = "#!/bin/sh\necho credentials not found in native keychain; exit 1\n"
)

func user(t *testing.T, l *logins.Keychain, repository string) string {
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
	team := ocitest.Auths("ghcr.io/team/app", "ghcr.io/other", "ghcr.io/team", "ghcr.io")
	tests := []struct {
		name  string
		files map[string]string
		env   map[string]string
		want  map[string]string // repository -> user; "" is anonymous
	}{
		{name: "no file", want: map[string]string{"ghcr.io/team/app": ""}},
		{
			name: "the most specific entry", files: map[string]string{ocitest.DockerFile: ocitest.LoginsOf(team)},
			want: map[string]string{
				"ghcr.io/team/app": "0 ghcr.io/team/app", "ghcr.io/team/app/web": "0 ghcr.io/team/app", "ghcr.io/team/apple": "2 ghcr.io/team",
				"ghcr.io/team/more": "2 ghcr.io/team", "ghcr.io/teams": "3 ghcr.io", "ghcr.io/other": "1 ghcr.io/other", "ghcr.io/x/other": "3 ghcr.io",
				"quay.io/team/app": "", "ghcr.io.evil.com/team/app": "", "ghcr.io:5000/team/app": "",
			},
		},
		{
			name:  "robot accounts alone",
			files: map[string]string{ocitest.DockerFile: ocitest.LoginsOf(ocitest.Auths("ghcr.io/team/app", "ghcr.io/other", "ghcr.io/a", "ghcr.io/b", "ghcr.io/c"))},
			want:  map[string]string{"ghcr.io/team/app": "0 ghcr.io/team/app", "ghcr.io/other": "1 ghcr.io/other", "ghcr.io/team/more": ""},
		},
		{
			name:  "old spellings are of the host, and behind the plain one",
			files: map[string]string{ocitest.DockerFile: ocitest.LoginsOf(ocitest.Auths("https://a.io/v1/", "http://a.io", "a.io/v1/", "a.io", "https://b.io/v2/", "c.io/v1/", "https://d.io/team/app", "E.io"))},
			want: map[string]string{
				"a.io/x": "3 a.io", "b.io/x": "4 https_//b.io/v2/", "c.io/x": "5 c.io/v1/", "d.io/x": "6 https_//d.io/team/app", "e.io/x": "7 E.io", "a.io/v1/x": "3 a.io",
			},
		},
		{
			name:  "Docker Hub under its names",
			files: map[string]string{ocitest.DockerFile: ocitest.LoginsOf(ocitest.Auths("https://index.docker.io/v1/", "docker.io", "docker.io/team"))},
			want:  map[string]string{"docker.io/library/alpine": "0 https_//index.docker.io/v1/", "docker.io/team/app": "2 docker.io/team"},
		},
		{
			name:  "Docker Hub by podman",
			files: map[string]string{podmanFile: ocitest.LoginsOf(ocitest.Auths("docker.io"))},
			want:  map[string]string{"docker.io/library/alpine": "0 docker.io"},
		},
		{
			name: "entries before helpers, where they say something",
			files: map[string]string{
				ocitest.DockerFile:       ocitest.LoginsOf(ocitest.Auths("ghcr.io/team/app", "ghcr.io=", "quay.io"), `"credsStore":"all","credHelpers":{"quay.io":"one","docker.io":"one"}`),
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
			files: map[string]string{ocitest.DockerFile: ocitest.LoginsOf(ocitest.Auths("quay.io")), runtimeFile: ocitest.LoginsOf(ocitest.Auths("ghcr.io", "quay.io/team")), podmanFile: ocitest.LoginsOf(ocitest.Auths("gcr.io", "ghcr.io"))},
			want:  map[string]string{"ghcr.io/app": "0 ghcr.io", "gcr.io/app": "0 gcr.io", "quay.io/app": "0 quay.io", "quay.io/team/app": "1 quay.io/team"},
		},
		{
			name:  "equally specific: Docker's first",
			files: map[string]string{ocitest.DockerFile: ocitest.LoginsOf(ocitest.Auths("ghcr.io")), podmanFile: ocitest.LoginsOf(ocitest.Auths("x", "ghcr.io"))},
			want:  map[string]string{"ghcr.io/app": "0 ghcr.io"},
		},
		{
			name: "a helper of Docker's, entries of podman's",
			files: map[string]string{
				ocitest.DockerFile: ocitest.LoginsOf(`"credsStore":"all"`), podmanFile: ocitest.LoginsOf(ocitest.Auths("ghcr.io/team")), "docker-credential-all": answering,
			},
			want: map[string]string{"ghcr.io/team/app": "0 ghcr.io/team", "ghcr.io/app": "helper of ghcr.io"},
		},
		{
			name: "a helper that has none",
			files: map[string]string{
				ocitest.DockerFile: ocitest.LoginsOf(`"credsStore":"none"`), podmanFile: ocitest.LoginsOf(`"credHelpers":{"ghcr.io":"all"}`),
				"docker-credential-all": answering, "docker-credential-none": empty,
			},
			want: map[string]string{"ghcr.io/app": "helper of ghcr.io", "quay.io/app": ""},
		},
		{
			name:  "REGISTRY_AUTH_FILE before all files",
			files: map[string]string{ocitest.DockerFile: ocitest.LoginsOf(ocitest.Auths("ghcr.io/team/app", "quay.io")), "named.json": ocitest.LoginsOf(ocitest.Auths("x", "ghcr.io"))},
			env:   map[string]string{"REGISTRY_AUTH_FILE": "HOME/named.json"},
			want:  map[string]string{"ghcr.io/team/app": "1 ghcr.io", "quay.io/app": "1 quay.io"},
		},
		{
			name:  "DOCKER_AUTH_CONFIG before that",
			files: map[string]string{ocitest.DockerFile: ocitest.LoginsOf(ocitest.Auths("ghcr.io/team/app", "quay.io")), "named.json": ocitest.LoginsOf(ocitest.Auths("ghcr.io", "gcr.io"))},
			env:   map[string]string{"REGISTRY_AUTH_FILE": "HOME/named.json", "DOCKER_AUTH_CONFIG": ocitest.LoginsOf(ocitest.Auths("x", "ghcr.io"))},
			want:  map[string]string{"ghcr.io/team/app": "1 ghcr.io", "gcr.io/app": "1 gcr.io", "quay.io/app": "1 quay.io"},
		},
		{
			name:  "DOCKER_CONFIG instead of the home's",
			files: map[string]string{ocitest.DockerFile: ocitest.LoginsOf(ocitest.Auths("ghcr.io")), "ci/config.json": ocitest.LoginsOf(ocitest.Auths("x", "ghcr.io"))},
			env:   map[string]string{"DOCKER_CONFIG": "HOME/ci"},
			want:  map[string]string{"ghcr.io/app": "1 ghcr.io"},
		},
		{
			name:  "DOCKER_CONFIG that is no folder",
			files: map[string]string{ocitest.DockerFile: ocitest.LoginsOf(ocitest.Auths("ghcr.io")), podmanFile: ocitest.LoginsOf(ocitest.Auths("quay.io"))},
			env:   map[string]string{"DOCKER_CONFIG": "/dev/null"},
			want:  map[string]string{"ghcr.io/app": "", "quay.io/app": "0 quay.io"},
		},
		{
			name:  "XDG_CONFIG_HOME",
			files: map[string]string{podmanFile: ocitest.LoginsOf(ocitest.Auths("ghcr.io")), "xdg/containers/auth.json": ocitest.LoginsOf(ocitest.Auths("x", "ghcr.io"))},
			env:   map[string]string{"XDG_CONFIG_HOME": "HOME/xdg"},
			want:  map[string]string{"ghcr.io/app": "1 ghcr.io"},
		},
		{
			name: "tokens",
			files: map[string]string{
				ocitest.DockerFile:      ocitest.LoginsOf(`"auths":{"ghcr.io/a":{"registrytoken":"r"},"ghcr.io/b":{"identitytoken":"i"}},"credsStore":"tok"`),
				"docker-credential-tok": "#!/bin/sh\necho '{\"Username\":\"<token>\",\"Secret\":\"h\"}'\n",
			},
			want: map[string]string{"ghcr.io/a": "token r", "ghcr.io/b": "token i", "ghcr.io/c": "token h"},
		},
		{
			name: "a file that is no JSON", files: map[string]string{podmanFile: "no", ocitest.DockerFile: ocitest.LoginsOf(ocitest.Auths("ghcr.io"))},
			want: map[string]string{"ghcr.io/app": "ghcr.io: credentials: HOME/.config/containers/auth.json: invalid character 'o' in literal null (expecting 'u'); mend it, or remove it and log in again"},
		},
		{
			name: "a file that was named and is not there", files: map[string]string{ocitest.DockerFile: ocitest.LoginsOf(ocitest.Auths("ghcr.io"))},
			env:  map[string]string{"REGISTRY_AUTH_FILE": "HOME/nope.json"},
			want: map[string]string{"ghcr.io/app": "ghcr.io: credentials: REGISTRY_AUTH_FILE: open HOME/nope.json: no such file or directory"},
		},
		{
			name: "a variable that is no JSON", env: map[string]string{"DOCKER_AUTH_CONFIG": "no"},
			want: map[string]string{"ghcr.io/app": "ghcr.io: credentials: DOCKER_AUTH_CONFIG: invalid character 'o' in literal null (expecting 'u'); mend it, or remove it and log in again"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			home := ocitest.Machine(t, tt.files, tt.env)
			for repository, want := range tt.want {
				want = strings.ReplaceAll(want, "HOME", home)
				runs := 50
				if strings.Contains(want, " of ") {
					runs = 5 // each starts a program
				}
				got := map[string]int{}
				for range runs {
					got[user(t, logins.New(time.Minute, nil), repository)]++
				}
				if got[want] != runs {
					t.Errorf("%s: %v, want %q in %d runs", repository, got, want, runs)
				}
			}
		})
	}
}
