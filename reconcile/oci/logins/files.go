package logins

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	dockerconfig "github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/configfile"
	"github.com/google/go-containerregistry/pkg/authn"
)

// place is one file, or several of equal rank.
type place []loginFile

// loginFile has the logins of a file, and the helpers that it names.
type loginFile struct {
	from    string
	entries map[string]entry // by repository, parent or host
	config  *configfile.ConfigFile
}

// entry is a login of a file.
type entry struct {
	key  string // as written in the file
	from string
	auth authn.AuthConfig
}

// readPlaces reads the files, highest rank first. Files that the environment
// names come first, as they do for the tools that define the variables. The
// files that Docker and podman write by default have equal rank.
func readPlaces() ([]place, error) {
	var places []place
	if text := os.Getenv(configfile.DockerEnvConfigKey); text != "" {
		file, err := parseLogins(configfile.DockerEnvConfigKey, text)
		if err != nil {
			return nil, err
		}
		places = append(places, place{file})
	}
	if path := os.Getenv("REGISTRY_AUTH_FILE"); path != "" {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("REGISTRY_AUTH_FILE: %w", err)
		}
		file, err := parseLogins(path, string(text))
		if err != nil {
			return nil, err
		}
		places = append(places, place{file})
	}
	var usual place
	for _, path := range usualFiles() {
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) { // DOCKER_CONFIG=/dev/null means none
			continue
		}
		if err != nil {
			return nil, err
		}
		file, err := parseLogins(path, string(text))
		if err != nil {
			return nil, err
		}
		usual = append(usual, file)
	}
	return append(places, usual), nil
}

// usualFiles lists Docker's files, then podman's (containers-auth.json(5)).
func usualFiles() []string {
	var paths []string
	home, _ := os.UserHomeDir() // without a home there are fewer files
	add := func(folder string, name ...string) {
		if folder != "" {
			paths = append(paths, filepath.Join(append([]string{folder}, name...)...))
		}
	}
	if folder := os.Getenv(dockerconfig.EnvOverrideConfigDir); folder != "" {
		add(folder, dockerconfig.ConfigFileName)
	} else {
		add(home, ".docker", dockerconfig.ConfigFileName)
	}
	if folder := os.Getenv("XDG_RUNTIME_DIR"); folder != "" {
		add(folder, "containers", "auth.json")
	} else if runtime.GOOS == "linux" {
		add("/run/containers", strconv.Itoa(os.Getuid()), "auth.json")
	}
	if folder := os.Getenv("XDG_CONFIG_HOME"); folder != "" {
		add(folder, "containers", "auth.json")
	} else {
		add(home, ".config", "containers", "auth.json")
	}
	return paths
}

// parseLogins reads a file in Docker's format, which podman uses too.
func parseLogins(from, text string) (loginFile, error) {
	parsed, err := dockerconfig.LoadFromReader(strings.NewReader(text))
	if err != nil {
		return loginFile{}, fmt.Errorf("%s: %w; mend it, or remove it and log in again", from, err)
	}
	file := loginFile{from: from, entries: map[string]entry{}, config: parsed}
	for _, key := range slices.SortedFunc(maps.Keys(parsed.AuthConfigs), plainFirst) {
		a := parsed.AuthConfigs[key]
		auth := authn.AuthConfig{Username: a.Username, Password: a.Password, IdentityToken: a.IdentityToken, RegistryToken: a.RegistryToken}
		at := entryOf(splitKey(key))
		// "docker login" leaves an empty entry behind if a helper keeps the
		// credentials.
		if _, taken := file.entries[at]; !taken && auth != (authn.AuthConfig{}) {
			file.entries[at] = entry{key, from, auth}
		}
	}
	return file, nil
}

// plainFirst sorts keys so that the spelling of today's logins comes first if a
// file spells a host in several ways.
func plainFirst(a, b string) int {
	rank := func(key string) int {
		switch {
		case key == authn.DefaultAuthKey:
			return 0
		case !strings.Contains(key, "://"):
			return 1
		}
		return 2
	}
	return cmp.Or(cmp.Compare(rank(a), rank(b)), strings.Compare(a, b))
}

// splitKey splits an entry's key into host and path. A key with a scheme, or
// with the path of an API, is a host and nothing more: Docker used to write
// both.
func splitKey(key string) (host, path string) {
	_, rest, isURL := strings.Cut(key, "://")
	if !isURL {
		rest = key
	}
	host, path, _ = strings.Cut(rest, "/")
	if isURL || path == "v1/" || path == "v2/" {
		return host, ""
	}
	return host, path
}

// entry returns the most specific entry for a repository. If two are equally
// specific, the earlier file wins.
func (p place) entry(repository string) (entry, bool) {
	for at := repository; ; {
		for _, file := range p {
			if found, ok := file.entries[at]; ok {
				return found, true
			}
		}
		slash := strings.LastIndexByte(at, '/')
		if slash < 0 {
			return entry{}, false
		}
		at = at[:slash]
	}
}

// helpersFor returns the programs to ask for a host's credentials: from each
// file the one for that host, or else the one for all hosts.
func (p place) helpersFor(host string) []string {
	var programs []string
	for _, file := range p {
		name := file.config.CredentialsStore
		for _, spelling := range spellings(host) {
			if named := file.config.CredentialHelpers[spelling]; named != "" {
				name = named
				break
			}
		}
		if program := "docker-credential-" + name; name != "" && !slices.Contains(programs, program) {
			programs = append(programs, program)
		}
	}
	return programs
}
