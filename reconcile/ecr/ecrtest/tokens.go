package ecrtest

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net/http"
	"time"
)

const tokenLife = 12 * time.Hour // API_GetAuthorizationToken

// getAuthorizationToken returns a password for the user AWS on /v2/. The
// request's list of registries is deprecated, and is ignored
// (API_GetAuthorizationToken).
func (r *Registry) getAuthorizationToken(host string) getAuthorizationTokenResponse {
	password, end := r.newPassword()
	return getAuthorizationTokenResponse{[]authorizationData{{
		AuthorizationToken: base64.StdEncoding.EncodeToString([]byte("AWS:" + password)),
		ExpiresAt:          &epoch{end},
		ProxyEndpoint:      "http://" + host, // in AWS it is always the account's own host
	}}}
}

func (r *Registry) newPassword() (string, time.Time) {
	password, end := rand.Text(), r.options.Now().Add(tokenLife)
	r.tokens[password] = end
	return password, end
}

// Password returns a password for the user AWS on /v2/ without a call.
func (r *Registry) Password() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	password, _ := r.newPassword()
	return password
}

// ExpireTokens ends all authorization tokens so far.
func (r *Registry) ExpireTokens() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for password := range r.tokens {
		r.tokens[password] = time.Time{}
	}
}

var (
	errUnauthorized = errors.New("not authorized")
	errExpired      = errors.New("authorization token has expired")
)

// checkToken accepts a token that was issued and has not ended.
func (r *Registry) checkToken(req *http.Request) error {
	user, password, _ := req.BasicAuth()
	r.mu.Lock()
	end, known := r.tokens[password]
	r.mu.Unlock()
	switch {
	case user != "AWS" || !known:
		return errUnauthorized
	case !end.After(r.options.Now()):
		return errExpired
	}
	return nil
}
