package config

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// Repository is a repository of a registry in its canonical spelling: lower
// case, no default port, Docker Hub as docker.io.
type Repository struct {
	Host string // "localhost:5000", "docker.io"
	Path string // "my-image", "library/nginx"
}

func (r Repository) String() string { return r.Host + "/" + r.Path }

// Reference is the text of a tag or a digest of the repository:
// "localhost:5000/my-image:10".
func (r Repository) Reference(reference string) string {
	if IsDigest(reference) {
		return r.String() + "@" + reference
	}
	return r.String() + ":" + reference
}

// IsDigest reports whether a tag or a digest is a digest. A tag has no colon.
func IsDigest(reference string) bool { return strings.Contains(reference, ":") }

// Compare orders repositories by host, then by path.
func (r Repository) Compare(o Repository) int {
	return cmp.Or(cmp.Compare(r.Host, o.Host), cmp.Compare(r.Path, o.Path))
}

var (
	// pathPattern is the grammar of a repository name: OCI
	// distribution-spec 1.1, "Pulling manifests".
	pathPattern = regexp.MustCompile(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$`)
	// dnsPattern is a host name: RFC 1123, section 2.1.
	dnsPattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$`)
)

// ParseRepository reads "repository" or "host/repository". As in Docker, the
// first segment is a host if it has a dot or a colon, or is localhost.
// defaultHost is for a repository without a host, "" if there is none.
func ParseRepository(text, defaultHost string) (Repository, error) {
	if strings.Contains(text, "@") { // says nothing of what may be a password
		return Repository{}, errors.New(`repository has "@" in it; expected repository or host/repository, without credentials or a digest`)
	}
	if _, rest, found := strings.Cut(text, "://"); found {
		return Repository{}, fmt.Errorf("repository %s is a URL; write %s", quote(text), quote(rest))
	}
	host, path := splitHost(text)
	bare, tag := cutTag(text)
	switch {
	case host == "" && tag != "" && IsRegistry(text):
		return Repository{}, errNoRegistry(text, inTheFile)
	case tag != "" && pathPattern.MatchString(path[:len(path)-len(tag)-1]):
		return Repository{}, fmt.Errorf("repository %s has a tag; write %s", quote(text), quote(bare))
	case host == "" && defaultHost == "":
		return Repository{}, errNoRegistry(text, inTheFile)
	}
	host, err := ParseHost(cmp.Or(host, defaultHost))
	if err != nil {
		return Repository{}, err
	}
	switch {
	case pathPattern.MatchString(path):
	case pathPattern.MatchString(strings.ToLower(path)):
		return Repository{}, fmt.Errorf("repository %s has upper-case letters; write %s", quote(path), quote(strings.ToLower(path)))
	default:
		return Repository{}, fmt.Errorf(`repository %s is not a valid name; expected lower-case letters and digits, joined by ".", "_", "__" or "-", in parts divided by "/"`, quote(path))
	}
	if host == dockerHub && !strings.Contains(path, "/") {
		path = "library/" + path
	}
	// The limit of many clients: OCI distribution-spec 1.1, "Pulling
	// manifests", note on names.
	if n := len(host) + 1 + len(path); n > 255 {
		return Repository{}, fmt.Errorf("repository %s has %d characters with its host; at most 255 are allowed", quote(path), n)
	}
	return Repository{Host: host, Path: path}, nil
}

// inTheFile is where a registry can be set.
const inTheFile = `add "registry: host" to the file, `

// errNoRegistry is for a repository without a host. set is where a registry can be
// set for it, "" if there is no such file.
func errNoRegistry(text, set string) error {
	if IsRegistry(text) {
		return fmt.Errorf("%s is a registry; name a repository, such as %s", quote(text), quote(text+"/team/image"))
	}
	return fmt.Errorf("repository %s has no registry; write it as host/repository, %sor give --registry (or TAGLINE_REGISTRY)", quote(text), set)
}

// IsRegistry reports whether a text names a host and no repository.
func IsRegistry(text string) bool {
	name, _, _ := strings.Cut(text, ":")
	_, err := ParseHost(text)
	return err == nil && (strings.ContainsAny(name, ".[") || strings.EqualFold(name, "localhost"))
}

// cutTag cuts the tag from a reference. It is "" if there is none.
func cutTag(text string) (bare, tag string) {
	colon := strings.LastIndexByte(text, ':')
	if colon <= strings.LastIndexByte(text, '/') || CheckTag(text[colon+1:]) != nil {
		return text, ""
	}
	return text[:colon], text[colon+1:]
}

// splitHost splits "host/path". The host is "" if the text has none.
func splitHost(text string) (host, path string) {
	first, rest, found := strings.Cut(text, "/")
	if found && (strings.ContainsAny(first, ".:") || strings.EqualFold(first, "localhost")) {
		return first, rest
	}
	return "", text
}

const dockerHub = "docker.io"

// ParseHost reads "host" or "host:port", and returns its canonical spelling.
//
// The port 443 is dropped only from names with a dot: they always use HTTPS,
// while an address or localhost may not.
func ParseHost(text string) (string, error) {
	_, bare, scheme := strings.Cut(text, "://")
	if !scheme {
		bare = text
	}
	at := strings.LastIndexByte(bare, '@')
	bare, _, path := strings.Cut(bare[at+1:], "/")
	switch {
	case at >= 0: // says nothing of what may be a password
		return "", fmt.Errorf("registry has credentials in it; write %s, and log in to it with docker login", quote(bare))
	case scheme:
		return "", fmt.Errorf("registry %s has a scheme; write %s", quote(text), quote(bare))
	case path:
		return "", fmt.Errorf("registry %s has a path; write %s, and the path in the names of the images", quote(text), quote(bare))
	}

	invalid := fmt.Errorf(`registry %s is not a host; expected a name with a dot or a port, or an address, such as "ghcr.io", "localhost:5000" or "[::1]:5000"`, quote(text))
	name, port, hasPort := strings.Cut(strings.ToLower(text), ":")
	if inside, found := strings.CutPrefix(strings.ToLower(text), "["); found {
		inside, after, closed := strings.Cut(inside, "]")
		address, err := netip.ParseAddr(inside)
		if err != nil || !closed || !address.Is6() || address.Zone() != "" || after != "" && after[0] != ':' {
			return "", invalid
		}
		name = "[" + address.String() + "]"
		_, port, hasPort = strings.Cut(after, ":")
	} else if !isHostName(name) || !strings.Contains(name, ".") && !hasPort && name != "localhost" {
		return "", invalid
	}
	if !hasPort {
		return hubName(name), nil
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil || number == 0 {
		return "", fmt.Errorf("registry %s has the port %s; expected 1 to 65535", quote(text), quote(port))
	}
	if _, err := netip.ParseAddr(name); number == 443 && err != nil && name[0] != '[' && strings.Contains(name, ".") {
		return hubName(name), nil
	}
	return name + ":" + strconv.FormatUint(number, 10), nil
}

// isHostName reports whether the name is a DNS name or an IPv4 address. A name
// that ends in a number must be an address.
func isHostName(name string) bool {
	if len(name) > 253 || !dnsPattern.MatchString(name) {
		return false
	}
	last := name[strings.LastIndexByte(name, '.')+1:]
	if digits(last) < len(last) {
		return true
	}
	_, err := netip.ParseAddr(name)
	return err == nil
}

// hubName returns docker.io for every name of Docker Hub.
func hubName(name string) string {
	switch name {
	case "index.docker.io", "registry-1.docker.io":
		return dockerHub
	}
	return name
}
