package ocitest

import (
	"regexp"
	"strings"
)

// tokenPath is where a [TokenRegistry] issues tokens.
const tokenPath = "/token"

// endpoint is what a path of the distribution API addresses.
type endpoint struct {
	kind       string // "v2", "tags", "manifest(tag)", "manifest(digest)", "blob", "upload", "referrers", "token", "other"
	repository string // empty if the path names none
}

// Greedy, since a component of a repository may be named like an endpoint.
var reEndpoint = regexp.MustCompile(`^/v2/(.+)/(tags|manifests|blobs|referrers)/(.+)$`)

func parseEndpoint(path string) endpoint {
	switch path {
	case "/v2", "/v2/":
		return endpoint{kind: "v2"}
	case tokenPath:
		return endpoint{kind: "token"}
	}
	match := reEndpoint.FindStringSubmatch(path)
	if match == nil {
		return endpoint{kind: "other"}
	}
	repository, verb, reference := match[1], match[2], match[3]
	switch {
	case verb == "manifests" && strings.Contains(reference, ":"):
		return endpoint{"manifest(digest)", repository}
	case verb == "manifests":
		return endpoint{"manifest(tag)", repository}
	case verb == "blobs" && strings.HasPrefix(reference, "uploads/"):
		return endpoint{"upload", repository}
	case verb == "blobs":
		return endpoint{"blob", repository}
	}
	return endpoint{verb, repository}
}
