package logins

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/docker/docker-credential-helpers/client"
	"github.com/docker/docker-credential-helpers/credentials"
	"github.com/google/go-containerregistry/pkg/authn"
)

// helpers runs each credential helper once per host and keeps the answer, even
// if it is an error or a time-out.
type helpers struct {
	patience time.Duration
	asked    sync.Map // program and host -> *helperAnswer
}

type helperAnswer struct {
	once sync.Once
	done chan struct{}
	auth authn.Authenticator // nil: no credentials
	err  error
}

func (h *helpers) ask(ctx context.Context, program, host string) (authn.Authenticator, error) {
	entry, _ := h.asked.LoadOrStore([2]string{program, host}, &helperAnswer{done: make(chan struct{})})
	answer := entry.(*helperAnswer)
	answer.once.Do(func() {
		go func() {
			defer close(answer.done)
			answer.auth, answer.err = h.run(program, spellings(host)[0])
		}()
	})
	select {
	case <-answer.done:
		return answer.auth, answer.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// run starts a helper and stops it after h.patience.
func (h *helpers) run(program, server string) (authn.Authenticator, error) {
	if _, err := exec.LookPath(program); err != nil {
		return nil, fmt.Errorf("%w; install it, or take it out of the config.json that names it", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), h.patience) // not the first caller's context: others wait for the answer too
	defer cancel()
	got, err := client.Get(func(args ...string) client.Program {
		cmd := exec.CommandContext(ctx, program, args...)
		cmd.Stderr = os.Stderr
		cmd.WaitDelay = time.Second // for its child processes
		return &helperProgram{cmd}
	}, server)
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("no answer from %s within %v; does it wait for a password, or for a keyring to be unlocked?", program, h.patience)
	case credentials.IsErrCredentialsNotFound(err):
		return nil, nil //nolint:nilnil // the helper has no credentials
	case err != nil:
		return nil, fmt.Errorf("%s: %w; check this credential helper, and the config.json that names it", program, err)
	case got.Username == "<token>": // the protocol of Docker's credential helpers
		return authn.FromConfig(authn.AuthConfig{IdentityToken: got.Secret}), nil
	}
	return authn.FromConfig(authn.AuthConfig{Username: got.Username, Password: got.Secret}), nil
}

// helperProgram is a [client.Program] that ends with its context.
type helperProgram struct{ *exec.Cmd }

func (p *helperProgram) Input(in io.Reader) { p.Stdin = in }
