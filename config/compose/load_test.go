package compose_test

import (
	"fmt"
	"strings"
	"testing"

	"tagline/config/compose"
)

// described is a line for each service: name, image, platform, build, and where
// the image is written.
func described(services []compose.Service) string {
	var b strings.Builder
	for _, s := range services {
		fmt.Fprintf(&b, "%s %s", s.Name, s.Image.Value)
		if s.Platform.Value != "" {
			fmt.Fprintf(&b, " %s", s.Platform.Value)
		}
		if s.Build {
			b.WriteString(" build")
		}
		if s.Image.Pos.Line > 0 {
			fmt.Fprintf(&b, " %s:%d:%d", s.Image.Pos.File, s.Image.Pos.Line, s.Image.Pos.Column)
		}
		b.WriteString("\n")
	}
	return b.String()
}

func TestLoad(t *testing.T) {
	for _, test := range []struct{ name, archive, want string }{
		{"profiles and builds", `
-- compose.yml --
services:
  web: {image: "app:1", profiles: [never]}
  job: {build: .}
  both: {build: {context: .}, image: app:2, platform: linux/arm64}
  neither: {command: [a]}
`, `
both app:2 linux/arm64 build compose.yml:4:38
job  build
neither 
web app:1 compose.yml:2:16
`},
		{"a service like an extension", `
-- compose.yml --
x-not: {image: "app:0"}
include:
services:
  x-api: {image: "app:1"}
  b: {extends: x-api, ports: ["80:80", "80:80"], depends_on: {x-api: {condition: service_started, required: "${R:-false}"}}}
`, `
b app:1 compose.yml:4:18
x-api app:1 compose.yml:4:18
`},
		{"what is not used of a file that is extended", `
-- compose.yml --
services:
  a: {extends: {file: old.yml, service: base}}
-- old.yml --
version: 3.8
servces: {}
services:
  base: {image: "app:1"}
  empty:
  other: {imagee: x}
`, `
a app:1 old.yml:4:17
`},
		{"variables", `
-- .env --
# of the team
TAG=1.2
export REPO="my ${TAG}"
FROM_PROCESS=file
MANY='a
b'
-- compose.yml --
name: Shop
services:
  a: {image: "app:$TAG"}
  b: {image: "app:${REPO}"}
  c: {image: "app:${FROM_PROCESS}"}
  d: {image: "app:$$TAG"}
  e: {image: "${MANY}"}
`, `
a app:1.2 compose.yml:3:14
b app:my 1.2 compose.yml:4:14
c app:process compose.yml:5:14
d app:$TAG compose.yml:6:14
e a
b compose.yml:7:14
`},
		{"anchors and merge keys", `
-- compose.yml --
x-base: &base
  image: app:1
  platform: linux/amd64
x-more: &more {image: "app:2", build: .}
services:
  a: *base
  b:
    <<: *base
    platform: linux/arm64
  c:
    <<: [*more, *base]
    image: &image app:3
  d:
    image: *image
`, `
a app:1 linux/amd64 compose.yml:2:10
b app:1 linux/arm64 compose.yml:2:10
c app:3 linux/amd64 build compose.yml:12:12
d app:3 compose.yml:12:12
`},
		{"extends", `
-- compose.yml --
services:
  a: {image: "app:1", platform: linux/arm64}
  b: {extends: a}
  c: {extends: {service: b}, image: "app:2"}
  d: {extends: {file: sub/base.yml, service: web}}
  e: {extends: a, image: !reset null, build: .}
-- sub/base.yml --
services:
  web: {extends: {file: deeper.yml, service: web}, platform: linux/amd64}
-- sub/deeper.yml --
services:
  web: {extends: common, build: .}
  common: {image: "app:3"}
`, `
a app:1 linux/arm64 compose.yml:2:14
b app:1 linux/arm64 compose.yml:2:14
c app:2 linux/arm64 compose.yml:4:37
d app:3 linux/amd64 build sub/deeper.yml:3:19
e  linux/arm64 build
`},
		{"include", `
-- compose.yml --
include:
  - sub/compose.yml
  - path: [other/compose.yml, other/more.yml]
    project_directory: .
    env_file: other/vars
services:
  a: {extends: b}
-- sub/compose.yml --
include: [../third.yml]
services:
  b: {image: "app:${TAG}"}
-- sub/.env --
TAG=sub
-- third.yml --
services:
  c: {image: "app:${TAG:-none}"}
-- other/compose.yml --
services:
  d: {image: "app:${TAG}", platform: linux/arm64}
-- other/more.yml --
services:
  d: {image: "app:more-${TAG}"}
-- other/vars --
TAG=other
`, `
a app:sub sub/compose.yml:3:14
b app:sub sub/compose.yml:3:14
c app:sub third.yml:2:14
d app:more-other linux/arm64 other/more.yml:2:14
`},
		{"files that the images don't need", `
-- compose.yml --
configs: {c: {file: /nowhere/c}}
secrets: {s: {file: ../s}}
models: {m: {model: ai/m}}
services:
  a:
    image: app:1
    env_file: [/nowhere/env, {path: ../env}]
    label_file: ../labels
    configs: [c]
    secrets: [s]
    models: [m]
    build: {context: ../.., dockerfile: /nowhere/Dockerfile}
    develop: {watch: [{path: ../.., action: sync, target: /x}]}
    credential_spec: {file: /nowhere/spec}
    volumes: ["/:/host", "~/x:/x"]
`, `
a app:1 build compose.yml:6:12
`},
		{"merged services and includes", `
-- compose.yml --
x-env: &env {env_file: vars}
x-services: &services
  a: {extends: {file: b.yml, service: b}}
include: [{<<: *env, path: c.yml}]
services:
  <<: *services
  c: {extends: a}
-- b.yml --
services:
  b: {image: "app:1"}
-- c.yml --
services:
  d: {image: "app:${TAG}"}
-- vars --
TAG=2
`, `
a app:1 b.yml:2:14
c app:1 b.yml:2:14
d app:2 c.yml:2:14
`},
		{"equal paths of other kinds", `
-- compose.yml --
include: [{path: sub/b.yml, env_file: vars}]
services:
  a: {extends: {file: sub/b.yml, service: b}, env_file: c.yml, command: c.yml}
-- vars --
-- sub/b.yml --
services:
  b: {extends: {file: c.yml, service: c}, env_file: vars}
-- sub/c.yml --
services:
  c: {image: "app:1"}
`, `
a app:1 sub/c.yml:2:14
b app:1 sub/c.yml:2:14
`},
		{"one file with two folders", `
-- compose.yml --
include: [{path: a/b.yml, project_directory: x}]
services: {b: {extends: {file: more.yml, service: b}}}
-- more.yml --
include: [nowhere.yml]
services: {b: {image: more}}
-- a/b.yml --
services: {a: {extends: {file: c.yml, service: c}}}
---
include: [{path: ../a/c.yml, project_directory: ../y}]
-- a/c.yml --
services: {d: {extends: {file: c.yml, service: c}}}
-- x/c.yml --
services: {c: {image: x}}
-- y/c.yml --
services: {c: {image: y}}
`, `
a x x/c.yml:1:23
b more more.yml:2:23
d y y/c.yml:1:23
`},
		{"no variables for an included file", `
-- compose.yml --
include: [{path: sub/b.yml, env_file: /dev/null}]
-- sub/.env --
TAG=sub
-- sub/b.yml --
services: {a: {image: "app:${TAG-none}"}}
`, `
a app:none sub/b.yml:1:23
`},
		{"services that replace all", `
-- compose.yml --
services:
  a: {image: "app:1"}
---
services: !override
  b: {image: "app:2"}
`, `
b app:2 compose.yml:5:14
`},
		{"one path for two files", `
-- compose.yml --
services: {a: {extends: {file: x/b.yml, service: b}}, c: {extends: {file: c.yml, service: c}}}
-- c.yml --
services: {c: {image: x}}
-- x/b.yml --
services: {b: {extends: {file: c.yml, service: c}}}
-- x/c.yml --
services: {c: {image: y}}
`, `
a y x/c.yml:1:23
c x c.yml:1:23
`},
		{"several documents", `
-- compose.yml --
services:
  a: {image: "app:1"}
  b: {image: "app:1", platform: linux/arm64}
  c: {image: "app:1"}
---
services:
  a: {image: "app:2"}
  b: !override {image: "app:2"}
  c: !reset null
`, `
a app:2 compose.yml:7:14
b app:2 compose.yml:8:24
`},
	} {
		t.Run(test.name, func(t *testing.T) {
			workspaceOf(t, strings.TrimPrefix(test.archive, "\n"))
			services, err := compose.Load("compose.yml", map[string]string{"FROM_PROCESS": "process"})
			if err != nil {
				t.Fatal(err)
			}
			if got, want := described(services), strings.TrimPrefix(test.want, "\n"); got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

func TestSeveralFiles(t *testing.T) {
	for _, test := range []struct{ name, project, archive, want string }{
		{"the later overrides", "a.yml:sub/b.yml", `
-- a.yml --
services:
  web: {image: "app:1", platform: linux/amd64}
  job: {image: "app:1"}
-- sub/b.yml --
services:
  web: {image: "app:${TAG}"}
  job: {image: !reset null, build: .}
-- .env --
TAG=2
`, `
job  build
web app:2 linux/amd64 sub/b.yml:2:16
`},
		{"what the other file completes", "a.yml:b.yml", `
-- a.yml --
models: {m: {model: x}}
services:
  web: {image: "app:1", provider: {type: x}}
-- b.yml --
models: {m: {context_size: 1}}
services:
  web: {provider: {options: {a: b}}}
`, `
web app:1 a.yml:3:16
`},
		{"paths are relative to the first", "sub/a.yml:b.yml", `
-- sub/a.yml --
services: {}
-- b.yml --
services:
  web: {extends: {file: base.yml, service: base}}
-- sub/base.yml --
services:
  base: {image: "app:1"}
`, `
web app:1 sub/base.yml:2:17
`},
		{"override beside a default name", "compose.yaml", `
-- compose.yaml --
services:
  web: {image: "app:1"}
-- compose.override.yaml --
services:
  web: {image: "app:2"}
`, `
web app:2 compose.override.yaml:2:16
`},
		{"no override beside another name", "compose.dev.yaml", `
-- compose.dev.yaml --
services:
  web: {image: "app:1"}
-- compose.override.yaml --
services:
  web: {image: "app:2"}
`, `
web app:1 compose.dev.yaml:2:16
`},
		{"no override beside a list", "compose.yaml:b.yaml", `
-- compose.yaml --
services:
  web: {image: "app:1"}
-- b.yaml --
services: {web: {platform: linux}}
-- compose.override.yaml --
services:
  web: {image: "app:2"}
`, `
web app:1 linux compose.yaml:2:16
`},
		{"a file with a colon in its name", "a:b.yml", `
-- a:b.yml --
services:
  web: {image: "app:1"}
`, `
web app:1 a:b.yml:2:16
`},
	} {
		t.Run(test.name, func(t *testing.T) {
			workspaceOf(t, strings.TrimPrefix(test.archive, "\n"))
			services, err := compose.Load(test.project, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := described(services), strings.TrimPrefix(test.want, "\n"); got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
	workspaceOf(t, "-- repo/.git --\n-- repo/a.yml --\nservices: {}\n-- b.yml --\nservices: {}\n")
	if _, err := compose.Load("repo/a.yml:b.yml", nil); fmt.Sprint(err) != "b.yml: error[outside-workspace]: the file is outside of the workspace of repo/a.yml, and is not read" {
		t.Error(err)
	}
}

// The current folder makes no difference, though compose-go by itself resolves
// the env_file of an include within an include against it.
func TestIncludeFromElsewhere(t *testing.T) {
	workspaceOf(t, `-- repo/.git --
-- repo/deploy/compose.yml --
include: [sub/compose.yml]
-- repo/deploy/sub/compose.yml --
include: [{path: more/base.yml, env_file: vars, project_directory: more}]
services:
  b: {extends: {file: more/base.yml, service: a}}
-- repo/deploy/sub/vars --
TAG=1
-- repo/deploy/sub/more/base.yml --
services:
  a: {image: "app:${TAG:-none}"}
  c: {extends: {file: ../../deeper.yml, service: c}}
-- repo/deploy/deeper.yml --
services:
  c: {extends: {file: ../common.yml, service: c}}
-- repo/common.yml --
services:
  c: {image: "app:c"}
-- elsewhere/vars --
TAG=2
`)
	t.Chdir("elsewhere")
	services, err := compose.Load("../repo/deploy/compose.yml", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := `a app:1 ../repo/deploy/sub/more/base.yml:2:14
b app:none ../repo/deploy/sub/more/base.yml:2:14
c app:c ../repo/common.yml:2:14
`
	if got := described(services); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// Equal texts in several files keep their own places.
func TestPlaces(t *testing.T) {
	workspaceOf(t, `-- compose.yml --
include: [b.yml, c.yml]
services:
  a: {extends: d}
  d: {image: "app:1"}
-- b.yml --
services:
  b: {image: "app:1"}
-- c.yml --
services:
  c: {extends: {file: b.yml, service: b}, platform: "${X-linux}"}
`)
	services, err := compose.Load("compose.yml", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := "a app:1 compose.yml:4:14\nb app:1 b.yml:2:14\nc app:1 linux b.yml:2:14\nd app:1 compose.yml:4:14\n"
	if got := described(services); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// A variable that images don't need may be missing, as it often is in CI.
func TestUnsetVariables(t *testing.T) {
	workspaceOf(t, `-- compose.yml --
services:
  a:
    image: app:1
    environment: {PASSWORD: "${PASSWORD:?set it}"}
    privileged: ${PRIVILEGED}
    healthcheck: {retries: "${RETRIES:?}"}
    ports: ["${PORT}:80"]
`)
	if services, err := compose.Load("compose.yml", nil); err != nil || described(services) != "a app:1 compose.yml:3:12\n" {
		t.Errorf("%v, %v", described(services), err)
	}
}
