// Package ecrtest is an Amazon ECR in memory: one store with two APIs, AWS JSON
// 1.1 (POST /) and OCI distribution (/v2/), on one HTTP handler. The demo
// command and the tests both use it.
//
// It refuses what AWS refuses. Each rule names its source: a page of the API
// Reference ("API_PutImage"), a page of the user guide ("archive-image"), the
// SDK's own documentation, or a public issue. A rule without a source is marked
// "assumed". A client that passes here may still be wrong about AWS; a client
// that fails here is wrong.
package ecrtest

import (
	"cmp"
	"crypto/rand"
	"maps"
	"net/http"
	"sync"
	"time"
)

// Defaults of [Options].
const (
	Account = "123456789012"
	Region  = "eu-central-1"
)

// Options configure a registry. The zero Options are those of a new account: no
// repositories, default quotas, no optional features.
type Options struct {
	Account string           // twelve digits; empty: [Account]
	Region  string           // empty: [Region]
	Now     func() time.Time // nil: [time.Now]

	MaxImages int // per repository; 0: 100,000 (user guide, service-quotas)
	MaxTags   int // per image; 0: 1,000 (user guide, service-quotas)

	// Rates are the calls per second that an operation admits, by its name in
	// [Registry.Calls]. One second's worth may come at once. An operation
	// without a rate has no limit.
	Rates map[string]float64

	// CreateOnPush creates a missing repository at its first push, as a
	// repository creation template for CREATE_ON_PUSH does.
	CreateOnPush bool
	// BlobMounting is the account setting of that name (user guide,
	// blob-mounting), off unless an account turns it on.
	BlobMounting bool
	// ForeignAccounts have a registry in this region and grant the caller
	// nothing. A registry id that is not among them has no repositories.
	ForeignAccounts []string
}

// Registry is an Amazon ECR of one account in one region. Its methods are safe
// for concurrent use.
type Registry struct {
	options Options
	key     string // signs the URLs of layers

	mu           sync.Mutex
	repositories map[string]*repository
	uploads      map[string]*upload
	tokens       map[string]time.Time // password -> its end
	serial       int                  // of the last image or upload
	calls        map[string]int
	script       []*line
	buckets      map[string]*bucket
}

// New returns an empty registry.
func New(options Options) *Registry {
	options.Account = cmp.Or(options.Account, Account)
	options.Region = cmp.Or(options.Region, Region)
	options.MaxImages = cmp.Or(options.MaxImages, 100_000)
	options.MaxTags = cmp.Or(options.MaxTags, 1_000)
	if options.Now == nil {
		options.Now = time.Now
	}
	return &Registry{
		options:      options,
		key:          rand.Text(),
		repositories: map[string]*repository{},
		uploads:      map[string]*upload{},
		tokens:       map[string]time.Time{},
		calls:        map[string]int{},
		buckets:      map[string]*bucket{},
	}
}

// ServeHTTP serves both APIs, and the layer URLs that they return.
func (r *Registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	call, err := r.receive(req)
	if err != nil {
		call.refuse(w, err)
		return
	}
	r.mu.Lock()
	r.calls[call.Operation]++
	action := r.fault(call.Operation)
	r.mu.Unlock()
	action(w, call)
}

// Calls returns the number of requests so far by operation, including refused
// ones. Operations of the AWS API have their own names ("PutImage"). Requests
// to /v2/ have their method and what they are about ("GET ping", "PUT
// manifest", "HEAD blob", "POST upload", "GET tags", "GET referrers"). A
// download of a layer is "GET layer".
func (r *Registry) Calls() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.calls)
}

// ResetCalls sets the numbers to zero.
func (r *Registry) ResetCalls() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.calls)
}
