package ecrtest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Call is a request that has arrived. An [Action] answers it.
type Call struct {
	Operation  string // as in [Registry.Calls]
	Repository string // empty if it is about no repository
	Permission string // the IAM action that it needs, without "ecr:"; empty for none
	Body       []byte // the JSON of an AWS API operation

	registry *Registry
	request  *http.Request
	serve    func(w http.ResponseWriter)
	refuse   func(w http.ResponseWriter, err error)
}

// Serve carries out the call, unless the operation exceeds its rate.
func (c *Call) Serve(w http.ResponseWriter) {
	if !c.registry.admit(c.Operation) {
		c.refuse(w, errThrottled())
		return
	}
	c.serve(w)
}

const (
	targetPrefix = "AmazonEC2ContainerRegistry_V20150921."
	maxBody      = 32 << 20 // a layer part of 20 MiB, in base64
)

// Greedy, since a component of a repository may be named like an endpoint.
var reEndpoint = regexp.MustCompile(`^/v2/(.+)/(manifests|blobs/uploads|blobs|tags|referrers)/(.*)$`)

// receive finds out which API a request is for, and what it is about. It
// returns a call even with an error, which the call can then answer.
func (r *Registry) receive(req *http.Request) (*Call, error) {
	c := &Call{registry: r, request: req}
	if signed, ok := strings.CutPrefix(req.URL.Path, layersPath); ok {
		c.Operation = "GET layer" // its URL was signed for a caller with the permission
		c.serve = func(w http.ResponseWriter) { r.serveLayer(w, c, signed) }
		c.refuse = refuseLayer
		return c, nil
	}
	if req.URL.Path == "/v2" || strings.HasPrefix(req.URL.Path, "/v2/") {
		r.receiveDistribution(c)
		return c, nil
	}
	c.refuse = refuseAPI
	operation, ok := strings.CutPrefix(req.Header.Get("X-Amz-Target"), targetPrefix)
	if !ok || req.Method != http.MethodPost || req.URL.Path != "/" {
		return c, refusal("UnknownOperationException", "")
	}
	body, err := io.ReadAll(io.LimitReader(req.Body, maxBody))
	if err != nil {
		return c, refusal("SerializationException", "%v", err)
	}
	var about target
	_ = json.Unmarshal(body, &about) // Serve reports what is wrong with it
	c.Operation, c.Permission, c.Repository, c.Body = operation, operation, about.RepositoryName, body
	c.serve = func(w http.ResponseWriter) { r.serveAPI(w, c, body) }
	return c, nil
}

// receiveDistribution names a request to /v2/ by its method and what it is
// about.
func (r *Registry) receiveDistribution(c *Call) {
	at, method := endpoint{}, c.request.Method
	if match := reEndpoint.FindStringSubmatch(c.request.URL.Path); match != nil {
		at = endpoint{repository: match[1], kind: match[2], reference: match[3]}
	}
	noun, permission := at.about(method)
	c.Operation, c.Repository, c.Permission = method+" "+noun, at.repository, permission
	c.refuse = refuseDistribution
	c.serve = func(w http.ResponseWriter) { r.serveDistribution(w, c, at) }
}

// bucket holds how many calls of an operation may come now.
type bucket struct {
	calls float64
	at    time.Time
}

// admit reports whether an operation is within its rate.
func (r *Registry) admit(operation string) bool {
	rate, limited := r.options.Rates[operation]
	if !limited {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.options.Now()
	b := r.buckets[operation]
	if b == nil {
		b = &bucket{calls: max(1, rate), at: now}
		r.buckets[operation] = b
	}
	b.calls = min(max(1, rate), b.calls+rate*now.Sub(b.at).Seconds())
	b.at = now
	if b.calls < 1 {
		return false
	}
	b.calls--
	return true
}

// do runs work with the store locked.
func (r *Registry) do(work func() error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return work()
}

func writeJSON(w http.ResponseWriter, contentType string, status int, v any) {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		panic(err) // our answers can always be marshaled
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(body.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // fails only if the client has hung up
}
