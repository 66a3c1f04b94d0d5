package ocitest

import (
	"bytes"
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"sync"
	"testing"

	"tagline/reconcile/demo"
)

// Olareg starts an empty [demo.Registry] and returns its host. It deletes by
// tag and by digest, and has the referrers API.
func Olareg(t testing.TB) string {
	t.Helper()
	return serve(t, demo.Handler())
}

// local are the handlers that serve runs, by host.
var local sync.Map

// serve runs a handler on loopback. The end of the test cancels the requests in
// flight.
func serve(t testing.TB, handler http.Handler) string {
	ctx, cancel := context.WithCancel(context.Background())
	server := httptest.NewUnstartedServer(handler)
	server.Config.BaseContext = func(net.Listener) context.Context { return ctx }
	server.Start()
	host := server.Listener.Addr().String()
	local.Store(host, handler)
	t.Cleanup(func() {
		local.Delete(host)
		cancel()
		server.CloseClientConnections()
		server.Close()
	})
	return host
}

// forward passes requests on to a registry. One that runs in this process is
// called without a second connection.
func forward(t testing.TB, upstream string) http.Handler {
	if handler, ok := local.Load(upstream); ok {
		return whole(handler.(http.Handler))
	}
	return whole(overHTTP(t, upstream))
}

// whole reads a whole request before it passes it on. A streamed body would race
// with the answer: the server closes the body when the answer begins. If the
// transport has not read the body's end by then, it takes that for a failed
// write and closes the connection before the answer is complete.
func whole(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler) // the client has hung up
		}
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
	})
}

// overHTTP keeps the Host header, so that the registry's absolute Location headers
// lead back to the proxy.
func overHTTP(t testing.TB, upstream string) http.Handler {
	transport := &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = "http", upstream, r.In.Host
		},
		Transport: transport,
		ErrorLog:  log.New(io.Discard, "", 0), // tests let clients hang up
	}
}
