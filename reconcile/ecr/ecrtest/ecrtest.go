// Package ecrtest is an Amazon ECR in memory: one store with two fronts, the
// AWS JSON 1.1 API (POST /) and the OCI distribution API (/v2/), on one HTTP
// handler. The demo command and the tests use the same one.
//
// It refuses what AWS refuses. Each rule names its source: a page of the API
// Reference ("API_PutImage"), a page of the user guide ("archive-image"), the
// SDK's own documentation or a public issue. What none of them settles is
// marked assumed. A client that passes here may still be wrong about AWS; one
// that fails here is.
package ecrtest

import (
	"cmp"
	"crypto/rand"
	"maps"
	"net/http"
	"sync"
	"time"
)

// What [Options] says if it is silent.
const (
	Account = "123456789012"
	Region  = "eu-central-1"
)

// Options are what a registry is made with. The zero Options are those of a
// new account: no repositories, default quotas, nothing that is opt-in.
type Options struct {
	Account string           // twelve digits; empty: [Account]
	Region  string           // empty: [Region]
	Now     func() time.Time // nil: [time.Now]

	MaxImages int // of a repository; 0: 100,000 (user guide, service-quotas)
	MaxTags   int // of an image; 0: 1,000 (user guide, service-quotas)

	// Rates are the calls per second that an operation admits, by its name in
	// [Registry.Calls]; one second's worth may come at once. What has none is
	// admitted always.
	Rates map[string]float64

	// CreateOnPush makes a missing repository at its first push, as a
	// repository creation template for CREATE_ON_PUSH does.
	CreateOnPush bool
	// BlobMounting is the account setting of that name (user guide,
	// blob-mounting), off unless an account turns it on.
	BlobMounting bool
	// ForeignAccounts have a registry in this region and grant nothing to who
	// calls. A registry id that is not theirs has no repositories.
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
	tokens       map[string]time.Time // when each password ends
	serial       int                  // of the image or upload that came last
	calls        map[string]int
	script       []*line
	buckets      map[string]*bucket
}

// New makes an empty registry.
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

// ServeHTTP answers both fronts, and the layer URLs that they give out.
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

// Calls counts what has arrived, refused or not: operations of the AWS API by
// their names ("PutImage"), requests to /v2/ by method and what they are about
// ("GET ping", "PUT manifest", "HEAD blob", "POST upload", "GET tags", "GET
// referrers"), downloads of layers as "GET layer".
func (r *Registry) Calls() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.calls)
}

// ResetCalls counts from zero again.
func (r *Registry) ResetCalls() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.calls)
}
