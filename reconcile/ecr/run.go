package ecr

import (
	"cmp"
	"fmt"
	"strings"
	"sync"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"

	"tagline/config"
	"tagline/reconcile/oci"
)

// Options say how to talk to registries. The zero value is usable.
type Options struct {
	OCI      oci.Options // for all other registries; for what ECR uses, see New
	PushRate float64     // PutImage calls per second and registry; [DefaultPushRate] if zero
	// Repositories are the repositories of the run. One call asks for the facts
	// of all of them.
	Repositories []config.Repository
	// Registries are what images.yaml says of hosts: how to log in.
	Registries map[string]config.Registry
}

// DefaultPushRate stays below ECR's limit of 10 PutImage calls per second and
// region (user guide, service-quotas), which other jobs share.
const DefaultPushRate = 8

// run is what all connections of a run share: options, counts, and who has logged in.
type run struct {
	options  Options
	counts   counts
	sessions sync.Map // identity -> *session
	roles    sync.Map // roleKey -> *role
}

// credentialsTimeout is how long a login helper or STS may take to give credentials.
const credentialsTimeout = 30 * time.Second

// patience is how long the user lets them take: credentialsTimeout by default.
func (r *run) patience() time.Duration {
	return cmp.Or(r.options.OCI.Patience.Headers, credentialsTimeout)
}

// userAgent adds tagline's name and version to those of the SDK.
func (r *run) userAgent() (options []func(*middleware.Stack) error) {
	if name, version, ok := strings.Cut(r.options.OCI.UserAgent, "/"); ok {
		options = append(options, awsmiddleware.AddUserAgentKeyValue(name, version))
	}
	return options
}

// log logs the SDK's own messages, such as a metadata service that does not
// answer, at debug level.
func (r *run) log() logging.Logger {
	return logging.LoggerFunc(func(class logging.Classification, format string, args ...any) {
		r.options.OCI.Logger.Debug("aws", "class", string(class), "message", fmt.Sprintf(format, args...))
	})
}
