package transport

import "net/http"

// repeatability says when sending a request twice is safe.
type repeatability int

const (
	onceOnly  repeatability = iota
	ifRefused               // by a rate limit (429, RFC 6585, section 4); after any other answer, an upload's session may have moved on
	always
)

func repeatable(req *http.Request) repeatability {
	if req.Body != nil && req.Body != http.NoBody && req.GetBody == nil {
		return onceOnly
	}
	switch {
	case IsUpload(req):
		return ifRefused
	case req.Method == http.MethodGet, req.Method == http.MethodHead, req.Method == http.MethodDelete, req.Method == http.MethodPut:
		return always
	case req.Method == http.MethodPost: // asks for a token (OAuth2) or begins an upload; an unused one expires
		return always
	}
	return onceOnly
}

// withBodyOf gives each attempt its own copy of the body. If a request can
// always be repeated, the first attempt gets a copy too: when a token has
// expired, go-containerregistry sends the same request again
// (transport/bearer.go), and the body would be at its end.
//
// If a request can't always be repeated, withBodyOf removes GetBody: net/http
// would call it while the request holds a slot, and for a copy GetBody sends
// another request to the same host.
func withBodyOf(req *http.Request, own bool, repeat repeatability) (*http.Request, error) {
	if req.Body == nil || req.Body == http.NoBody {
		return req, nil
	}
	try := req.Clone(req.Context())
	if !own {
		body, err := req.GetBody()
		if err != nil {
			return nil, err
		}
		try.Body = body
	}
	if repeat != always {
		try.GetBody = nil
	}
	return try, nil
}
