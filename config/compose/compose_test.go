package compose_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"tagline/config"
	"tagline/config/compose"
	"tagline/policies"
)

// workspaceOf writes the files of a txtar archive into a folder of their own
// and goes there.
func workspaceOf(t testing.TB, archive string) {
	t.Helper()
	dir := t.TempDir()
	for _, f := range txtar.Parse([]byte(archive)).Files {
		path := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if chdir, ok := t.(interface{ Chdir(string) }); ok {
		chdir.Chdir(dir)
	}
}

func parseConfig(t testing.TB) *config.Config {
	t.Helper()
	cfg, err := config.Parse("images.yaml", []byte(images), config.Options{Policies: policies.Keys()})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

const images = `
registry: localhost:5000
policies: {platforms: [amd64, arm64]}
images:
  app:
    aliases:
      10: {amd64: 10.10, arm64: 10.20}
      11: 11.2
      12: {newest: "12.x"}
      alpine: {newest: "12.x", variant: alpine}
      edge: {newest: ">=13.0", prereleases: true}
      intel: {amd64: 10.10}
      latest: 10
      old: latest
      small: {amd64: 10.10, arm64: 10.20, arm/v6: 10.20}
      9: absent
  entirely: {aliases: {12: {newest: "12.x", whole: true}}}
  free:
    policies: {platforms: [amd64]}
    aliases: {1: 1.1, 2: {amd64: 2.1}}
  docker.io/nginx:
    aliases: {stable: "1.30"}
  gone: {aliases: {1: absent}}
  server: {aliases: {ltsc: {windows(10.0.17763)/amd64: ltsc2019, windows(10.0.20348)/amd64: ltsc2022}}}
`

// judge checks a compose.yml with one service "s" of the given lines.
func judge(t testing.TB, environment map[string]string, lines ...string) string {
	t.Helper()
	workspaceOf(t, "-- compose.yml --\nservices:\n  s:\n    "+strings.Join(lines, "\n    ")+"\n")
	services, err := compose.Load("compose.yml", environment)
	if err != nil {
		return err.Error()
	}
	var all []string
	for _, f := range compose.Check(parseConfig(t), services).Findings {
		all = append(all, f.Error())
	}
	return strings.Join(all, "\n")
}

func TestCheck(t *testing.T) {
	const digest = "sha256:4e388ab32b10dc8dbc7e28144f552830adc74787c1e2c0824032078a79f227fb"
	secret := map[string]string{"TAG": "s3cret", "PLATFORM": "s3cret", "REPOSITORY": "S3cret", "EMPTY": "", "TEN": "10", "NGINX": "ngnix"}
	for _, test := range []struct {
		name, image, platform, want string
	}{
		{"alias", "localhost:5000/app:10", "", ``},
		{"registry in another spelling", "LOCALHOST:5000/app:10", "", ``},
		{"another name of loopback", "127.0.0.1:5000/app:10", "", ``},
		{"another name of loopback, and no alias", "'[::1]:5000/app:9'", "", `compose.yml:3:12: error[absent-alias]: "[::1]:5000/app:9": images.yaml takes alias "9" away; expected "10", "11", "12", "alpine", "edge", "intel", "latest", "old" or one of 1 more`},
		{"another registry", "r.test/app:10.10", "", ``},
		{"another port", "localhost:5001/app:10.10", "", `compose.yml:3:12: warning[near-miss]: "localhost:5001/app:10.10" is not an image of images.yaml, and so it is not checked; did you mean localhost:5000/app?`},
		{"misspelt", "ngnix:stable", "", `compose.yml:3:12: warning[near-miss]: "ngnix:stable" is not an image of images.yaml, and so it is not checked; did you mean docker.io/library/nginx?`},
		{"misspelt, and short", "localhost:5000/fre:1", "", ``},
		{"misspelt, by the environment", "${NGINX}:stable", "", ``},
		{"another image", "localhost:5000/other:10.10", "", ``},
		{"no registry is Docker Hub", "app:10.10", "", `compose.yml:3:12: warning[near-miss]: "app:10.10" is not an image of images.yaml, and so it is not checked; did you mean localhost:5000/app?`},
		{"on Docker Hub", "nginx:1.30", "", `compose.yml:3:12: error[not-an-alias]: "nginx:1.30": tag "1.30" is a release that alias "stable" takes images from; write "stable"`},
		{"on Docker Hub, in full", "docker.io/library/nginx:stable", "", ``},
		{"version", "localhost:5000/app:10.10", "", `compose.yml:3:12: error[not-an-alias]: "localhost:5000/app:10.10": tag "10.10" is a release that alias "10", "intel" or "small" takes images from, but images.yaml does not say so for linux/arm64; if the service runs elsewhere, set its platform`},
		{"version of a range", "localhost:5000/app:12.3", "", `compose.yml:3:12: error[not-an-alias]: "localhost:5000/app:12.3": tag "12.3" is a version that alias "12" follows, and moves on from; write "12"`},
		{"version of a range and variant", "localhost:5000/app:12.3-alpine", "", `compose.yml:3:12: error[not-an-alias]: "localhost:5000/app:12.3-alpine": tag "12.3-alpine" is a version that alias "alpine" follows, and moves on from; write "alpine"`},
		{"prerelease", "localhost:5000/app:13.0-rc1", "", `compose.yml:3:12: error[not-an-alias]: "localhost:5000/app:13.0-rc1": tag "13.0-rc1" is a version that alias "edge" follows, and moves on from; write "edge"`},
		{"prerelease of a range of releases", "localhost:5000/app:12.0-rc1", "", `compose.yml:3:12: error[not-an-alias]: "localhost:5000/app:12.0-rc1": tag "12.0-rc1" is not an alias of app; did you mean "12"?`},
		{"version nearest to an alias", "localhost:5000/app:11.7", "", `compose.yml:3:12: error[not-an-alias]: "localhost:5000/app:11.7": tag "11.7" is not an alias of app; did you mean "11"?`},
		{"typo", "localhost:5000/app:lastest", "", `compose.yml:3:12: error[not-an-alias]: "localhost:5000/app:lastest": tag "lastest" is not an alias of app; did you mean "latest"?`},
		{"nothing near", "localhost:5000/free:production", "", `compose.yml:3:12: error[not-an-alias]: "localhost:5000/free:production": tag "production" is not an alias of free; expected "1" or "2"`},
		{"none there", "localhost:5000/gone:2", "", `compose.yml:3:12: error[not-an-alias]: "localhost:5000/gone:2": tag "2" is not an alias of gone, which has none`},
		{"no tag", "localhost:5000/app", "", ``},
		{"no tag and no latest", "localhost:5000/free", "", `compose.yml:3:12: error[not-an-alias]: "localhost:5000/free": no tag means "latest", which is not an alias of free; expected "1" or "2"`},
		{"absent", "localhost:5000/app:9", "", `compose.yml:3:12: error[absent-alias]: "localhost:5000/app:9": images.yaml takes alias "9" away; expected "10", "11", "12", "alpine", "edge", "intel", "latest", "old" or one of 1 more`},
		{"digest", "localhost:5000/free@" + digest, "", `compose.yml:3:12: error[digest-pin]: "localhost:5000/free@` + digest + `" is pinned to a digest, which no alias moves; write an alias of free: "1" or "2"`},
		{"tag and digest", "localhost:5000/free:1@" + digest, "", `compose.yml:3:12: error[digest-pin]: "localhost:5000/free:1@` + digest + `" is pinned to a digest, which no alias moves; write an alias of free: "1" or "2"`},
		{"no tag after the colon", "'localhost:5000/app:'", "", `compose.yml:3:12: error[invalid-image]: "localhost:5000/app:": the tag after the colon is empty`},
		{"tag that is none", "localhost:5000/app:a+b", "", `compose.yml:3:12: error[invalid-image]: "localhost:5000/app:a+b": tag "a+b" is not valid; expected 1 to 128 letters, digits, "_", "." and "-", the first neither "." nor "-"`},

		{"no image at all", "Upper:1", "", `compose.yml:3:12: warning[invalid-image]: "Upper:1": repository "Upper" has upper-case letters; write "upper"`},
		{"another image, pinned", "redis:7@" + digest, "", ``},
		{"has the platform", "localhost:5000/app:10", "linux/arm64/v8", ``},
		{"lacks the platform", "localhost:5000/app:10", "linux/s390x", `compose.yml:3:12: error[missing-platform]: "localhost:5000/app:10": alias "10" has linux/amd64, linux/arm64, and the service's platform is linux/s390x`},
		{"lacks a required platform", "localhost:5000/app:intel", "", `compose.yml:3:12: error[missing-platform]: "localhost:5000/app:intel": alias "intel" has linux/amd64; the platforms policy requires linux/arm64`},
		{"has what the service needs", "localhost:5000/app:intel", "linux/amd64", ``},
		{"a lower level of the architecture", "localhost:5000/app:intel", "linux/amd64/v3", ``},
		{"a lower variant", "localhost:5000/app:small", "linux/arm/v7", ``},
		{"a higher variant", "localhost:5000/app:small", "linux/arm/v5", `compose.yml:3:12: error[missing-platform]: "localhost:5000/app:small": alias "small" has linux/amd64, linux/arm64, linux/arm/v6, and the service's platform is linux/arm/v5`},
		{"a version of Windows", "localhost:5000/server:ltsc", "windows(10.0.20348.2966)/amd64", ``},
		{"a later Windows, which runs the one before", "localhost:5000/server:ltsc", "windows(10.0.26100)/amd64", ``},
		{"an earlier Windows", "localhost:5000/server:ltsc", "windows(10.0.14393)/amd64", `compose.yml:3:12: error[missing-platform]: "localhost:5000/server:ltsc": alias "ltsc" has windows(10.0.17763)/amd64, windows(10.0.20348)/amd64, and the service's platform is windows(10.0.14393)/amd64`},
		{"alias of an alias", "localhost:5000/app:old", "linux/s390x", `compose.yml:3:12: error[missing-platform]: "localhost:5000/app:old": alias "old" has linux/amd64, linux/arm64, and the service's platform is linux/s390x`},
		{"newest has what is required", "localhost:5000/app:12", "linux/s390x", `compose.yml:3:12: error[missing-platform]: "localhost:5000/app:12": alias "12" has linux/amd64, linux/arm64, and the service's platform is linux/s390x`},
		{"a whole version has what is required", "localhost:5000/entirely:12", "linux/arm64", ``},
		{"a whole version may have more", "localhost:5000/entirely:12", "linux/s390x", `compose.yml:3:12: warning[unknown-platforms]: "localhost:5000/entirely:12": images.yaml does not say whether alias "12" has linux/s390x, the service's platform; name it in the platforms policy, or its source in the alias`},
		{"a tag that the policy vouches for", "localhost:5000/app:11", "linux/arm64", ``},
		{"a tag without a platform needed", "localhost:5000/app:11", "", ``},
		{"a tag whose platforms are unknown", "localhost:5000/app:11", "linux/s390x", `compose.yml:3:12: warning[unknown-platforms]: "localhost:5000/app:11": images.yaml does not say whether alias "11" has linux/s390x, the service's platform; name it in the platforms policy, or its source in the alias`},
		{"a misspelt platform", "localhost:5000/app:10", "linux/amd46", `compose.yml:4:15: error[invalid-platform]: platform "linux/amd46" is unknown; did you mean "linux/amd64"?`},
		{"a misspelt system", "localhost:5000/app:10", "lin/amd64", `compose.yml:4:15: error[invalid-platform]: platform "lin/amd64" is unknown; did you mean "linux/amd64"?`},
		{"platform that is none", "localhost:5000/app:10", "linux/x68", `compose.yml:4:15: error[invalid-platform]: platform "linux/x68" is unknown; expected [os/]architecture[/variant], such as amd64, arm/v7 or windows/amd64`},
		{"a system alone", "localhost:5000/app:10", "linux", ``},
		{"a system alone, and what is required of it", "localhost:5000/app:intel", "linux", `compose.yml:3:12: error[missing-platform]: "localhost:5000/app:intel": alias "intel" has linux/amd64; the platforms policy requires linux/arm64`},
		{"a system that is missing", "localhost:5000/app:10", "Windows", `compose.yml:3:12: error[missing-platform]: "localhost:5000/app:10": alias "10" has linux/amd64, linux/arm64, and the service's platform is "Windows"`},
		{"platform by another name", "localhost:5000/app:10", "Linux/x86_64", ``},
		{"and one that is missing", "localhost:5000/app:10", "linux/armhf", `compose.yml:3:12: error[missing-platform]: "localhost:5000/app:10": alias "10" has linux/amd64, linux/arm64, and the service's platform is linux/arm/v7`},

		{"variable", "localhost:5000/app:${TEN}", "", ``},
		{"default", "localhost:5000/app:${NOTHING:-10}", "linux/${NOTHING-arm64}", ``},
		{"default of an empty variable", "localhost:5000/app:${EMPTY:-10}", "", ``},
		{"alternative of a missing variable", "localhost:5000/app:10${NOTHING:+.10}", "", ``},
		{"wrong default", "localhost:5000/app:${NOTHING:-10.20}", "", `compose.yml:3:12: error[not-an-alias]: "localhost:5000/app:${NOTHING:-10.20}" ("localhost:5000/app:10.20"): tag "10.20" is a release that alias "10" or "small" takes images from, but images.yaml does not say so for linux/amd64; if the service runs elsewhere, set its platform`},
		{"unset tag", "localhost:5000/app:${NOTHING}", "", `compose.yml:3:12: error[unset-variable]: "localhost:5000/app:${NOTHING}": variable NOTHING is not set; set it, put it into .env, or write a default, such as ${NOTHING:-10}`},
		{"unset after a default", "localhost:5000/app:${NOTHING:-1}${MORE}", "", `compose.yml:3:12: error[unset-variable]: "localhost:5000/app:${NOTHING:-1}${MORE}": variable MORE is not set; set it, put it into .env, or write a default, such as ${MORE:-10}`},
		{"required tag", "localhost:5000/app:${NOTHING:?say which}", "", `compose.yml:3:12: error[unset-variable]: "localhost:5000/app:${NOTHING:?say which}": variable NOTHING is not set; set it, put it into .env, or write a default, such as ${NOTHING:-10}`},
		{"unset registry", "${NOTHING}/app:10", "", `compose.yml:3:12: warning[unset-variable]: "${NOTHING}/app:10": variable NOTHING is not set; it can't be told which image this is`},
		{"unset registry of another image", "${NOTHING}/other:10", "", `compose.yml:3:12: warning[unset-variable]: "${NOTHING}/other:10": variable NOTHING is not set; it can't be told which image this is`},
		{"unset tag of another image", "redis:${NOTHING}", "", ``},
		{"all unset", "${NOTHING}", "", `compose.yml:3:12: warning[unset-variable]: "${NOTHING}": variable NOTHING is not set; it can't be told which image this is`},
		{"unset platform", "localhost:5000/app:10", "linux/${NOTHING}", `compose.yml:4:15: error[unset-variable]: platform "linux/${NOTHING}": variable NOTHING is not set`},
		{"not a text with variables", "localhost:5000/app:${}", "", `compose.yml:3:12: error[invalid-compose]: "localhost:5000/app:${}" has a variable that is none; write ${NAME}, or $$ for a dollar sign`},
		{"the environment stays out of the log", "localhost:5000/app:${TAG}", "", `compose.yml:3:12: error[not-an-alias]: "localhost:5000/app:${TAG}": the tag is not an alias of app; expected "10", "11", "12", "alpine", "edge", "intel", "latest", "old" or one of 1 more`},
		{"and its digest", "localhost:5000/app:1${TAG}+", "", `compose.yml:3:12: error[invalid-image]: "localhost:5000/app:1${TAG}+": not the name of an image, with the variables as they are set`},
		{"and the platform", "localhost:5000/app:10", "${PLATFORM}", `compose.yml:4:15: error[invalid-platform]: platform "${PLATFORM}" is unknown, with the variables as they are set`},
	} {
		t.Run(test.name, func(t *testing.T) {
			lines := []string{"image: " + test.image}
			if test.platform != "" {
				lines = append(lines, "platform: "+test.platform)
			}
			if got := judge(t, secret, lines...); got != test.want {
				t.Errorf("got:\n%s\nwant:\n%s", got, test.want)
			}
		})
	}
}

func TestBuild(t *testing.T) {
	if got := judge(t, nil, "build: ."); got != "" {
		t.Error(got)
	}
	for _, name := range []string{"localhost:5000/elsewhere:10.10", "ngnix", "${NOTHING}/app"} {
		if got := judge(t, nil, "build: .", "image: "+name); got != "" {
			t.Error(got)
		}
	}
	want := `compose.yml:4:12: warning[built-image]: "localhost:5000/app:10.10" is the name under which the service is built, and an image of images.yaml: it may be either on a machine; choose another name for what is built, or remove the build section`
	if got := judge(t, nil, "build: .", "image: localhost:5000/app:10.10"); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}
