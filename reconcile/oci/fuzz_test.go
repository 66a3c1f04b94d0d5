package oci

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"tagline/config"
	"tagline/reconcile/oci/transport"
)

// besieged is a registry whose headers come from a fuzzer. Its clients can
// reach no other server; it notes which ones they tried.
type besieged struct {
	address string

	mu      sync.Mutex
	header  string
	answers int
	dialled map[string]bool
}

func besiege(f *testing.F, answer func(w http.ResponseWriter, r *http.Request, header string, n int)) *besieged {
	b := &besieged{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.mu.Lock()
		b.answers++
		header, n := b.header, b.answers
		b.mu.Unlock()
		answer(w, r, header, n)
	}))
	f.Cleanup(server.Close)
	b.address = server.Listener.Addr().String()
	return b
}

// client returns a client, for a header that can be sent at all.
func (b *besieged) client(t *testing.T, header string) *Client {
	if strings.ContainsFunc(header, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) || len(header) > 4096 {
		t.Skip("net/http sends no such header")
	}
	b.mu.Lock()
	b.header, b.answers, b.dialled = header, 0, map[string]bool{}
	b.mu.Unlock()
	c := New(Options{Keychain: login{"me", "password"}, Logger: slog.New(slog.DiscardHandler), Patience: transport.Patience{
		Attempts: 1, Backoff: time.Microsecond,
	}})
	t.Cleanup(c.Close)
	c.transport.Base.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		b.mu.Lock()
		b.dialled[address] = true
		b.mu.Unlock()
		if address != b.address {
			return nil, fmt.Errorf("no way to %s", address)
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	return c
}

func (b *besieged) app() config.Repository { return config.Repository{Host: b.address, Path: "app"} }

// checkMessage wants one line that is safe to print on a terminal.
func checkMessage(t *testing.T, err error) {
	t.Helper()
	if err != nil && (strings.ContainsFunc(err.Error(), func(r rune) bool { return !unicode.IsPrint(r) }) || len(err.Error()) > 1000) {
		t.Fatalf("message %q", err)
	}
}

// Whatever a registry says of its next page, a listing ends and asks no other
// host.
func FuzzLink(f *testing.F) {
	for _, seed := range []string{
		"", `</v2/app/tags/list?last=b&n=1000>; rel="next"`, `<?last=b>; rel=next`, `</v2/app/tags/list>; rel="prev"`,
		`<http://169.254.169.254/latest/meta-data>; rel="next"`, `<//evil.example/v2/app/tags/list>; rel="next"`, `<>; rel="next"`, `<`, `>;<`,
		`</v2/other/tags/list>; rel="next"`, `</v2/app/tags/list?last=%zz>; rel="next"`, `<https://user:pw@127.0.0.1/x>; rel="next"`,
	} {
		f.Add(seed)
	}
	b := besiege(f, func(w http.ResponseWriter, r *http.Request, header string, n int) {
		if r.URL.Path != "/v2/" {
			w.Header().Set("Link", header)
			_, _ = fmt.Fprintf(w, `{"tags":["%d"]}`, min(n, 5))
		}
	})
	f.Fuzz(func(t *testing.T, header string) {
		c := b.client(t, header)
		tags, err := c.Reader(b.app()).Tags(t.Context())
		checkMessage(t, err)
		if err != nil && tags != nil {
			t.Fatalf("tags %q and the error %v", tags, err)
		}
		if len(b.dialled) > 1 || !b.dialled[b.address] {
			t.Fatalf("asked %v", b.dialled)
		}
		if b.answers > 20 {
			t.Fatalf("%d requests", b.answers)
		}
	})
}

// No challenge sends credentials over plain HTTP to another machine, and none
// makes an image look absent.
func FuzzWWWAuthenticate(f *testing.F) {
	for _, seed := range []string{
		"", "Basic", `Basic realm="x"`, `Bearer realm="http://HOST/token",service="x"`, `Bearer realm="https://evil.example/token"`,
		`Bearer realm="http://evil.example/token"`, `Bearer realm="http://169.254.169.254/latest/api/token"`, `Bearer realm="//HOST/token"`,
		`Bearer realm="HOST/token",scope="repository:other:push"`, `Bearer realm=`, `Bearer realm="http://HOST/token`, `Negotiate, Basic`, `bearer REALM="file:///etc/passwd"`,
		`Bearer realm="http://HOST/token?a=b&c=%zz",error="invalid_token"`,
	} {
		f.Add(seed)
	}
	b := besiege(f, func(w http.ResponseWriter, r *http.Request, header string, _ int) {
		if r.URL.Path == "/token" {
			_, _ = w.Write([]byte(`{"token":"t"}`))
			return
		}
		w.Header().Set("WWW-Authenticate", header)
		w.WriteHeader(http.StatusUnauthorized)
	})
	f.Fuzz(func(t *testing.T, header string) {
		c := b.client(t, strings.ReplaceAll(header, "HOST", b.address))
		_, err := resolve(t, c, b.app(), "10")
		if err == nil {
			t.Fatal("let in")
		}
		checkMessage(t, err)
		if strings.Contains(err.Error(), "password") {
			t.Fatalf("the password is in %q", err)
		}
		for address := range b.dialled {
			if host, port, _ := net.SplitHostPort(address); port == "80" && !c.transport.PlainHTTP(host) {
				t.Fatalf("plain HTTP to %s", address)
			}
		}
		if b.answers > 20 {
			t.Fatalf("%d requests", b.answers)
		}
	})
}
