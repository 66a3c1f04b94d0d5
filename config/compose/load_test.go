package compose

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// described is a line for each service: name, image, platform, build, and where
// the image is written.
func described(services []Service) string {
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
  d: {image: "${COMPOSE_PROJECT_NAME}:$$TAG"}
  e: {image: "${MANY}"}
`, `
a app:1.2 compose.yml:3:14
b app:my 1.2 compose.yml:4:14
c app:process compose.yml:5:14
d shop:$TAG compose.yml:6:14
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
			services, err := Load("compose.yml", map[string]string{"FROM_PROCESS": "process"})
			if err != nil {
				t.Fatal(err)
			}
			if got, want := described(services), strings.TrimPrefix(test.want, "\n"); got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// What docker compose would refuse, what leaves the workspace, and what is made
// to take all memory and time there is.
func TestLoadRefuses(t *testing.T) {
	nested := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	laughs := "x-0: &a0 [ha,ha,ha,ha,ha,ha,ha,ha,ha]\n"
	for i := range 9 {
		laughs += fmt.Sprintf("x-%d: &a%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i), 9), ","))
	}
	doubled := "A=" + strings.Repeat("x", 1000) + "\n"
	for range 40 {
		doubled += "A=$A$A\n"
	}
	many := ""
	for i := range 30 {
		many += fmt.Sprintf("-- %d.yml --\ninclude: [%d.yml, ./%d.yml]\n", i, i+1, i+1)
	}
	for _, test := range []struct{ name, archive, want string }{
		{"not there", "", `compose.yml: error[unreadable-file]: no such file or directory`},
		{"folder", "-- compose.yml/a --\n", `compose.yml: error[unreadable-file]: expected a plain file, found a folder`},
		{"empty", "-- compose.yml --\n# nothing\n", `compose.yml: error[invalid-compose]: file is empty; expected services`},
		{"no YAML", "-- compose.yml --\nservices:\n  a: {image: 'x}\n", `compose.yml:2:3: error[syntax]: file is not YAML: found unexpected end of stream; a quote is not closed`},
		{"a list", "-- compose.yml --\n- a\n", `compose.yml:1:1: error[invalid-compose]: expected a map of services, volumes and the like`},
		{"too large", "-- compose.yml --\n" + strings.Repeat("# more\n", 200_000), `compose.yml: error[too-large]: file has 1400000 bytes; at most 1048576 are read`},
		{"key twice", "-- compose.yml --\nservices:\n  a: {image: x}\n  a: {image: y}\n", `compose.yml:3:3: error[duplicate-key]: "a" is given twice, first in line 2; keep one`},
		{"unknown key", "-- compose.yml --\nservices:\n  a:\n    image: x\n    imagee: y\n", `compose.yml:4:5: error[invalid-compose]: "imagee" is not a key of services.a`},
		{"wrong type", "-- compose.yml --\nservices:\n  a:\n    image: [x]\n", `compose.yml:3:5: error[invalid-compose]: services.a.image must be a string`},
		{"number as image", "-- compose.yml --\nservices:\n  a: {image: 10.10}\n", `compose.yml:2:7: error[invalid-compose]: services.a.image must be a string`},
		{"extends nothing", "-- compose.yml --\nservices:\n  a: {extends: b}\n", `compose.yml:2:3: error[invalid-compose]: cannot extend service "a" in compose.yml: service "b" not found`},
		{"extends nothing of another file", "-- compose.yml --\nservices:\n  a: {extends: {file: b.yml, service: b}}\n-- b.yml --\nservices: {c: {image: x}}\n", `compose.yml:2:3: error[invalid-compose]: cannot extend service "a" in compose.yml: service "b" not found in b.yml`},
		{"extends a missing file", "-- compose.yml --\nservices:\n  a: {extends: {file: b.yml, service: b}}\n", `compose.yml:2:23: error[unreadable-file]: "b.yml": no such file or directory`},
		{"extends itself", "-- compose.yml --\nservices:\n  a: {extends: b}\n  b: {extends: a}\n", `services extend each other`},
		{"extends in a cycle of files", "-- compose.yml --\nservices:\n  a: {extends: {file: b.yml, service: a}}\n-- b.yml --\nservices:\n  a: {extends: {file: compose.yml, service: a}}\n", `compose.yml:2:3: error[invalid-compose]: Circular reference: a in b.yml extends a in compose.yml extends a in b.yml`},
		{"extends a service that is wrong", "-- compose.yml --\nservices:\n  a: {extends: {file: b.yml, service: b}}\n-- b.yml --\nservices:\n  b: {imag: x, extends: c}\n  c: {image: x}\n", `b.yml:2:7: error[invalid-compose]: "imag" is not a key of services.a`},
		{"extends one that extends a wrong one", "-- compose.yml --\nservices:\n  a: {extends: {file: b.yml, service: b}}\n-- b.yml --\nservices:\n  b: {extends: c}\n  c: {image: 1}\n", `b.yml:3:7: error[invalid-compose]: services.a.image must be a string`},
		{"several documents", "-- compose.yml --\nservices: {a: {image: x}}\n---\nservices: {b: {imag: x}}\n", `compose.yml:3:16: error[invalid-compose]: "imag" is not a key of services.b`},
		{"include cycle", "-- compose.yml --\ninclude: [b.yml]\n-- b.yml --\ninclude: [./compose.yml]\n", `b.yml:1:11: error[invalid-compose]: files include each other: compose.yml -> b.yml -> compose.yml`},
		{"include of a missing file", "-- compose.yml --\ninclude: [b.yml]\n", `compose.yml:1:11: error[unreadable-file]: "b.yml": no such file or directory`},
		{"include of an unset path", "-- compose.yml --\ninclude: [\"${NOPE}/b.yml\"]\n", `compose.yml:1:11: error[unset-variable]: variable NOPE is not set; this check cannot know which file "${NOPE}/b.yml" is`},
		{"include from above", "-- compose.yml --\ninclude: [../b.yml]\n", `compose.yml:1:11: error[outside-workspace]: "../b.yml" is outside of the workspace, and is not read`},
		{"include from far above", "-- compose.yml --\ninclude:\n  - path: sub/../../../../../../../etc/passwd\n", `compose.yml:2:11: error[outside-workspace]: "sub/../../../../../../../etc/passwd" is outside of the workspace, and is not read`},
		{"include of an absolute path", "-- compose.yml --\ninclude: [/etc/passwd]\n", `compose.yml:1:11: error[outside-workspace]: "/etc/passwd" is outside of the workspace, and is not read`},
		{"env_file of an absolute path", "-- compose.yml --\ninclude:\n  - path: b.yml\n    env_file: /etc/passwd\n-- b.yml --\nservices: {}\n", `compose.yml:3:15: error[outside-workspace]: "/etc/passwd" is outside of the workspace, and is not read`},
		{"project_directory above", "-- compose.yml --\ninclude:\n  - path: b.yml\n    project_directory: ..\n-- b.yml --\nservices: {}\n", `compose.yml:3:24: error[outside-workspace]: ".." is outside of the workspace, and is not read`},
		{"extends an absolute path", "-- compose.yml --\nservices: {a: {extends: {file: /etc/passwd, service: root}}}\n", `compose.yml:1:32: error[outside-workspace]: "/etc/passwd" is outside of the workspace, and is not read`},
		{"env_file in capitals", "-- compose.yml --\ninclude:\n  - path: b.yml\n    ENV_FILE: /etc/passwd\n-- b.yml --\nservices: {}\n", `compose.yml:3:5: error[invalid-compose]: "ENV_FILE" is not a key of include`},
		{"env_file in capitals, merged", "-- compose.yml --\nx-e: &e {Env_File: /etc/passwd}\ninclude:\n  - {<<: *e, path: b.yml}\n-- b.yml --\nservices: {}\n", `compose.yml:1:10: error[invalid-compose]: "Env_File" is not a key of include`},
		{"env_file in capitals, merged twice", "-- compose.yml --\nx-e: &e {Env_File: /etc/passwd}\nx-f: &f {<<: *e}\ninclude:\n  - {<<: [*f], path: b.yml}\n-- b.yml --\nservices: {}\n", `compose.yml:1:10: error[invalid-compose]: "Env_File" is not a key of include`},
		{"project_directory that is absolute", "-- compose.yml --\ninclude:\n  - path: b.yml\n    project_directory: /\n-- b.yml --\nservices: {}\n", `compose.yml:3:24: error[outside-workspace]: "/" is outside of the workspace, and is not read`},
		{"project_directory that is a number", "-- compose.yml --\ninclude:\n  - path: b.yml\n    project_directory: 1\n-- b.yml --\nservices: {}\n-- 1/.env --\nA=1\n", `compose.yml:3:24: error[invalid-compose]: a project_directory is not a text`},
		{"include without a path", "-- compose.yml --\ninclude: [{env_file: vars}]\n-- vars --\nA=1\n", `compose.yml:1:11: error[invalid-compose]: include has no path`},
		{"include of nothing", "-- compose.yml --\ninclude: [~]\n", `compose.yml:1:11: error[invalid-compose]: include has no path`},
		{"include within an include", "-- compose.yml --\ninclude: [sub/b.yml]\n-- sub/b.yml --\ninclude: [../../c.yml]\n", `sub/b.yml:1:11: error[outside-workspace]: "../../c.yml" is outside of the workspace, and is not read`},
		{"extends within extends", "-- compose.yml --\nservices: {a: {extends: {file: sub/b.yml, service: b}}}\n-- sub/b.yml --\nservices: {b: {extends: {file: ../../c.yml, service: c}}}\n", `sub/b.yml:1:32: error[outside-workspace]: "../../c.yml" is outside of the workspace, and is not read`},
		{"env_file of an include within an include", "-- compose.yml --\ninclude: [sub/b.yml]\n-- sub/b.yml --\ninclude: [{path: c.yml, env_file: ../../vars}]\n-- sub/c.yml --\nservices: {}\n", `sub/b.yml:1:35: error[outside-workspace]: "../../vars" is outside of the workspace, and is not read`},
		{"include by a variable", "-- .env --\nUP=..\n-- compose.yml --\ninclude: [\"$UP/b.yml\"]\n", `compose.yml:1:11: error[outside-workspace]: "$UP/b.yml" ("../b.yml") is outside of the workspace, and is not read`},
		{"include with git", "-- compose.yml --\ninclude: [\"git@github.com:a/b.git\"]\n", `compose.yml:1:11: error[remote-file]: "git@github.com:a/b.git" is not in the workspace; nothing is fetched`},
		{"include of an image", "-- compose.yml --\ninclude: [\"oci:ghcr.io/a/b\"]\n", `compose.yml:1:11: error[remote-file]: "oci:ghcr.io/a/b" is not in the workspace; nothing is fetched`},
		{"extends over the network", "-- compose.yml --\nservices: {a: {extends: {file: \"https://github.com/a/b.git\", service: a}}}\n", `compose.yml:1:32: error[remote-file]: "https://github.com/a/b.git" is not in the workspace; nothing is fetched`},
		{"include over the network", "-- compose.yml --\ninclude: [\"https://github.com/a/b.git\", \"oci://ghcr.io/a/b\"]\n", `compose.yml:1:11: error[remote-file]: "https://github.com/a/b.git" is not in the workspace; nothing is fetched`},
		{"billion laughs", "-- compose.yml --\n" + laughs, `error[too-much]: file has more than 50000 values, with its YAML aliases written out`},
		{"YAML alias of itself", "-- compose.yml --\nx-a: &a [*a]\n", `error[too-deep]: maps, lists and YAML aliases are nested more than 100 deep`},
		{"merge of itself", "-- compose.yml --\nservices: &a\n  <<: *a\n", `error[too-deep]: maps, lists and YAML aliases are nested more than 100 deep`},
		{"nested deep", "-- compose.yml --\nx-a: " + nested(5000), `error[too-deep]: maps, lists and YAML aliases are nested more than 100 deep`},
		{"variables that double", "-- .env --\n" + doubled + "-- compose.yml --\nservices: {}\n", `.env:8:1: error[too-much]: variable "A" has 128000 bytes; at most 65536 are read`},
		{"variables that double in one line", "-- .env --\nA=\"xx\"" + strings.Repeat("A=\"$A$A\"", 40) + "\n-- compose.yml --\nservices: {}\n", `.env:1:1: error[too-much]: line in quotes has more than 12 variables`},
		{"variables that double in an included folder", "-- sub/.env --\n" + doubled + "-- compose.yml --\ninclude: [sub/b.yml]\n-- sub/b.yml --\nservices: {}\n", `sub/.env:8:1: error[too-much]: variable "A" has 128000 bytes; at most 65536 are read`},
		{"variables that double in the second of two files", "-- a --\nA=" + strings.Repeat("x", 1000) + "\n-- b --\nB=$A$A\n" + strings.Repeat("B=$B$B\n", 40) + "-- compose.yml --\ninclude: [{path: b.yml, env_file: [a, b]}]\n-- b.yml --\nservices: {}\n", `b:7:1: error[too-much]: variable "B" has 128000 bytes; at most 65536 are read`},
		{"a quote that isn't closed", "-- .env --\nA=1\nB='b\n'C=\"c\nd\n-- compose.yml --\nservices: {}\n", `.env:2:1: error[invalid-compose]: not a valid line of variables: `},
		{"long text with variables", "-- compose.yml --\nservices: {a: {image: \"" + strings.Repeat("${A:-", 20_000) + "\"}}\n", `compose.yml:1:23: error[invalid-compose]: text with variables in it has 100000 bytes; at most 4096 are read`},
		{"includes that double", "-- compose.yml --\ninclude: [0.yml]\n" + many + "-- 30.yml --\nservices: {z: {image: a}}\n", `error[too-much]: more than 300000 values, each as often as it is included or extended`},
		{"line of .env that is none", "-- .env --\nA=1\nb c\n-- compose.yml --\nservices: {}\n", `.env:2:1: error[invalid-compose]: not a valid line of variables: key cannot contain a space`},
	} {
		t.Run(test.name, func(t *testing.T) {
			workspaceOf(t, test.archive)
			services, err := Load("compose.yml", nil)
			if err == nil {
				t.Fatalf("accepted as %v", services)
			}
			if got := err.Error(); !strings.Contains(got, test.want) {
				t.Errorf("got:\n%s\nwant:\n%s", got, test.want)
			}
		})
	}
}

// A pull request may bring links.
func TestLinks(t *testing.T) {
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "secret"), []byte("services: {secret: {image: leaked}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, link, to, file string }{
		{"the file itself", "compose.yml", "secret", "compose.yml"},
		{"an included file", "b.yml", "secret", "include.yml"},
		{"its folder", "sub", ".", "folder.yml"},
		{".env", ".env", "secret", "services.yml"},
		{"a file that is extended", "b.yml", "secret", "extends.yml"},
		{"an env_file", "vars", "secret", "vars.yml"},
		{"a project_directory", "sub", ".", "directory.yml"},
		{".env of an included file", "own/.env", "secret", "own.yml"},
		{".env of a project_directory", "own/.env", "secret", "owner.yml"},
	} {
		t.Run(test.name, func(t *testing.T) {
			workspaceOf(t, "-- own/a.yml --\nservices: {}\n-- a.yml --\nservices: {}\n-- extends.yml --\nservices: {a: {extends: {file: b.yml, service: secret}}}\n"+
				"-- vars.yml --\ninclude: [{path: a.yml, env_file: [vars]}]\n-- directory.yml --\ninclude: [{path: a.yml, project_directory: sub}]\n"+
				"-- own.yml --\ninclude: [own/a.yml]\n-- owner.yml --\ninclude: [{path: a.yml, project_directory: own}]\n"+
				"-- include.yml --\ninclude: [b.yml]\n-- folder.yml --\ninclude: [sub/secret]\n-- services.yml --\nservices: {}\n")
			if err := os.Symlink(filepath.Join(outside, test.to), test.link); err != nil {
				t.Fatal(err)
			}
			services, err := Load(test.file, nil)
			if err == nil || strings.Contains(err.Error(), "leaked") || !strings.Contains(err.Error(), "link to somewhere outside of the workspace") {
				t.Errorf("%v, %v", services, err)
			}
		})
	}
	t.Run("a link that stays inside", func(t *testing.T) {
		workspaceOf(t, "-- real/b.yml --\nservices: {a: {image: x}}\n-- compose.yml --\ninclude: [b.yml]\n")
		if err := os.Symlink("real/b.yml", "b.yml"); err != nil {
			t.Fatal(err)
		}
		services, err := Load("compose.yml", nil)
		if err != nil || len(services) != 1 {
			t.Errorf("%v, %v", services, err)
		}
	})
	t.Run("a pipe is not waited for", func(t *testing.T) {
		workspaceOf(t, "")
		if err := syscall.Mkfifo("compose.yml", 0o600); err != nil {
			t.Skip(err)
		}
		if _, err := Load("compose.yml", nil); err == nil || !strings.Contains(err.Error(), "found a device or pipe") {
			t.Error(err)
		}
	})
}

func TestWorkspace(t *testing.T) {
	workspaceOf(t, "-- repo/.git --\n-- repo/deploy/compose.yml --\ninclude: [../common.yml]\n-- repo/common.yml --\ninclude: [../above.yml]\n-- above.yml --\n-- elsewhere/sub/compose.yml --\ninclude: [../b.yml]\n-- elsewhere/b.yml --\nservices: {}\n")
	// The git work tree of the file bounds it, wherever it is run.
	if _, err := Load("repo/deploy/compose.yml", nil); err == nil || err.Error() != `repo/common.yml:1:11: error[outside-workspace]: "../above.yml" is outside of the workspace, and is not read` {
		t.Error(err)
	}
	if _, err := Load("elsewhere/sub/compose.yml", nil); err != nil {
		t.Error(err)
	}
	t.Chdir("repo")
	if _, err := Load("../elsewhere/sub/compose.yml", nil); err == nil || err.Error() != `../elsewhere/sub/compose.yml:1:11: error[outside-workspace]: "../b.yml" is outside of the workspace, and is not read` {
		t.Error(err)
	}
}

func TestManyServices(t *testing.T) {
	var b strings.Builder
	b.WriteString("-- compose.yml --\nservices:\n  s0: {image: \"app:1\"}\n")
	for i := range 999 {
		fmt.Fprintf(&b, "  s%d: {extends: s%d, environment: {A: b}}\n", i+1, i/20)
	}
	workspaceOf(t, b.String())
	services, err := Load("compose.yml", nil)
	if err != nil || len(services) != 1000 || services[999].Image.Value != "app:1" {
		t.Fatalf("%d services, %v", len(services), err)
	}
}

// A stranger's compose file may name any variable of the process, on any way to
// a message.
func TestTheEnvironmentIsNotPrinted(t *testing.T) {
	for name, archive := range map[string]string{
		"include":          "-- compose.yml --\ninclude: [\"../${SECRET}\"]\n",
		"include, missing": "-- compose.yml --\ninclude: [\"${SECRET}\"]\n",
		"include, remote":  "-- compose.yml --\ninclude: [\"oci://${SECRET}\"]\n",
		"extends":          "-- compose.yml --\nservices: {a: {extends: \"${SECRET}\"}}\n",
		"image":            "-- compose.yml --\nservices: {a: {image: \"localhost:5000/app:${SECRET}\"}}\n",
		"image, name":      "-- compose.yml --\nservices: {a: {image: \"${SECRET}^\"}}\n",
		"message":          "-- compose.yml --\nservices: {a: {image: \"localhost:5000/app:${NOPE:?$SECRET}\"}}\n",
		"platform":         "-- compose.yml --\nservices: {a: {image: \"localhost:5000/app:10\", platform: \"$SECRET\"}}\n",
		"type":             "-- compose.yml --\nservices: {a: {image: \"localhost:5000/app:10.10\", healthcheck: {retries: $SECRET}}}\n",
		"schema":           "-- compose.yml --\nservices: {a: {image: \"localhost:5000/app:10.10\", pull_policy: $SECRET}}\n",
		"size":             "-- compose.yml --\nservices: {a: {image: \"localhost:5000/app:10.10\", mem_limit: $SECRET}}\n",
		"port":             "-- compose.yml --\nservices: {a: {image: \"localhost:5000/app:10.10\", ports: [$SECRET]}}\n",
		"by .env":          "-- .env --\nA=$SECRET\nB=x$A\n-- compose.yml --\nservices: {a: {image: \"localhost:5000/app:$B\"}}\n",
		"by .env, alone":   "-- .env --\nexport SECRET\n-- compose.yml --\nservices: {a: {image: \"localhost:5000/app:$SECRET\"}}\n",
		"error of .env":    "-- .env --\nA=${NOPE:?$SECRET}\n-- compose.yml --\nservices: {}\n",
		"env_file": "-- vars --\nA=$SECRET\n-- b.yml --\nservices: {a: {image: \"localhost:5000/app:$A\"}}\n" +
			"-- compose.yml --\ninclude: [{path: b.yml, env_file: vars}]\n",
	} {
		t.Run(name, func(t *testing.T) {
			workspaceOf(t, archive)
			said := ""
			services, err := Load("compose.yml", map[string]string{"SECRET": "hunter2"})
			if err != nil {
				said = err.Error()
			}
			for _, f := range Check(parseConfig(t, images), services).Findings {
				said += f.Error()
			}
			if said == "" || strings.Contains(said, "hunter2") {
				t.Errorf("said %q", said)
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
			services, err := Load(test.project, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := described(services), strings.TrimPrefix(test.want, "\n"); got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
	workspaceOf(t, "-- repo/.git --\n-- repo/a.yml --\nservices: {}\n-- b.yml --\nservices: {}\n")
	if _, err := Load("repo/a.yml:b.yml", nil); fmt.Sprint(err) != "b.yml: error[outside-workspace]: the file is outside of the workspace of repo/a.yml, and is not read" {
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
	services, err := Load("../repo/deploy/compose.yml", nil)
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
	services, err := Load("compose.yml", nil)
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
	if services, err := Load("compose.yml", nil); err != nil || described(services) != "a app:1 compose.yml:3:12\n" {
		t.Errorf("%v, %v", described(services), err)
	}
}

// What compose-go makes large is refused before it does.
func TestLarge(t *testing.T) {
	wide := "x-wide: &wide\n"
	for i := range 2000 {
		wide += fmt.Sprintf("  k%d: v\n", i)
	}
	extends := "services:\n  base: {labels: *wide}\n"
	chain := "services:\n  s0: {image: a}\n"
	for i := range 1000 {
		extends += fmt.Sprintf("  s%d: {extends: base}\n", i)
		chain += fmt.Sprintf("  s%d: {extends: s%d}\n", i+1, i)
	}
	keys := ""
	for i := range 10_001 {
		keys += fmt.Sprintf("  s%d: {image: a}\n", i)
	}
	includes := "-- compose.yml --\ninclude: [0.yml]\n"
	for i := range 150 {
		includes += fmt.Sprintf("-- %d.yml --\ninclude: [%d.yml]\n", i, i+1)
	}
	ranges := "services:\n  s0: {image: a}\n"
	for i := range 100 {
		ranges += fmt.Sprintf("  s%d: {extends: s%d, ports: [\"%d-%d:80\"]}\n", i+1, i, 600*i+1, 600*i+100)
	}
	others := ""
	for i := range 20 {
		others += fmt.Sprintf("  s%d: {extends: {file: b.yml, service: b}}\n", i)
	}
	merged := "-- compose.yml --\ninclude: [0.yml]\n"
	for i := range 12 { // each service gets what its file includes of it, and what it extends there
		merged += fmt.Sprintf("-- %d.yml --\ninclude: [%d.yml]\nservices:\n  s0: {labels: {a%d: b}}\n", i, i+1, i)
		for j := range 20 {
			merged += fmt.Sprintf("  s%d: {extends: s%d}\n", j+1, j)
		}
	}
	for _, test := range []struct{ name, archive, want string }{
		{"ports of services that extend each other", "-- compose.yml --\n" + ranges, "error[too-much]: more than 300000 values"},
		{"ports of another file", "-- compose.yml --\nservices:\n" + others + "-- b.yml --\nservices: {b: {image: a, ports: [\"1-5000:80\"]}}\n", "error[too-much]: more than 300000 values"},
		{"extends of what is included", merged + "-- 12.yml --\nservices: {s0: {image: a}}\n", "error[too-much]: more than 300000 values"},
		{"ports", "-- compose.yml --\nservices: {a: {image: x, ports: [\"1-65535\", \"1-65535:1-65535\"]}}\n", "error[too-much]: more than 300000 values"},
		{"ports by a variable", "-- .env --\nP=1-65535\n-- compose.yml --\nservices: {a: {image: x, ports: [\"$P\", \"${P}/udp\"]}}\n", "error[too-much]: more than 300000 values"},
		{"extends of a large service", "-- compose.yml --\n" + wide + extends, "error[too-much]: more than 300000 values"},
		{"a long chain of extends", "-- compose.yml --\n" + chain, "error[invalid-compose]: services extend each other"},
		{"a long chain of includes", includes + "-- 150.yml --\n" + wide + "services:\n  a: {labels: *wide}\n  b: {labels: *wide}\n", "error[too-much]: more than 300000 values"},
		{"a map", "-- compose.yml --\nservices:\n" + keys, "compose.yml:2:3: error[too-much]: map has more than 10000 keys"},
		{"resets", "-- compose.yml --\nservices: {a: {command: [" + strings.Repeat("!reset a,", 300) + "]}}\n", "error[too-much]: file has more than 200 values with !reset or !override"},
	} {
		t.Run(test.name, func(t *testing.T) {
			workspaceOf(t, test.archive)
			if _, err := Load("compose.yml", nil); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

// All problems are told, each with its place.
func TestProblems(t *testing.T) {
	for _, test := range []struct{ name, archive, want string }{
		{"schema", `-- compose.yml --
include: [b.yml]
servces: {}
services:
  app:
    ports: ["80:80", {target: [1]}]
    cgroup: hots
    deploy: {replicas: "${N:-x}", resources: {limit: {}}}
  web: [a]
  "a b": {}
-- b.yml --
services:
  b: {oom_score_adj: -1001}
`, `compose.yml:7:24: error[invalid-compose]: "${N:-x}" ("x"): expected a number`},
		{"schema of an included file", `-- compose.yml --
include: [b.yml]
services: {}
-- b.yml --
services:
  b: {imagee: x}
`, `b.yml:2:7: error[invalid-compose]: "imagee" is not a key of services.b`},
		{"unknown key of a file", "-- compose.yml --\nservces: {}\n", `compose.yml:1:1: error[invalid-compose]: "servces" is not a key of a compose file`},
		{"unknown service", "-- compose.yml --\nservices:\n  \"a b\": {}\n", `compose.yml:2:3: error[invalid-compose]: "a b" is not a key of services`},
		{"an item of a list", "-- compose.yml --\nservices:\n  app:\n    ports: [\"80:80\", {target: [1]}]\n", `compose.yml:3:23: error[invalid-compose]: services.app.ports.1.target must be a integer or string`},
		{"one of few words", "-- compose.yml --\nservices:\n  app:\n    cgroup: hots\n", `compose.yml:3:5: error[invalid-compose]: services.app.cgroup value must be one of 'host', 'private'`},
		{"key that isn't text", "-- compose.yml --\nservices:\n  app:\n    ports: {80: 80}\n", `compose.yml:3:5: error[invalid-compose]: non-string key in services.app.ports: 80`},
		{"variables", `-- compose.yml --
services:
  a: {image: "a:${}", tty: "${T:-maybe}"}
  b: {command: "${"}
`, `compose.yml:2:14: error[invalid-compose]: "a:${}" has a variable that is none; write ${NAME}, or $$ for a dollar sign
compose.yml:2:28: error[invalid-compose]: "${T:-maybe}" ("maybe"): invalid boolean: maybe
compose.yml:3:16: error[invalid-compose]: "${" has a variable that is none; write ${NAME}, or $$ for a dollar sign`},
		{"one file with two folders", `-- compose.yml --
include: [{path: a/b.yml, project_directory: x}, {path: a/b.yml, project_directory: y}]
-- a/b.yml --
services: {a: {extends: {file: c.yml, service: c}}}
-- x/c.yml --
services: {c: {image: x}}
-- y/c.yml --
services: {c: {image: y}}
`, `a/b.yml: error[invalid-compose]: the file is included with two project directories; include a copy of it`},
		{"one path for two files", `-- compose.yml --
services: {a: {extends: {file: x/b.yml, service: b}}, c: {extends: {file: c.yml, service: c}}}
-- c.yml --
services: {c: {image: x}}
-- x/b.yml --
services: {b: {extends: {file: c.yml, service: c}}}
-- x/c.yml --
services: {c: {image: y}}
`, `x/b.yml:1:32: error[invalid-compose]: this path stands for two files here; give one of them another path`},
		{"what compose-go's types refuse", "-- compose.yml --\nservices:\n  a: {image: x}\n  b: {image: x, mem_limit: lots}\n", "compose.yml:3:3: error[invalid-compose]: decoding failed due to the following error(s): 'services[b].mem_limit' invalid size: 'lots'"},
		{"a panic of compose-go", "-- compose.yml --\nservices:\n  a: {extends: {file: b.yml, service: b}}\n-- b.yml --\nservices:\n  b: {build: {context: [a]}}\n", `compose.yml: error[invalid-compose]: compose-go can't read this project: `},
		{"merged of what doesn't fit", "-- compose.yml --\nservices:\n  a: {image: x, command: a}\n---\nservices:\n  a: [b]\n", `compose.yml:2:3: error[invalid-compose]: services.a must be a mapping`},
	} {
		t.Run(test.name, func(t *testing.T) {
			workspaceOf(t, test.archive)
			_, err := Load("compose.yml", nil)
			if got := fmt.Sprint(err); !strings.Contains(got, test.want) || strings.Contains(got, "\x00") {
				t.Errorf("got:\n%s\nwant:\n%s", got, test.want)
			}
		})
	}
}
