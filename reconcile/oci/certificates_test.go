package oci

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tagline/config"
	"tagline/reconcile/oci/ocitest"
)

// serveTLS starts a registry with its own certificate, and returns the files
// that a certs.d folder can have for it: its CA and a client certificate.
func serveTLS(t *testing.T, auth tls.ClientAuthType) (app config.Repository, files map[string]string) {
	t.Helper()
	server := httptest.NewUnstartedServer(goodManifest())
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes are expected to fail
	server.TLS = &tls.Config{ClientAuth: auth}
	server.StartTLS()
	t.Cleanup(server.Close)
	key, err := x509.MarshalPKCS8PrivateKey(server.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	cert := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	return config.Repository{Host: server.Listener.Addr().String(), Path: "app"}, map[string]string{
		"ca.crt": cert, "client.cert": cert, "client.key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})),
	}
}

func TestCertificates(t *testing.T) {
	const (
		podman, docker = ".config/containers/certs.d", ".config/docker/certs.d"
		ca             = "; if the CA is your own, put its certificate into /etc/docker/certs.d/HOST/ca.crt or /etc/containers/certs.d/HOST/ca.crt, or name its file in SSL_CERT_FILE"
	)
	all := []string{"ca.crt", "client.cert", "client.key"}
	for _, tt := range []struct {
		name     string
		auth     tls.ClientAuthType
		folder   string
		files    []string
		also     map[string]string // more files, by path; HOST is the server's
		insecure bool
		err      string // a part of it
	}{
		{name: "nothing", err: "certificate signed by unknown authority" + ca},
		{name: "its CA", folder: podman, files: all[:1]},
		{name: "its CA, for Docker", folder: docker, files: all[:1]},
		{name: "another host's CA", also: map[string]string{podman + "/other:5000/ca.crt": "no"}, err: "unknown authority" + ca},
		{name: "the first folder counts alone", folder: docker, files: all[:1], also: map[string]string{podman + "/HOST/readme": ""}, err: "unknown authority" + ca},
		{name: "no PEM", folder: docker, also: map[string]string{docker + "/HOST/ca.crt": "no"}, err: "certificates: HOME/" + docker + "/HOST/ca.crt holds no certificate in PEM format"},
		{name: "a client certificate", auth: tls.RequireAnyClientCert, folder: podman, files: all},
		{name: "no client certificate", auth: tls.RequireAnyClientCert, folder: podman, files: all[:1],
			err: "remote error: tls: certificate required; if it wants a client certificate, put that into /etc/docker/certs.d/HOST/ or /etc/containers/certs.d/HOST/ as client.cert and client.key"},
		{name: "no key", folder: podman, files: all[:2], err: "certificates: client certificate HOME/" + podman + "/HOST/client.cert: open HOME/"},
		{name: "insecure", insecure: true},
		{name: "insecure, with a client certificate", insecure: true, auth: tls.RequireAnyClientCert, folder: podman, files: all[1:]},
	} {
		t.Run(tt.name, func(t *testing.T) {
			app, has := serveTLS(t, tt.auth)
			home := ocitest.Machine(t, nil, nil)
			put := func(path, content string) {
				path = filepath.Join(home, strings.ReplaceAll(path, "HOST", app.Host))
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			for _, file := range tt.files {
				put(tt.folder+"/HOST/"+file, has[file])
			}
			for path, content := range tt.also {
				put(path, content)
			}
			options := Options{}
			if tt.insecure {
				options.Insecure = []string{app.Host}
			}
			_, err := resolve(t, newClient(t, options), app, "10")
			want := strings.NewReplacer("HOST", app.Host, "HOME", home).Replace(tt.err)
			if (err == nil) != (tt.err == "") || err != nil && (!strings.Contains(err.Error(), want) || strings.Count(err.Error(), "; if") > 1) {
				t.Errorf("error %v\nwant … %s", err, want)
			}
		})
	}
}

// A host that is named as insecure gets plain HTTP only if it has no https.
func TestInsecureHostWithoutTLS(t *testing.T) {
	server := serve(t, map[string]http.HandlerFunc{"/v2/app/manifests/10": goodManifest()})
	app := config.Repository{Host: "registry.lan:5000", Path: "app"}
	if _, err := resolve(t, dialing(newClient(t, Options{Insecure: []string{app.Host}}), server.host), app, "10"); err != nil {
		t.Error(err)
	}
}
