package transport

import (
	"net/http"
	"strings"
)

// Route is what a request asks for, by the paths of the distribution-spec,
// "Endpoints".
type Route struct {
	Resource  string // "manifests", "blobs", "uploads", "referrers"; anything else for a token or a ping
	Reference string // tag, digest or session
}

// RouteOf takes the path from before any redirects: a blob's address on a
// storage service says nothing.
func RouteOf(req *http.Request) Route {
	rest, ok := strings.CutPrefix(original(req).URL.Path, "/v2/")
	parts := strings.Split(rest, "/")
	if !ok || len(parts) < 3 { // name, resource, reference
		return Route{}
	}
	return Route{parts[len(parts)-2], parts[len(parts)-1]}
}

// original returns the request before any redirects.
func original(req *http.Request) *http.Request {
	for req.Response != nil && req.Response.Request != nil {
		req = req.Response.Request
	}
	return req
}

// IsUpload reports whether a request sends a blob or completes an upload. The
// registry chooses its URL (the Location of the upload).
func IsUpload(req *http.Request) bool {
	return req.Method == http.MethodPatch || req.Method == http.MethodPut && RouteOf(req).Resource != "manifests"
}

// uploadedTo returns the repository of an upload, with the host that is asked. It is
// "" if the registry has chosen a URL that does not say.
func uploadedTo(req *http.Request) string {
	rest, ok := strings.CutPrefix(req.URL.Path, "/v2/")
	if path, _, found := strings.Cut(rest, "/blobs/uploads/"); ok && found {
		return req.URL.Host + "/" + path
	}
	return ""
}

func isBlob(req *http.Request) bool {
	return req.Method == http.MethodGet && RouteOf(req).Resource == "blobs"
}
