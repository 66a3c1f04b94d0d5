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

// token is the user and password for ECR over the OCI protocol, and the
// registry that they are for.
type token struct {
	user, password string
	endpoint       string // URL
	expires        time.Time
}

// renewBefore is how long before its end a token is renewed. A token ends 12
// hours after it was made (API_GetAuthorizationToken).
const renewBefore = 15 * time.Minute

// tokens holds the current token of a registry.
type tokens struct {
	mu  sync.Mutex
	now token
}

// authorization returns a token that does not end soon.
func (r *account) authorization(ctx context.Context) (token, error) {
	r.token.mu.Lock()
	defer r.token.mu.Unlock()
	if time.Until(r.token.now.expires) > renewBefore {
		return r.token.now, nil
	}
	api, err := r.reads(ctx)
	if err != nil {
		return token{}, err
	}
	out, err := api.GetAuthorizationToken(ctx, &ecr.GetAuthorizationTokenInput{})
	if err != nil {
		return token{}, (&reader{account: r}).failure("authorization token for "+r.name, err)
	}
	if len(out.AuthorizationData) == 0 {
		return token{}, fmt.Errorf("authorization token for %s: ECR gave none", r.name)
	}
	data := out.AuthorizationData[0]
	text, err := base64.StdEncoding.DecodeString(aws.ToString(data.AuthorizationToken))
	user, password, ok := strings.Cut(string(text), ":")
	if err != nil || !ok {
		return token{}, fmt.Errorf("authorization token for %s: it is not a user and a password in base64", r.name)
	}
	r.token.now = token{user, password, aws.ToString(data.ProxyEndpoint), aws.ToTime(data.ExpiresAt)}
	return r.token.now, nil
}

// withToken runs do, and runs it again with a new token if ECR refuses the
// current one. A token may end early, for example with the role that made it.
func (r *account) withToken(ctx context.Context, do func() error) error {
	used, err := r.authorization(ctx)
	if err != nil {
		return err
	}
	if err = do(); err == nil || !oci.Refused(err) {
		return err
	}
	r.token.mu.Lock()
	if r.token.now.password == used.password { // no other call has renewed it
		r.token.now = token{}
	}
	r.token.mu.Unlock()
	return do()
}

// AuthorizationContext implements [authn.ContextAuthenticator].
func (r *account) AuthorizationContext(ctx context.Context) (*authn.AuthConfig, error) {
	t, err := r.authorization(ctx)
	if err != nil {
		return nil, err
	}
	return &authn.AuthConfig{Username: t.user, Password: t.password}, nil
}

// Authorization implements [authn.Authenticator].
func (r *account) Authorization() (*authn.AuthConfig, error) {
	return r.AuthorizationContext(context.Background())
}

// keychain returns ECR's tokens for its hosts, and asks others for all other
// hosts.
type keychain struct {
	client *Client
	others authn.Keychain
}

// Resolve implements [authn.Keychain].
func (k *keychain) Resolve(target authn.Resource) (authn.Authenticator, error) {
	return k.ResolveContext(context.Background(), target)
}

// ResolveContext implements [authn.ContextKeychain].
func (k *keychain) ResolveContext(ctx context.Context, target authn.Resource) (authn.Authenticator, error) {
	if r := k.client.account(target.RegistryStr()); r != nil {
		return r, nil
	}
	if r, ok := k.client.endpoints.Load(target.RegistryStr()); ok {
		return r.(*account), nil
	}
	return authn.Resolve(ctx, k.others, target)
}
