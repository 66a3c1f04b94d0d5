package ocitest

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// TokenRegistry is a registry that wants bearer tokens, together with the
// service that issues them. Both are on one port: go-containerregistry refuses
// a realm at the IP address of another loopback port.
//
// The protocol is the token authentication of distribution's specification.
// Scopes are like "repository:my-image:pull,push"; a client can't read the
// tokens.
type TokenRegistry struct {
	Host           string
	user, password string
	upstream       http.Handler

	mu     sync.Mutex
	tokens map[string]grants
}

// grants are the actions that a token allows: "my-image:pull".
type grants map[string]bool

// TokenAuth starts a front of the upstream registry. The user gets a token for
// every scope that it asks for. If user is empty, everyone gets tokens, for
// pulls only.
func TokenAuth(t testing.TB, upstream, user, password string) *TokenRegistry {
	t.Helper()
	r := &TokenRegistry{user: user, password: password, upstream: forward(t, upstream), tokens: map[string]grants{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+tokenPath, r.issue)
	mux.HandleFunc("/v2/", r.authorize)
	r.Host = serve(t, mux)
	return r
}

// Expire invalidates every token issued so far.
func (r *TokenRegistry) Expire() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.tokens)
}

func (r *TokenRegistry) issue(w http.ResponseWriter, req *http.Request) {
	user, password, given := req.BasicAuth()
	if given != (r.user != "") || user != r.user || password != r.password {
		unauthorized(w, "wrong user or password")
		return
	}
	granted := grants{}
	for _, scope := range strings.Fields(strings.Join(req.URL.Query()["scope"], " ")) {
		for _, action := range actions(scope) {
			granted[action] = r.user != "" || strings.HasSuffix(action, ":pull")
		}
	}
	token := rand.Text()
	r.mu.Lock()
	r.tokens[token] = granted
	r.mu.Unlock()
	writeJSON(w, http.StatusOK, map[string]any{"token": token, "expires_in": 300})
}

func (r *TokenRegistry) authorize(w http.ResponseWriter, req *http.Request) {
	token, given := strings.CutPrefix(req.Header.Get("Authorization"), "Bearer ")
	r.mu.Lock()
	granted, known := r.tokens[token]
	r.mu.Unlock()

	challenge := fmt.Sprintf(`Bearer realm="http://%s%s",service="ocitest"`, req.Host, tokenPath)
	allowed := known
	if needed := neededScopes(req); len(needed) > 0 {
		challenge += fmt.Sprintf(`,scope=%q`, strings.Join(needed, " "))
		for _, scope := range needed {
			for _, action := range actions(scope) {
				allowed = allowed && granted[action]
			}
		}
	}
	switch {
	case allowed:
		req.Header.Del("Authorization")
		r.upstream.ServeHTTP(w, req)
		return
	case known:
		challenge += `,error="insufficient_scope"`
	case given:
		challenge += `,error="invalid_token"`
	}
	w.Header().Set("WWW-Authenticate", challenge)
	unauthorized(w, "authentication required")
}

// neededScopes returns the scopes that a request needs: none for /v2/, which
// any token opens.
func neededScopes(req *http.Request) []string {
	repository := parseEndpoint(req.URL.Path).repository
	if repository == "" {
		return nil
	}
	switch req.Method {
	case http.MethodGet, http.MethodHead:
		return []string{"repository:" + repository + ":pull"}
	case http.MethodDelete:
		return []string{"repository:" + repository + ":delete"}
	}
	scopes := []string{"repository:" + repository + ":pull,push"}
	if from := req.URL.Query().Get("from"); from != "" { // a mount
		scopes = append(scopes, "repository:"+from+":pull")
	}
	return scopes
}

// actions splits "repository:my-image:pull,push" into "my-image:pull" and
// "my-image:push".
func actions(scope string) []string {
	parts := strings.Split(scope, ":")
	if len(parts) != 3 || parts[0] != "repository" {
		return nil
	}
	var actions []string
	for action := range strings.SplitSeq(parts[2], ",") {
		actions = append(actions, parts[1]+":"+action)
	}
	return actions
}

func unauthorized(w http.ResponseWriter, message string) {
	writeJSON(w, http.StatusUnauthorized,
		map[string]any{"errors": []any{map[string]string{"code": "UNAUTHORIZED", "message": message}}})
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // fails only if the client has hung up
}
