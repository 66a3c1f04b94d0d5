package logins

import (
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
)

// dockerHub are the hosts of Docker Hub.
var dockerHub = []string{"index.docker.io", "docker.io", "registry-1.docker.io"}

// entryOf returns the name by which entries for a repository, or for a part of
// a registry, are compared. Docker Hub has several hosts and one account.
func entryOf(host, path string) string {
	host = strings.ToLower(host)
	if slices.Contains(dockerHub, host) {
		host = dockerHub[0]
	}
	return strings.Trim(host+"/"+path, "/")
}

// spellings returns a host's names in credHelpers. Helpers know it by the
// first.
func spellings(host string) []string {
	if slices.Contains(dockerHub, host) {
		return append([]string{authn.DefaultAuthKey}, dockerHub...)
	}
	return []string{host}
}
