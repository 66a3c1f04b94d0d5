package transport

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/types"

	"tagline/reconcile/registry"
)

// closeBody closes the body of a request that a RoundTripper does not pass on,
// as [http.RoundTripper] demands.
func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
}

// discard reads the rest of a small answer, so that its connection can be
// reused.
func discard(resp *http.Response) {
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10)
	_ = resp.Body.Close()
}

// MaxDocument bounds what is read into memory: a manifest (distribution-spec,
// "Pushing Manifests"), a config, a page of referrers, an answer of an API.
const MaxDocument = registry.MaxManifest

// MaxList bounds a page of a list of tags. Google's list is one page and has every
// manifest, at some 265 bytes each: this is a quarter of a million.
const MaxList = 64 << 20

// IsNoSuchMethod reports whether a status means that a registry lacks a method
// (RFC 9110, sections 15.5.6 and 15.6.2).
func IsNoSuchMethod(status int) bool {
	return status == http.StatusMethodNotAllowed || status == http.StatusNotImplemented
}

func readDocument(resp *http.Response) ([]byte, error) { return readWhole(resp, MaxDocument) }

// readWhole reads a body to its end and closes it. net/http reports a body that is
// shorter than its Content-Length.
func readWhole(resp *http.Response, most int64) ([]byte, error) {
	defer func() { _ = resp.Body.Close() }()
	if resp.ContentLength > most {
		return nil, Lasting(fmt.Errorf("answer of %d bytes, more than the %d that tagline reads", resp.ContentLength, most))
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, most+1))
	if err != nil {
		return nil, fmt.Errorf("body of the answer: %w", err)
	}
	if int64(len(body)) > most {
		return nil, TooLong(most)
	}
	return body, nil
}

// TooLong is the error of an answer of more bytes than are read.
func TooLong(most int64) error {
	return Lasting(fmt.Errorf("answer of more than the %d bytes that tagline reads", most))
}

func withBody(resp *http.Response, body []byte) *http.Response {
	resp.Header.Set("Content-Type", baseType(resp))
	resp.Body = io.NopCloser(bytes.NewReader(body))
	resp.ContentLength = int64(len(body))
	return resp
}

// baseType is the Content-Type without parameters. go-containerregistry
// compares the whole header.
func baseType(resp *http.Response) string {
	mediaType, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil {
		mediaType, _, _ = strings.Cut(resp.Header.Get("Content-Type"), ";")
	}
	return Printable(mediaType)
}

func isHTML(resp *http.Response) bool { return baseType(resp) == "text/html" }

func isManifestType(mediaType string) bool {
	t := types.MediaType(mediaType)
	return t.IsImage() || t.IsIndex()
}
