package ocitest

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// DockerFile is where docker login writes, below the home.
const DockerFile = ".docker/config.json"

// Machine gives a test its own home with these files, so that no other logins
// exist. Their paths are relative to the home that it returns; HOME in a file
// or a variable stands for that path.
func Machine(t testing.TB, files map[string]string, env map[string]string) (home string) {
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

// Auths are the "auths" of a file of logins: an entry for each key. The entry's user is the key; a
// key that ends in "=" has an empty entry.
func Auths(keys ...string) string {
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

// LoginsOf is a file with these members, such as [Auths].
func LoginsOf(parts ...string) string { return "{" + strings.Join(parts, ",") + "}" }
