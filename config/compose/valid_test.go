package compose_test

import (
	"fmt"
	"strings"
	"testing"

	"tagline/config/compose"
)

// refused is a project that is not loaded, and what is said.
type refused struct{ name, archive, want string }

func refuse(t *testing.T, tests []refused) {
	t.Helper()
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			workspaceOf(t, test.archive)
			services, err := compose.Load("compose.yml", nil)
			if err == nil {
				t.Fatalf("accepted as %v", services)
			}
			if got := err.Error(); !strings.Contains(got, test.want) || strings.Contains(got, "\x00") {
				t.Errorf("got:\n%s\nwant:\n%s", got, test.want)
			}
		})
	}
}

// What docker compose would refuse has a place.
func TestInvalid(t *testing.T) {
	var wrong []string
	for i := range 40 {
		wrong = append(wrong, fmt.Sprintf("k%d: x", i))
	}
	refuse(t, []refused{
		{"not there", "", `compose.yml: error[unreadable-file]: no such file or directory`},
		{"folder", "-- compose.yml/a --\n", `compose.yml: error[unreadable-file]: the folder has none of compose.yaml, compose.yml, docker-compose.yml, docker-compose.yaml`},
		{"empty", "-- compose.yml --\n# nothing\n", `compose.yml: error[invalid-compose]: file is empty; expected services`},
		{"no YAML", "-- compose.yml --\nservices:\n  a: {image: 'x}\n", `compose.yml:2:3: error[syntax]: file is not YAML: found unexpected end of stream; a quote is not closed`},
		{"a list", "-- compose.yml --\n- a\n", `compose.yml:1:1: error[invalid-compose]: expected a map of services, volumes and the like`},
		{"key twice", "-- compose.yml --\nservices:\n  a: {image: x}\n  a: {image: y}\n", `compose.yml:3:3: error[duplicate-key]: "a" is given twice, first in line 2; keep one`},
		{"unknown key", "-- compose.yml --\nservices:\n  a:\n    image: x\n    imagee: y\n", `compose.yml:4:5: error[invalid-compose]: "imagee" is not a key of services.a`},
		{"wrong type", "-- compose.yml --\nservices:\n  a:\n    image: [x]\n", `compose.yml:3:5: error[invalid-compose]: services.a.image must be a string`},
		{"number as image", "-- compose.yml --\nservices:\n  a: {image: 10.10}\n", `compose.yml:2:7: error[invalid-compose]: services.a.image must be a string`},
		{"extends nothing", "-- compose.yml --\nservices:\n  a: {extends: b}\n", `compose.yml:2:16: error[invalid-compose]: service "b" is not in compose.yml`},
		{"extends nothing of another file", "-- compose.yml --\nservices:\n  a: {extends: {file: b.yml, service: b}}\n-- b.yml --\nservices: {c: {image: x}}\n", `compose.yml:2:39: error[invalid-compose]: service "b" is not in b.yml`},
		{"extends a missing file", "-- compose.yml --\nservices:\n  a: {extends: {file: b.yml, service: b}}\n", `compose.yml:2:23: error[unreadable-file]: "b.yml": no such file or directory`},
		{"extends itself", "-- compose.yml --\nservices:\n  a: {extends: b}\n  b: {extends: a}\n", `services extend each other`},
		{"extends in a cycle of files", "-- compose.yml --\nservices:\n  a: {extends: {file: b.yml, service: a}}\n-- b.yml --\nservices:\n  a: {extends: {file: compose.yml, service: a}}\n", `error[invalid-compose]: services extend each other, or more than 100 in a row`},
		{"extends a service that is wrong", "-- compose.yml --\nservices:\n  a: {extends: {file: b.yml, service: b}}\n-- b.yml --\nservices:\n  b: {imag: x, extends: c}\n  c: {image: x}\n", `b.yml:2:7: error[invalid-compose]: "imag" is not a key of services.b`},
		{"extends one that extends a wrong one", "-- compose.yml --\nservices:\n  a: {extends: {file: b.yml, service: b}}\n-- b.yml --\nservices:\n  b: {extends: c}\n  c: {image: 1}\n", `b.yml:3:7: error[invalid-compose]: services.c.image must be a string`},
		{"several documents", "-- compose.yml --\nservices: {a: {image: x}}\n---\nservices: {b: {imag: x}}\n", `compose.yml:3:16: error[invalid-compose]: "imag" is not a key of services.b`},
		{"include cycle", "-- compose.yml --\ninclude: [b.yml]\n-- b.yml --\ninclude: [./compose.yml]\n", `b.yml:1:11: error[invalid-compose]: files include each other: compose.yml -> b.yml -> compose.yml`},
		{"include of a missing file", "-- compose.yml --\ninclude: [b.yml]\n", `compose.yml:1:11: error[unreadable-file]: "b.yml": no such file or directory`},
		{"project_directory that is a number", "-- compose.yml --\ninclude:\n  - path: b.yml\n    project_directory: 1\n-- b.yml --\nservices: {}\n-- 1/.env --\nA=1\n", `compose.yml:1:1: error[invalid-compose]: include.0.project_directory must be a string`},
		{"include without a path", "-- compose.yml --\ninclude: [{env_file: vars}]\n-- vars --\nA=1\n", `compose.yml:1:11: error[invalid-compose]: include has no path`},
		{"include of nothing", "-- compose.yml --\ninclude: [~]\n", `compose.yml:1:1: error[invalid-compose]: include.0 must be a string`},
		{"a quote that isn't closed", "-- .env --\nA=1\nB='b\n'C=\"c\nd\n-- compose.yml --\nservices: {}\n", `.env:2:1: error[invalid-compose]: not a valid line of variables; expected NAME=value`},
		{"line of .env that is none", "-- .env --\nA=1\nb c\n-- compose.yml --\nservices: {}\n", `.env:2:1: error[invalid-compose]: not a valid line of variables; expected NAME=value`},
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
`, `compose.yml:7:5: error[invalid-compose]: error while interpolating services.app.deploy.replicas: failed to cast to expected type: strconv.Atoi: parsing "x": invalid syntax`},
		{"schema of an included file", `-- compose.yml --
include: [b.yml]
services: {}
-- b.yml --
services:
  b: {imagee: x}
`, `b.yml:2:7: error[invalid-compose]: "imagee" is not a key of services.b`},
		{"unknown key of a file", "-- compose.yml --\nservces: {}\n", `compose.yml:1:1: error[invalid-compose]: additional properties 'servces' not allowed`},
		{"unknown service", "-- compose.yml --\nservices:\n  \"a b\": {}\n", `compose.yml:2:3: error[invalid-compose]: services additional properties 'a b' not allowed`},
		{"an item of a list", "-- compose.yml --\nservices:\n  app:\n    ports: [\"80:80\", {target: [1]}]\n", `compose.yml:3:5: error[invalid-compose]: services.app.ports.1.target must be a integer or string`},
		{"one of few words", "-- compose.yml --\nservices:\n  app:\n    cgroup: hots\n", `compose.yml:3:5: error[invalid-compose]: services.app.cgroup value must be one of 'host', 'private'`},
		{"key that isn't text", "-- compose.yml --\nservices:\n  app:\n    ports: {80: 80}\n", `compose.yml:3:13: error[invalid-compose]: key "80" is not text; put it in quotes`},
		{"variables", `-- compose.yml --
services:
  a: {image: "a:${}", tty: "${T:-maybe}"}
  b: {command: "${"}
`, `compose.yml:2:14: error[invalid-compose]: "a:${}" has a variable that is none; write ${NAME}, or $$ for a dollar sign
compose.yml:3:16: error[invalid-compose]: "${" has a variable that is none; write ${NAME}, or $$ for a dollar sign`},
		{"what compose-go's types refuse", "-- compose.yml --\nservices:\n  a: {image: x}\n  b: {image: x, mem_limit: lots}\n", "compose.yml:3:17: error[invalid-compose]: decoding failed due to the following error(s): 'services[b].mem_limit' invalid size: 'lots'"},
		{"what compose-go takes for another type", "-- compose.yml --\nservices:\n  a: {extends: {file: b.yml, service: b}}\n-- b.yml --\nservices:\n  b: {build: {context: [a]}}\n", `b.yml:2:7: error[invalid-compose]: services.b.build.context must be a string`},
		{"merged of what doesn't fit", "-- compose.yml --\nservices:\n  a: {image: x, command: a}\n---\nservices:\n  a: [b]\n", `compose.yml:5:3: error[invalid-compose]: services.a must be a mapping`},
		{"all problems of the project at once", `-- compose.yml --
include: [b.yml]
servces: {}
services:
  app:
    ports: ["80:80", {target: [1]}]
    cgroup: hots
    mem_limit: lots
    deploy: {resources: {limit: {}}}
  web: [a]
  "a b": {image: x, tty: true}
volumes: {v: {drivr: x}}
---
services: {late: {restart: 1}}
-- b.yml --
services:
  b: {oom_score_adj: -1001}
`, `compose.yml:2:1: error[invalid-compose]: additional properties 'servces' not allowed
compose.yml:5:5: error[invalid-compose]: services.app.ports.1.target must be a integer or string
compose.yml:6:5: error[invalid-compose]: services.app.cgroup value must be one of 'host', 'private'
compose.yml:7:5: error[invalid-compose]: decoding failed due to the following error(s): 'services[app].mem_limit' invalid size: 'lots'
compose.yml:8:5: error[invalid-compose]: services.app.deploy.resources additional properties 'limit' not allowed
compose.yml:9:3: error[invalid-compose]: services.web must be a mapping
compose.yml:10:11: error[invalid-compose]: services additional properties 'a b' not allowed
compose.yml:10:21: error[invalid-compose]: services additional properties 'a b' not allowed
compose.yml:11:11: error[invalid-compose]: volumes.v additional properties 'drivr' not allowed
compose.yml:13:19: error[invalid-compose]: services.late.restart must be a string`},
		{"the first of many problems", "-- compose.yml --\nservices:\n  a: {" + strings.Join(wrong, ", ") + "}\n", `"k19" is not a key of services.a`},
		{"a key that is a map", "-- compose.yml --\nx-a: {? {a: b} : c}\n", `compose.yml:1:9: error[wrong-type]: a key is a map or a list; expected text`},
		{"a merge key of a text", "-- compose.yml --\nservices: {a: {<<: [{image: x}, y]}}\n", `compose.yml:1:33: error[invalid-compose]: a merge key takes maps alone`},
		{"a tag that does not fit", "-- compose.yml --\nservices: {a: {init: !!bool maybe}}\n", `compose.yml:1:16: error[invalid-compose]: error while interpolating services.a.init: failed to cast to expected type: invalid boolean: maybe`},
		{"extends without a service", "-- compose.yml --\nservices:\n  a: {extends: {file: b.yml}}\n-- b.yml --\nservices: {}\n", `compose.yml:2:7: error[invalid-compose]: services.a.extends must be a string`},
	})
}

// A file that can't be read is one problem, not two.
func TestLacking(t *testing.T) {
	workspaceOf(t, "-- compose.yml --\ninclude: [b.yml, none.yml]\nservices: {a: {extends: c}}\n-- b.yml --\nservices: {c: {imagee: x}}\n")
	want := "b.yml:1:16: error[invalid-compose]: \"imagee\" is not a key of services.c\ncompose.yml:1:18: error[unreadable-file]: \"none.yml\": no such file or directory"
	if _, err := compose.Load("compose.yml", nil); err == nil || err.Error() != want {
		t.Errorf("got:\n%v\nwant:\n%s", err, want)
	}
}
