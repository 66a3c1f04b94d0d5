package ecrtest

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
)

// ServeHTTP serves both APIs, and the layer URLs that they return.
func (r *Registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	call, err := r.receive(req)
	if err != nil {
		call.refuse(w, err)
		return
	}
	r.mu.Lock()
	r.calls[call.Operation]++
	action := r.script.action(call.Operation)
	r.mu.Unlock()
	action(w, call)
}

const (
	targetPrefix = "AmazonEC2ContainerRegistry_V20150921."
	maxBody      = 32 << 20 // a layer part of 20 MiB, in base64
)

// receive finds out which API a request is for, and what it is about. It
// returns a call even with an error, which the call can then answer.
func (r *Registry) receive(req *http.Request) (*Call, error) {
	c := &Call{account: r.options.Account, region: r.options.Region, request: req, admitted: r.admit}
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
