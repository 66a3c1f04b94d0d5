package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
)

// ProxyAnswer is for [http.Transport.OnProxyConnectResponse]. It returns an
// error if the proxy refuses to connect; net/http would report that as an
// answer of the server behind the proxy.
func ProxyAnswer(_ context.Context, proxy *url.URL, req *http.Request, resp *http.Response) error {
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	return refusedBy(proxy, req.Host, resp.StatusCode)
}

func refusedBy(proxy *url.URL, host string, status int) error {
	err := error(&proxyError{proxy: proxy.Host, reason: fmt.Sprintf("refuses to connect to %s: %d %s", host, status, http.StatusText(status))})
	switch {
	case status == http.StatusProxyAuthRequired:
		return &Advised{Lasting(err), "HTTPS_PROXY or HTTP_PROXY needs a user and a password, as in http://user:password@host:port, or NO_PROXY the registry's host"}
	case status < 500:
		return &Advised{Lasting(err), "have it allowed there, or put the registry's host into NO_PROXY"}
	}
	return err
}

// ByProxy returns the part of an error that says why a proxy refused, with
// advice, or nil if there is none.
func ByProxy(err error) error {
	var (
		refused *proxyError
		advice  *Advised
	)
	switch {
	case !errors.As(err, &refused):
		return nil
	case errors.As(err, &advice):
		return advice
	}
	return refused
}

// proxies turns the errors of a proxy that refuses or can't be reached into a
// proxyError.
type proxies struct {
	next http.RoundTripper
	of   func(*http.Request) (*url.URL, error) // see http.Transport.Proxy
}

func (p *proxies) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := p.next.RoundTrip(req)
	var connect, dial *net.OpError
	switch {
	case err == nil && resp.StatusCode == http.StatusProxyAuthRequired:
		if proxy := p.proxy(req); proxy != nil {
			discard(resp)
			return nil, refusedBy(proxy, req.URL.Host, resp.StatusCode)
		}
	case errors.As(err, &connect) && connect.Op == "proxyconnect":
		if proxy := p.proxy(req); proxy != nil {
			reason := connect.Err
			if errors.As(reason, &dial) {
				reason = dial.Err // leaves out the address
			}
			return nil, &Advised{
				Lasting(&proxyError{proxy.Host, reason.Error(), err}),
				"check HTTPS_PROXY and HTTP_PROXY, or put the registry's host into NO_PROXY",
			}
		}
	}
	return resp, err
}

func (p *proxies) proxy(req *http.Request) *url.URL {
	if p.of == nil {
		return nil
	}
	proxy, err := p.of(req)
	if err != nil {
		return nil
	}
	return proxy
}
