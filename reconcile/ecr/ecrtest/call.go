package ecrtest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
)

// Call is a request that has arrived. An [Action] answers it.
type Call struct {
	Operation  string // as in [Registry.Calls]
	Repository string // empty if it is about no repository
	Permission string // the IAM action that it needs, without "ecr:"; empty for none
	Body       []byte // the JSON of an AWS API operation

	account, region string // of the registry
	request         *http.Request
	admitted        func(operation string) bool // whether an operation is within its rate
	serve           func(w http.ResponseWriter)
	refuse          func(w http.ResponseWriter, err error)
}

// Serve carries out the call, unless the operation exceeds its rate.
func (c *Call) Serve(w http.ResponseWriter) {
	if !c.admitted(c.Operation) {
		c.refuse(w, errThrottled())
		return
	}
	c.serve(w)
}

// denied is IAM's refusal for a repository (IAM user guide,
// troubleshoot_access-denied). kind is the kind of policy that would have to
// allow it.
func (c *Call) denied(account, kind string) error {
	resource := "*"
	if c.Repository != "" {
		resource = arn(c.region, account, c.Repository)
	}
	return refusal("AccessDeniedException",
		"User: arn:aws:sts::%s:assumed-role/ci/tagline is not authorized to perform: ecr:%s on resource: %s because no %s policy allows the ecr:%[2]s action",
		c.account, c.Permission, resource, kind)
}

// writeJSON answers with a value as JSON.
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
