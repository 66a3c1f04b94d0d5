package ecrtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// Cloud is an STS and the registries of several accounts, behind one URL: what
// AWS_ENDPOINT_URL names. Each registry accepts its own account's roles, and those of
// other accounts that it names. Its OCI protocol has a host of its own.
type Cloud struct {
	URL string // of the STS, and of the API of all registries

	sts    *sts
	server *http.Server
	done   chan error

	mu         sync.Mutex
	registries map[string]*Server // "123456789012/eu-central-1"
	trusted    map[string][]string
}

// StartCloud serves an empty cloud on a free port of 127.0.0.1 until it is closed.
// The access key is that of the identity that assumes its roles.
func StartCloud(key string) (*Cloud, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("aws emulator: %w", err)
	}
	c := &Cloud{
		URL: "http://" + listener.Addr().String(), sts: newSTS(), done: make(chan error, 1),
		registries: map[string]*Server{}, trusted: map[string][]string{},
	}
	c.sts.AddUser(key)
	c.server = &http.Server{Handler: c, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		c.done <- c.server.Serve(listener)
		close(c.done)
	}()
	return c, nil
}

// Close closes all connections, and the registries.
func (c *Cloud) Close() error {
	err := c.server.Close()
	if served := <-c.done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.registries {
		err = errors.Join(err, r.Close())
	}
	return err
}

// AddUser adds the access key of an identity. Its signatures are not verified.
func (c *Cloud) AddUser(key string) { c.sts.AddUser(key) }

// AddRole adds a role. See [Role].
func (c *Cloud) AddRole(r Role) { c.sts.AddRole(r) }

// Assumed returns the calls of AssumeRole so far, refused ones too.
func (c *Cloud) Assumed() []Assumed { return c.sts.Assumed() }

// SetLife sets how long the credentials of roles live from now on.
func (c *Cloud) SetLife(life time.Duration) { c.sts.SetLife(life) }

// AddRegistry adds the registry of an account in a region. It accepts the roles of
// its account and those of others that are named: what a repository policy does.
func (c *Cloud) AddRegistry(options Options, trusted ...string) (*Server, error) {
	server, err := Start(options)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	id := server.options.Account + "/" + server.options.Region
	c.registries[id], c.trusted[id] = server, trusted
	return server, nil
}

var reCaller = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=([^/]+)/[0-9]{8}/([^/]+)/`)

// ServeHTTP serves STS, and hands each call of ECR to the registry that it is about:
// that of its registryId, or else the caller's own. Without credentials of a role
// that the registry accepts, the call gets no further.
func (c *Cloud) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if strings.HasPrefix(req.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		c.sts.ServeHTTP(w, req)
		return
	}
	body, err := io.ReadAll(io.LimitReader(req.Body, maxBody))
	if err != nil {
		refuseAPI(w, refusal("SerializationException", "%v", err))
		return
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	signed := reCaller.FindStringSubmatch(req.Header.Get("Authorization"))
	if signed == nil {
		refuseAPI(w, refusal("MissingAuthenticationTokenException", "Missing Authentication Token"))
		return
	}
	caller, err := c.sts.Caller(signed[1], req.Header.Get("X-Amz-Security-Token"))
	if err != nil {
		refuseAPI(w, err)
		return
	}
	var about target
	_ = json.Unmarshal(body, &about) // the registry reports what is wrong with it
	if about.RegistryID == "" {
		about.RegistryID = caller.account
	}
	c.mu.Lock()
	id := about.RegistryID + "/" + signed[2]
	registry, trusted := c.registries[id], c.trusted[id]
	c.mu.Unlock()
	_, operation, _ := strings.Cut(req.Header.Get("X-Amz-Target"), ".")
	if registry == nil || caller.account != about.RegistryID && !slices.Contains(trusted, caller.role) {
		refuseAPI(w, refusal("AccessDeniedException",
			"User: %s is not authorized to perform: ecr:%s on resource: arn:aws:ecr:%s:%s:repository/%s because no resource-based policy allows the ecr:%[2]s action",
			caller.arn, operation, signed[2], about.RegistryID, about.RepositoryName))
		return
	}
	req.Host = registry.Host // where its authorization token is for
	registry.ServeHTTP(w, req)
}
