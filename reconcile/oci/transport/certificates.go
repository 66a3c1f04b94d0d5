package transport

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// certificates gives each host the connections that it needs: with the CAs and
// client certificates that this machine has for it, or without verification if
// the user named it as insecure. All other hosts share the connections of base,
// which trusts the system's CAs (SSL_CERT_FILE, SSL_CERT_DIR).
type certificates struct {
	base     *http.Transport
	insecure func(host string) bool
	hosts    sync.Map // host -> func() (*http.Transport, error)
}

func (c *certificates) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != "https" {
		return c.base.RoundTrip(req)
	}
	host := req.URL.Host
	entry, _ := c.hosts.LoadOrStore(host, sync.OnceValues(func() (*http.Transport, error) { return c.transport(host) }))
	transport, err := entry.(func() (*http.Transport, error))()
	if err != nil {
		closeBody(req)
		return nil, OfHost(host, fmt.Errorf("certificates: %w", err))
	}
	resp, err := transport.RoundTrip(req)
	if hint := untrusted(host, err); hint != "" {
		err = &Advised{OfHost(host, err), hint}
	}
	return resp, err
}

func (c *certificates) transport(host string) (*http.Transport, error) {
	cas, pairs, err := certificatesFor(host)
	insecure := c.insecure(host)
	if err != nil || cas == nil && pairs == nil && !insecure {
		return c.base, err
	}
	transport := c.base.Clone()
	if transport.TLSClientConfig == nil {
		transport.TLSClientConfig = new(tls.Config)
	}
	config := transport.TLSClientConfig
	config.InsecureSkipVerify = insecure
	config.Certificates = append(config.Certificates, pairs...)
	if cas != nil {
		config.RootCAs = cas
	}
	return transport, nil
}

// close closes all idle connections.
func (c *certificates) close() {
	c.base.CloseIdleConnections()
	c.hosts.Range(func(_, entry any) bool {
		if transport, err := entry.(func() (*http.Transport, error))(); err == nil {
			transport.CloseIdleConnections()
		}
		return true
	})
}

// certificatesFor reads the first folder that exists for a host, as podman does
// (containers-certs.d(5)). Its files are named as Docker names them: *.crt are
// CAs, added to the system's; NAME.cert and NAME.key are a client certificate.
func certificatesFor(host string) (cas *x509.CertPool, pairs []tls.Certificate, err error) {
	for _, folder := range certificateFolders() {
		folder = filepath.Join(folder, host)
		files, err := os.ReadDir(folder)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		for _, file := range files {
			path := filepath.Join(folder, file.Name())
			switch filepath.Ext(path) {
			case ".crt":
				if cas == nil {
					if cas, err = x509.SystemCertPool(); err != nil {
						return nil, nil, err
					}
				}
				pem, err := os.ReadFile(path)
				if err != nil {
					return nil, nil, err
				}
				if !cas.AppendCertsFromPEM(pem) {
					return nil, nil, fmt.Errorf("%s holds no certificate in PEM format", path)
				}
			case ".cert":
				pair, err := tls.LoadX509KeyPair(path, strings.TrimSuffix(path, ".cert")+".key")
				if err != nil {
					return nil, nil, fmt.Errorf("client certificate %s: %w", path, err)
				}
				pairs = append(pairs, pair)
			}
		}
		return cas, pairs, nil
	}
	return nil, nil, nil
}

func certificateFolders() []string {
	var folders []string
	if home, err := os.UserHomeDir(); err == nil {
		folders = append(folders, filepath.Join(home, ".config/containers/certs.d"), filepath.Join(home, ".config/docker/certs.d"))
	}
	return append(folders, "/etc/containers/certs.d", "/etc/docker/certs.d")
}

// untrusted returns advice if one side does not trust the other's certificate,
// and "" for every other error.
func untrusted(host string, err error) string {
	var (
		unknown x509.UnknownAuthorityError
		alert   *net.OpError
	)
	switch {
	case errors.As(err, &unknown):
		return fmt.Sprintf("if the CA is your own, put its certificate into /etc/docker/certs.d/%s/ca.crt or /etc/containers/certs.d/%s/ca.crt, or name its file in SSL_CERT_FILE", host, host)
	case errors.As(err, &alert) && alert.Op == "remote error": // a TLS alert
		return fmt.Sprintf("if it wants a client certificate, put that into /etc/docker/certs.d/%s/ or /etc/containers/certs.d/%s/ as client.cert and client.key", host, host)
	}
	return ""
}
