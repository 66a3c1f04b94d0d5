package ecr

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/google/go-containerregistry/pkg/authn"

	"tagline/reconcile/oci"
)

// token is a user and a password for ECR over the OCI protocol, and the registry that
// takes them.
type token struct {
	user, password string
	endpoint       string // URL
	expires        time.Time
}

// renewBefore is how long before its end a token is renewed. A token ends 12
// hours after it was made (API_GetAuthorizationToken).
const renewBefore = 15 * time.Minute

// tokens holds the current token of an account.
type tokens struct {
	*connection
	mu  sync.Mutex
	now token
}

// authorization returns a token that does not end soon.
func (t *tokens) authorization(ctx context.Context) (token, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if time.Until(t.now.expires) > renewBefore {
		return t.now, nil
	}
	api, err := t.reads(ctx)
	if err != nil {
		return token{}, err
	}
	out, err := api.GetAuthorizationToken(ctx, &ecr.GetAuthorizationTokenInput{})
	if err != nil {
		return token{}, t.failure("authorization token for "+t.name, err)
	}
	if len(out.AuthorizationData) == 0 {
		return token{}, fmt.Errorf("authorization token for %s: ECR gave none", t.name)
	}
	data := out.AuthorizationData[0]
	text, err := base64.StdEncoding.DecodeString(aws.ToString(data.AuthorizationToken))
	user, password, ok := strings.Cut(string(text), ":")
	if err != nil || !ok {
		return token{}, fmt.Errorf("authorization token for %s: it is not a user and a password in base64", t.name)
	}
	t.now = token{user, password, aws.ToString(data.ProxyEndpoint), aws.ToTime(data.ExpiresAt)}
	return t.now, nil
}

// with runs do, and runs it again with a new token if ECR refuses the
// current one. A token may end early, for example with the role that made it.
func (t *tokens) with(ctx context.Context, do func() error) error {
	used, err := t.authorization(ctx)
	if err != nil {
		return err
	}
	if err = do(); err == nil || !oci.Refused(err) {
		return err
	}
	t.mu.Lock()
	if t.now.password == used.password { // no other call has renewed it
		t.now = token{}
	}
	t.mu.Unlock()
	return do()
}

// AuthorizationContext implements [authn.ContextAuthenticator].
func (t *tokens) AuthorizationContext(ctx context.Context) (*authn.AuthConfig, error) {
	now, err := t.authorization(ctx)
	if err != nil {
		return nil, err
	}
	return &authn.AuthConfig{Username: now.user, Password: now.password}, nil
}

// Authorization implements [authn.Authenticator].
func (t *tokens) Authorization() (*authn.AuthConfig, error) {
	return t.AuthorizationContext(context.Background())
}
