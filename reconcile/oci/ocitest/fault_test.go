package ocitest_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tagline/reconcile/demo"
	"tagline/reconcile/oci/ocitest"
)

// Each action does what its name says to a client that reads manifest 10.10.
func TestActions(t *testing.T) {
	upstream := ocitest.Olareg(t)
	if _, err := demo.Seed(t.Context(), upstream); err != nil {
		t.Fatal(err)
	}
	const path = "/v2/my-image/manifests/10.10"
	truth := do(t, http.MethodGet, "http://"+upstream+path, "Accept", ocispec.MediaTypeImageIndex)
	if truth.status != http.StatusOK {
		t.Fatalf("without a proxy: status %d", truth.status)
	}
	whole := truth.body
	shout := func(body []byte) []byte { return bytes.ToUpper(body) }

	type outcome struct {
		answer
		err  error
		took time.Duration
	}
	for _, tc := range []struct {
		name string
		do   ocitest.Action
		ok   func(outcome) bool
	}{
		{"Status", ocitest.Status(429, "Retry-After", "2"), func(a outcome) bool {
			return a.status == 429 && a.header.Get("Retry-After") == "2" && len(a.body) == 0
		}},
		{"Respond", ocitest.Respond(403, `{"errors":[]}`, "Content-Type", "application/json"), func(a outcome) bool {
			return a.status == 403 && string(a.body) == `{"errors":[]}` && a.header.Get("Content-Type") == "application/json"
		}},
		{"HTML", ocitest.HTML(), func(a outcome) bool {
			return a.status == 200 && strings.HasPrefix(a.header.Get("Content-Type"), "text/html") && len(a.body) > 0
		}},
		{"Redirect", ocitest.Redirect("127.0.0.1:1"), func(a outcome) bool {
			return a.status == 307 && a.header.Get("Location") == "http://127.0.0.1:1"+path+"?ns=x"
		}},
		{"Delay", ocitest.Delay(50 * time.Millisecond), func(a outcome) bool {
			return a.took >= 50*time.Millisecond && bytes.Equal(a.body, whole)
		}},
		{"Reset", ocitest.Reset(), func(a outcome) bool { return errors.Is(a.err, syscall.ECONNRESET) }},
		{"LoseAnswer", ocitest.LoseAnswer(), func(a outcome) bool { return errors.Is(a.err, syscall.ECONNRESET) }},
		{"Truncate", ocitest.Truncate(10), func(a outcome) bool {
			return a.length == int64(len(whole)) && len(a.body) == 10 && errors.Is(a.err, io.ErrUnexpectedEOF)
		}},
		{"TruncateChunked", ocitest.TruncateChunked(10), func(a outcome) bool {
			return a.length == -1 && len(a.body) == 10 && errors.Is(a.err, io.ErrUnexpectedEOF)
		}},
		{"Drip", ocitest.Drip(time.Millisecond / 2), func(a outcome) bool {
			return a.took >= time.Duration(len(whole))*time.Millisecond/2 && bytes.Equal(a.body, whole)
		}},
		{"SetHeader", ocitest.SetHeader("Docker-Content-Digest", "sha256:0"), func(a outcome) bool {
			return a.header.Get("Docker-Content-Digest") == "sha256:0" && bytes.Equal(a.body, whole)
		}},
		{"StripHeader", ocitest.StripHeader("content-type"), func(a outcome) bool {
			return len(a.header.Values("Content-Type")) == 0 && bytes.Equal(a.body, whole)
		}},
		{"ReplaceBody", ocitest.ReplaceBody(shout), func(a outcome) bool {
			return bytes.Equal(a.body, shout(whole)) && a.header.Get("Docker-Content-Digest") == truth.header.Get("Docker-Content-Digest")
		}},
		{"ForgeBody", ocitest.ForgeBody(shout), func(a outcome) bool {
			return bytes.Equal(a.body, shout(whole)) && a.header.Get("Docker-Content-Digest") == digest.FromBytes(a.body).String()
		}},
		{"Oversize", ocitest.Oversize(5 << 20), func(a outcome) bool {
			return len(a.body) == 5<<20 && bytes.HasPrefix(a.body, whole) && a.status == 200
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			proxy := ocitest.Proxy(t, upstream)
			proxy.Script(ocitest.Fault{Method: "GET", Path: "manifests/10.10$", Do: tc.do})
			start := time.Now()
			a, err := try(t, http.MethodGet, "http://"+proxy.Host+path+"?ns=x", "Accept", ocispec.MediaTypeImageIndex)
			if got := (outcome{a, err, time.Since(start)}); !tc.ok(got) {
				t.Errorf("got status %d, %v, body %.80q, error %v after %v", got.status, got.header, got.body, got.err, got.took)
			}
		})
	}
}

// HEAD and GET of a forged manifest agree.
func TestForgedHead(t *testing.T) {
	upstream := ocitest.Olareg(t)
	if _, err := demo.Seed(t.Context(), upstream); err != nil {
		t.Fatal(err)
	}
	proxy := ocitest.Proxy(t, upstream)
	proxy.Script(ocitest.Fault{Do: ocitest.ForgeBody(bytes.ToUpper)})
	url := "http://" + proxy.Host + "/v2/my-image/manifests/10.10"
	head := do(t, http.MethodHead, url, "Accept", ocispec.MediaTypeImageIndex)
	get := do(t, http.MethodGet, url, "Accept", ocispec.MediaTypeImageIndex)
	if head.status != http.StatusOK {
		t.Errorf("HEAD: status %d", head.status)
	}
	for _, key := range []string{"Docker-Content-Digest", "Content-Length"} {
		if head.header.Get(key) != get.header.Get(key) {
			t.Errorf("%s: HEAD %q, GET %q", key, head.header.Get(key), get.header.Get(key))
		}
	}
	if head.length != int64(len(get.body)) {
		t.Errorf("HEAD has Content-Length %d for %d bytes", head.length, len(get.body))
	}
}

// After a lost answer, the client does not know that the registry has done it.
func TestLostAnswerWasDone(t *testing.T) {
	for _, tc := range []struct {
		name string
		do   ocitest.Action
		want int
	}{
		{"reset before", ocitest.Reset(), http.StatusOK},
		{"answer lost", ocitest.LoseAnswer(), http.StatusNotFound},
	} {
		t.Run(tc.name, func(t *testing.T) {
			upstream := ocitest.Olareg(t)
			if _, err := demo.Seed(t.Context(), upstream); err != nil {
				t.Fatal(err)
			}
			proxy := ocitest.Proxy(t, upstream)
			proxy.Script(ocitest.Fault{Method: "DELETE", Do: tc.do})
			url := "http://" + proxy.Host + "/v2/my-image/manifests/10.10"
			if _, err := try(t, http.MethodDelete, url); err == nil {
				t.Error("the client got an answer")
			}
			if seen := proxy.Trace(); len(seen) != 1 || seen[0].Status != 0 {
				t.Errorf("trace has %+v", seen)
			}
			if got := do(t, http.MethodGet, url, "Accept", ocispec.MediaTypeImageIndex); got.status != tc.want {
				t.Errorf("tag answers %d, want %d", got.status, tc.want)
			}
		})
	}
}

func TestScriptOrder(t *testing.T) {
	proxy := ocitest.Proxy(t, ocitest.Olareg(t))
	proxy.Script(
		ocitest.Fault{Method: "GET", Path: "^/v2/$", Skip: 1, Times: 2, Do: ocitest.Status(503)},
		ocitest.Fault{Method: "GET", Skip: 1, Times: 1, Do: ocitest.Status(429)},
		ocitest.Fault{Method: "HEAD", Do: ocitest.Status(401)},
	)
	var got []int
	for range 6 {
		got = append(got, do(t, http.MethodGet, "http://"+proxy.Host+"/v2/").status)
	}
	// The second line sees only requests that the first lets pass: 1, 4, 5, 6.
	if want := []int{200, 503, 503, 429, 200, 200}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if head := do(t, http.MethodHead, "http://"+proxy.Host+"/v2/"); head.status != 401 {
		t.Errorf("HEAD: status %d", head.status)
	}
	proxy.Script()
	if head := do(t, http.MethodHead, "http://"+proxy.Host+"/v2/"); head.status != 200 {
		t.Errorf("HEAD without a script: status %d", head.status)
	}
}

// lateEnd is a request body that returns its end only after an answer has
// begun.
type lateEnd struct {
	io.ReadCloser
	ended bool
	begun <-chan struct{}
}

func (b *lateEnd) Read(p []byte) (int, error) {
	if b.ended {
		<-b.begun
	}
	n, err := b.ReadCloser.Read(p)
	b.ended = b.ended || err == io.EOF
	return n, err
}

// begins closes a channel when the head of an answer has been sent.
type begins struct {
	http.ResponseWriter
	begun chan struct{}
	once  sync.Once
}

func (w *begins) Write(p []byte) (int, error) {
	n, err := w.ResponseWriter.Write(p)
	_ = http.NewResponseController(w.ResponseWriter).Flush()
	w.once.Do(func() { close(w.begun) })
	return n, err
}

// A registry may answer before the proxy has read the end of the request's
// body. The answer still arrives whole.
func TestAnswerBeforeTheEndOfARequest(t *testing.T) {
	whole := bytes.Repeat([]byte("0123456789abcdef"), 2<<20) // more than all buffers on the way hold
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = w.Write(whole)
	}))
	defer upstream.Close()
	proxy := ocitest.Proxy(t, upstream.Listener.Addr().String())
	proxy.Script(ocitest.Fault{Do: func(w http.ResponseWriter, r *http.Request, registry http.Handler) {
		begun := make(chan struct{})
		r.Body = &lateEnd{ReadCloser: r.Body, begun: begun}
		registry.ServeHTTP(&begins{ResponseWriter: w, begun: begun}, r)
	}})
	resp, err := http.Post("http://"+proxy.Host+"/", "application/json", strings.NewReader(`{"imageIds":[]}`))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	got, err := io.ReadAll(resp.Body)
	if err != nil || !bytes.Equal(got, whole) {
		t.Errorf("%d bytes of %d: %v", len(got), len(whole), err)
	}
}
