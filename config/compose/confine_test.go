package compose_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"tagline/config/compose"
)

// No path leads out of the workspace, and none is fetched.
func TestConfined(t *testing.T) {
	refuse(t, []refused{
		{"include of an unset path", "-- compose.yml --\ninclude: [\"${NOPE}/b.yml\"]\n", `compose.yml:1:11: error[unset-variable]: variable NOPE is not set; this check cannot know which file "${NOPE}/b.yml" is`},
		{"include from above", "-- compose.yml --\ninclude: [../b.yml]\n", `compose.yml:1:11: error[outside-workspace]: "../b.yml" is outside of the workspace, and is not read`},
		{"include from far above", "-- compose.yml --\ninclude:\n  - path: sub/../../../../../../../etc/passwd\n", `compose.yml:2:11: error[outside-workspace]: "sub/../../../../../../../etc/passwd" is outside of the workspace, and is not read`},
		{"include of an absolute path", "-- compose.yml --\ninclude: [/etc/passwd]\n", `compose.yml:1:11: error[outside-workspace]: "/etc/passwd" is outside of the workspace, and is not read`},
		{"env_file of an absolute path", "-- compose.yml --\ninclude:\n  - path: b.yml\n    env_file: /etc/passwd\n-- b.yml --\nservices: {}\n", `compose.yml:3:15: error[outside-workspace]: "/etc/passwd" is outside of the workspace, and is not read`},
		{"project_directory above", "-- compose.yml --\ninclude:\n  - path: b.yml\n    project_directory: ..\n-- b.yml --\nservices: {}\n", `compose.yml:3:24: error[outside-workspace]: ".." is outside of the workspace, and is not read`},
		{"extends an absolute path", "-- compose.yml --\nservices: {a: {extends: {file: /etc/passwd, service: root}}}\n", `compose.yml:1:32: error[outside-workspace]: "/etc/passwd" is outside of the workspace, and is not read`},
		{"env_file in capitals", "-- compose.yml --\ninclude:\n  - path: b.yml\n    ENV_FILE: /etc/passwd\n-- b.yml --\nservices: {}\n", `compose.yml:1:1: error[invalid-compose]: include.0 additional properties 'ENV_FILE' not allowed`},
		{"env_file in capitals, merged", "-- compose.yml --\nx-e: &e {Env_File: /etc/passwd}\ninclude:\n  - {<<: *e, path: b.yml}\n-- b.yml --\nservices: {}\n", `compose.yml:2:1: error[invalid-compose]: include.0 additional properties 'Env_File' not allowed`},
		{"env_file in capitals, merged twice", "-- compose.yml --\nx-e: &e {Env_File: /etc/passwd}\nx-f: &f {<<: *e}\ninclude:\n  - {<<: [*f], path: b.yml}\n-- b.yml --\nservices: {}\n", `compose.yml:3:1: error[invalid-compose]: include.0 additional properties 'Env_File' not allowed`},
		{"project_directory that is absolute", "-- compose.yml --\ninclude:\n  - path: b.yml\n    project_directory: /\n-- b.yml --\nservices: {}\n", `compose.yml:3:24: error[outside-workspace]: "/" is outside of the workspace, and is not read`},
		{"include within an include", "-- compose.yml --\ninclude: [sub/b.yml]\n-- sub/b.yml --\ninclude: [../../c.yml]\n", `sub/b.yml:1:11: error[outside-workspace]: "../../c.yml" is outside of the workspace, and is not read`},
		{"extends within extends", "-- compose.yml --\nservices: {a: {extends: {file: sub/b.yml, service: b}}}\n-- sub/b.yml --\nservices: {b: {extends: {file: ../../c.yml, service: c}}}\n", `sub/b.yml:1:32: error[outside-workspace]: "../../c.yml" is outside of the workspace, and is not read`},
		{"env_file of an include within an include", "-- compose.yml --\ninclude: [sub/b.yml]\n-- sub/b.yml --\ninclude: [{path: c.yml, env_file: ../../vars}]\n-- sub/c.yml --\nservices: {}\n", `sub/b.yml:1:35: error[outside-workspace]: "../../vars" is outside of the workspace, and is not read`},
		{"include of an empty path", "-- compose.yml --\ninclude: [\"\"]\n", `compose.yml:1:11: error[invalid-compose]: the path of a file is empty`},
		{"include by a variable", "-- .env --\nUP=..\n-- compose.yml --\ninclude: [\"$UP/b.yml\"]\n", `compose.yml:1:11: error[outside-workspace]: "$UP/b.yml" is outside of the workspace, and is not read`},
		{"include with git", "-- compose.yml --\ninclude: [\"git@github.com:a/b.git\"]\n", `compose.yml:1:11: error[remote-file]: "git@github.com:a/b.git" is not in the workspace; nothing is fetched`},
		{"include of an image", "-- compose.yml --\ninclude: [\"oci:ghcr.io/a/b\"]\n", `compose.yml:1:11: error[remote-file]: "oci:ghcr.io/a/b" is not in the workspace; nothing is fetched`},
		{"extends over the network", "-- compose.yml --\nservices: {a: {extends: {file: \"https://github.com/a/b.git\", service: a}}}\n", `compose.yml:1:32: error[remote-file]: "https://github.com/a/b.git" is not in the workspace; nothing is fetched`},
		{"include over the network", "-- compose.yml --\ninclude: [\"https://github.com/a/b.git\", \"oci://ghcr.io/a/b\"]\n", `compose.yml:1:11: error[remote-file]: "https://github.com/a/b.git" is not in the workspace; nothing is fetched`},
	})
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
			services, err := compose.Load(test.file, nil)
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
		services, err := compose.Load("compose.yml", nil)
		if err != nil || len(services) != 1 {
			t.Errorf("%v, %v", services, err)
		}
	})
	t.Run("a pipe is not waited for", func(t *testing.T) {
		workspaceOf(t, "")
		if err := syscall.Mkfifo("compose.yml", 0o600); err != nil {
			t.Skip(err)
		}
		if _, err := compose.Load("compose.yml", nil); err == nil || !strings.Contains(err.Error(), "found a device or pipe") {
			t.Error(err)
		}
	})
}

func TestWorkspace(t *testing.T) {
	workspaceOf(t, "-- repo/.git --\n-- repo/deploy/compose.yml --\ninclude: [../common.yml]\n-- repo/common.yml --\ninclude: [../above.yml]\n-- above.yml --\n-- elsewhere/sub/compose.yml --\ninclude: [../b.yml]\n-- elsewhere/b.yml --\nservices: {}\n")
	// The git work tree of the file bounds it, wherever it is run.
	if _, err := compose.Load("repo/deploy/compose.yml", nil); err == nil || err.Error() != `repo/common.yml:1:11: error[outside-workspace]: "../above.yml" is outside of the workspace, and is not read` {
		t.Error(err)
	}
	if _, err := compose.Load("elsewhere/sub/compose.yml", nil); err != nil {
		t.Error(err)
	}
	t.Chdir("repo")
	if _, err := compose.Load("../elsewhere/sub/compose.yml", nil); err == nil || err.Error() != `../elsewhere/sub/compose.yml:1:11: error[outside-workspace]: "../b.yml" is outside of the workspace, and is not read` {
		t.Error(err)
	}
}

// A stranger's compose file may name any variable of the process and of .env, on any
// way to a message.
func TestVariablesAreNotPrinted(t *testing.T) {
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
		"of .env":          "-- .env --\nPASSWORD=hunter2\n-- compose.yml --\nservices: {a: {image: \"localhost:5000/app:$PASSWORD\", mem_limit: $PASSWORD}}\n",
		"another file":     "-- key.json --\n{\"hunter2\": 1}\n-- b.yml --\nservices: {}\n-- compose.yml --\ninclude: [{path: b.yml, env_file: key.json}]\n",
		"env_file": "-- vars --\nA=$SECRET\n-- b.yml --\nservices: {a: {image: \"localhost:5000/app:$A\"}}\n" +
			"-- compose.yml --\ninclude: [{path: b.yml, env_file: vars}]\n",
	} {
		t.Run(name, func(t *testing.T) {
			workspaceOf(t, archive)
			said := ""
			services, err := compose.Load("compose.yml", map[string]string{"SECRET": "hunter2"})
			if err != nil {
				said = err.Error()
			}
			for _, f := range compose.Check(parseConfig(t), services).Findings {
				said += f.Error()
			}
			if said == "" || strings.Contains(said, "hunter2") {
				t.Errorf("said %q", said)
			}
		})
	}
}
