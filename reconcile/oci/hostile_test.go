package oci

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"tagline/config"
	"tagline/reconcile/oci/transport"
	"tagline/reconcile/registry"
)

// nameServer resolves metadata.example to an address, and answers every other
// question with "no such name" (RFC 1035, section 4.1).
func nameServer(address [4]byte, asked *sync.Map) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go func() {
			defer func() { _ = server.Close() }()
			for {
				var length uint16 // as for TCP, section 4.2.2
				if binary.Read(server, binary.BigEndian, &length) != nil {
					return
				}
				query := make([]byte, length)
				if _, err := io.ReadFull(server, query); err != nil {
					return
				}
				end := 12 + bytes.IndexByte(query[12:], 0) + 5 // of the question
				asked.Store(string(query[12:end-5]), true)
				known := bytes.Contains(query, []byte("\x08metadata\x07example"))
				answer := append([]byte{query[0], query[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, query[12:end]...)
				switch isA := query[end-3] == 1; {
				case !known:
					answer[3] |= 3
				case isA:
					answer[7] = 1
					answer = append(append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4), address[:]...)
				}
				if _, err := server.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...)); err != nil {
					return
				}
			}
		}()
		return client, nil
	}}
}

// Nothing leads to a link-local address, where clouds keep the machine's
// credentials.
func TestLinkLocalAddressesAreRefused(t *testing.T) {
	for _, location := range []string{
		"https://169.254.169.254/latest/meta-data/", "http://169.254.169.254/latest/meta-data/", "https://[fe80::1]/", "https://[fd00:ec2::254]/latest/",
		"https://[::ffff:169.254.169.254]/", "https://metadata.example/latest/meta-data/",
	} {
		t.Run(location, func(t *testing.T) {
			server := serve(t, map[string]http.HandlerFunc{
				"/v2/app/manifests/10": http.RedirectHandler(location, http.StatusTemporaryRedirect).ServeHTTP,
			})
			// Otherwise plain HTTP to them would be refused first.
			c := newClient(t, Options{Insecure: []string{"169.254.169.254"}})
			dialer := transport.NewDialer()
			dialer.Resolver = nameServer([4]byte{169, 254, 169, 254}, &sync.Map{})
			c.transport.Base.DialContext = dialer.DialContext
			_, err := fetch(t, c, server.app(), "10")
			if err == nil || !strings.Contains(err.Error(), "link-local") || errors.Is(err, registry.ErrNotFound) {
				t.Errorf("error %v", err)
			}
			if n := server.count("GET /v2/app"); n != 1 {
				t.Errorf("%d requests, want 1: it will not change", n)
			}
		})
	}
}

// A host that is not in the DNS is looked up once per tag, and the error names
// the host.
func TestNoSuchHost(t *testing.T) {
	asked := &sync.Map{}
	c := newClient(t, Options{})
	dialer := transport.NewDialer()
	dialer.Resolver = nameServer([4]byte{}, asked)
	c.transport.Base.DialContext = dialer.DialContext
	var hosts []string
	for _, a := range c.Reader(config.Repository{Host: "nowhere.example", Path: "app"}).Resolve(t.Context(), []string{"1", "2", "3"}) {
		var host *registry.HostError
		if !errors.As(a.Err, &host) || errors.Is(a.Err, registry.ErrNotFound) {
			t.Fatalf("error %v", a.Err)
		}
		hosts = append(hosts, host.Error())
	}
	if hosts[0] != hosts[2] || !strings.HasPrefix(hosts[0], "nowhere.example: ") || !strings.Contains(hosts[0], "no such host") {
		t.Errorf("errors %q", hosts)
	}
	if n := c.Stats().Requests; n > 3 {
		t.Errorf("%d requests for 3 tags", n)
	}
}

// Some servers send back what they received.
func TestCredentialsThatAreSentBack(t *testing.T) {
	echo := func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		w.WriteHeader(http.StatusForbidden)
		_, _ = fmt.Fprintf(w, `{"errors":[{"code":"DENIED","message":"%s, that is %s and %s"}]}`, r.Header.Get("Authorization"), user, password)
	}
	for name, challenge := range map[string]string{"basic": `Basic realm="x"`, "bearer": `Bearer realm="http://HOST/token",service="x"`} {
		t.Run(name, func(t *testing.T) {
			server := serve(t, map[string]http.HandlerFunc{
				"GET /v2/{$}": func(w http.ResponseWriter, r *http.Request) {
					answer(401, "", "WWW-Authenticate", strings.ReplaceAll(challenge, "HOST", r.Host))(w, r)
				},
				"/token":                    answer(200, `{"token":"bearer-of-tidings"}`),
				"/v2/app/manifests/10":      echo,
				"HEAD /v2/app/manifests/10": echo,
			})
			_, err := resolve(t, newClient(t, Options{Keychain: login{"me", "open sesame"}}), server.app(), "10")
			if err == nil || !strings.Contains(err.Error(), "[credentials]") {
				t.Errorf("error %v", err)
			}
			for _, secret := range []string{"open sesame", "bearer-of-tidings", "bWU6b3BlbiBzZXNhbWU="} {
				if strings.Contains(fmt.Sprintf("%v %+v", err, err), secret) {
					t.Errorf("%q is in %v", secret, err)
				}
			}
		})
	}
}

// A token service is checked like any other server.
func TestTokenServices(t *testing.T) {
	for name, test := range map[string]struct {
		token http.HandlerFunc
		want  string
	}{
		"500":        {answer(500, ""), "500 Internal Server Error from HOST/token"},
		"HTML":       {answer(200, html, "Content-Type", "text/html"), "invalid character '<'"},
		"no token":   {answer(200, `{}`), "no token"},
		"not for us": {answer(403, `{"details":"no"}`), "403 Forbidden from HOST/token"},
		"a cut":      {answer(200, `{"tok`, "Content-Length", "100"), "unexpected EOF"},
		"a gigabyte": {func(w http.ResponseWriter, _ *http.Request) {
			part := bytes.Repeat([]byte(" "), 1<<20)
			for range 1 << 10 {
				if _, err := w.Write(part); err != nil {
					return
				}
			}
		}, "exceed"},
		"plain http elsewhere": {http.RedirectHandler("http://tokens.example/", http.StatusFound).ServeHTTP, ""},
	} {
		t.Run(name, func(t *testing.T) {
			server := serve(t, map[string]http.HandlerFunc{
				"/v2/{$}": func(w http.ResponseWriter, r *http.Request) {
					answer(401, "", "WWW-Authenticate", `Bearer realm="http://`+r.Host+`/token",service="x"`)(w, r)
				},
				"/token": test.token,
			})
			_, err := resolve(t, newClient(t, Options{Keychain: login{"me", "open sesame"}}), server.app(), "10")
			want := strings.ReplaceAll(test.want, "HOST", server.host)
			if err == nil || !strings.Contains(err.Error(), want) || errors.Is(err, registry.ErrNotFound) || strings.Contains(err.Error(), "sesame") {
				t.Errorf("error %v, want %s", err, want)
			}
		})
	}
}

// goingAway is an HTTP/2 server that sends GOAWAY on its first connection, at
// the first request that is not for /v2/. It answers every later request with
// 201.
type goingAway struct {
	refuses bool // says that it has not processed the request

	mu     sync.Mutex
	bodies [][]byte
}

func (g *goingAway) serve(conn net.Conn, first bool) {
	defer func() { _ = conn.Close() }()
	send := func(kind, flags byte, stream uint32, payload ...byte) {
		frame := binary.BigEndian.AppendUint32(nil, uint32(len(payload)))[1:]
		frame = binary.BigEndian.AppendUint32(append(frame, kind, flags), stream)
		_, _ = conn.Write(append(frame, payload...))
	}
	const data, headers, settings, ping, goAway, endStream, endHeaders, ack = 0, 1, 4, 6, 7, 1, 4, 1 // RFC 9113, section 6
	if _, err := io.ReadFull(conn, make([]byte, len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))); err != nil {
		return
	}
	send(settings, 0, 0)
	bodies := map[uint32][]byte{}
	for {
		var head [9]byte
		if _, err := io.ReadFull(conn, head[:]); err != nil {
			return
		}
		payload := make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
		if _, err := io.ReadFull(conn, payload); err != nil {
			return
		}
		kind, flags, stream := head[3], head[4], binary.BigEndian.Uint32(head[5:])
		pinged := first && stream == 1
		switch kind {
		case settings:
			if flags&ack == 0 {
				send(settings, ack, 0)
			}
			continue
		case ping:
			send(ping, ack, 0, payload...)
			continue
		case data:
			bodies[stream] = append(bodies[stream], payload...)
		}
		if first && stream > 1 && kind == headers {
			last := stream
			if g.refuses {
				last--
			}
			send(goAway, 0, 0, append(binary.BigEndian.AppendUint32(nil, last), 0, 0, 0, 0)...)
			if !g.refuses {
				return
			}
			_, _ = io.Copy(io.Discard, conn)
			return
		}
		if stream == 0 || flags&endStream == 0 || kind > headers {
			continue
		}
		if pinged {
			send(headers, endHeaders|endStream, stream, 0x88) // ":status: 200", RFC 7541, appendix A
			continue
		}
		if kind == headers { // a HEAD of the tag, before the push is sent again
			send(headers, endHeaders|endStream, stream, 0x8d) // ":status: 404"
			continue
		}
		g.mu.Lock()
		g.bodies = append(g.bodies, bodies[stream])
		g.mu.Unlock()
		send(headers, endHeaders|endStream, stream, 0x08, 3, '2', '0', '1')
	}
}

// A push that meets a server that shuts down is sent again, whole, and arrives
// at most twice.
func TestGoAway(t *testing.T) {
	for name, refuses := range map[string]bool{"before the push": true, "in the push": false} {
		t.Run(name, func(t *testing.T) {
			certified := httptest.NewUnstartedServer(nil)
			certified.EnableHTTP2 = true
			certified.Config.ErrorLog = log.New(io.Discard, "", 0)
			certified.StartTLS()
			tlsConfig, roots := certified.TLS.Clone(), certified.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
			certified.Close()
			tlsConfig.NextProtos = []string{"h2"}
			listener, err := tls.Listen("tcp", "127.0.0.1:0", tlsConfig)
			if err != nil {
				t.Fatal(err)
			}
			server := &goingAway{refuses: refuses}
			ended, end := context.WithCancel(t.Context()) // otherwise a client keeps its connections
			defer end()
			var wg sync.WaitGroup
			wg.Go(func() {
				for first := true; ; first = false {
					conn, err := listener.Accept()
					if err != nil {
						return
					}
					context.AfterFunc(ended, func() { _ = conn.Close() })
					wg.Go(func() { server.serve(conn, first) })
				}
			})
			c := newClient(t, Options{})
			c.transport.Base.TLSClientConfig = &tls.Config{RootCAs: roots}
			app := config.Repository{Host: listener.Addr().String(), Path: "app"}
			err = NewWriters(c).Writer(app).Put(t.Context(), []registry.TaggedManifest{{Tag: "10", Manifest: registry.RawManifest{
				Digest: digestOf([]byte(index)), MediaType: typeIndex, Body: []byte(index),
			}}})[0]
			if err != nil {
				t.Error(err)
			}
			c.Close()
			_ = listener.Close()
			end()
			wg.Wait()
			if len(server.bodies) != 1 || string(server.bodies[0]) != index {
				t.Errorf("it arrived as %q", server.bodies)
			}
		})
	}
}
