package ecrtest

import (
	"cmp"
	"crypto/rand"
	"maps"
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
	script       script
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

// Script replaces the faults. Without arguments the registry works again. The
// first line that matches a call, and neither skips it nor is used up, acts on
// it.
func (r *Registry) Script(faults ...Fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.script = newScript(faults)
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
		b = newBucket(rate, now)
		r.buckets[operation] = b
	}
	return b.take(rate, now)
}

// do runs work with the store locked.
func (r *Registry) do(work func() error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return work()
}
