package transport

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/opencontainers/go-digest"
)

// verifier checks answers: a manifest must be complete and match its digest. It
// is below the retries, which see a truncated answer as a broken connection. On
// its own, go-containerregistry believes any Docker-Content-Digest, any body
// with status 200, and a PUT that is answered with another digest.
type verifier struct {
	next       http.RoundTripper
	wholeBlobs bool // ReadsWhole
	heads      *heads
}

func (v *verifier) RoundTrip(req *http.Request) (*http.Response, error) {
	route := RouteOf(req)
	switch {
	case route.Resource == "manifests" && req.Method == http.MethodHead:
		return v.head(req)
	case route.Resource == "manifests" && req.Method == http.MethodPut:
		return v.put(req)
	case route.Resource == "manifests" && req.Method == http.MethodDelete:
		return v.delete(req)
	case route.Resource == "blobs" && req.Method == http.MethodHead:
		return v.headBlob(req)
	case route.Resource == "manifests":
		return v.get(req, MaxDocument, route.Reference, checkManifest)
	case route.Resource == "blobs" && req.Method == http.MethodGet && v.wholeBlobs:
		return v.get(req, MaxDocument, route.Reference, checkDigest)
	case route.Resource == "tags" && req.Method == http.MethodGet:
		return v.get(req, MaxList, "", func(*http.Response, []byte, string) error { return nil })
	case route.Resource == "referrers" && req.Method == http.MethodGet:
		return referrers(v.next, req, v.wholeBlobs)
	}
	return v.next.RoundTrip(req)
}

// get checks the body of a 200 and passes every other answer on, except a 404
// with a page of HTML: that comes from a proxy and says nothing about the
// registry behind it.
func (v *verifier) get(req *http.Request, most int64, reference string, check func(*http.Response, []byte, string) error) (*http.Response, error) {
	resp, err := v.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	switch {
	case resp.StatusCode == http.StatusNotFound && isHTML(resp):
		discard(resp)
		return nil, Lasting(fmt.Errorf("answered 404 with a page of HTML: %s", whatElse))
	case resp.StatusCode != http.StatusOK || req.Method != http.MethodGet:
		return resp, nil
	}
	body, err := readWhole(resp, most)
	if err != nil {
		return nil, err
	}
	if err := check(resp, body, reference); err != nil {
		return nil, err
	}
	return withBody(resp, body), nil
}

const whatElse = "is there a proxy or a login page in front?"

// checkManifest checks the type before the digest: for a page of HTML, a wrong
// digest would be the wrong complaint.
func checkManifest(resp *http.Response, body []byte, reference string) error {
	mediaType := baseType(resp)
	switch {
	case types.MediaType(mediaType).IsSchema1():
		return Lasting(fmt.Errorf("manifest of Docker schema 1 (%s), which no current tool reads: build and push the image again", mediaType))
	case mediaType == "":
		return Lasting(fmt.Errorf("answered without a Content-Type, not with a manifest: %s", whatElse))
	case !isManifestType(mediaType):
		return Lasting(fmt.Errorf("answered with %s, not a manifest: %s", mediaType, whatElse))
	}
	if claimed := resp.Header.Get("Docker-Content-Digest"); claimed != "" {
		if err := checkDigest(resp, body, claimed); err != nil {
			return err
		}
	}
	if strings.Contains(reference, ":") {
		return checkDigest(resp, body, reference)
	}
	return nil
}

func checkDigest(_ *http.Response, body []byte, want string) error {
	if got := digest.FromBytes(body).String(); got != want {
		return Lasting(fmt.Errorf("body has the digest %s, not %s", got, want))
	}
	return nil
}

// heads are the hosts that have answered the HEAD of a manifest.
type heads struct{ of sync.Map } // host -> whether its 404 can be believed

func (h *heads) areHonest(host string) (is, known bool) {
	told, known := h.of.Load(host)
	return told == true, known
}

// head sends a GET if the HEAD's answer decides nothing: some registries refuse
// HEAD, or answer without a digest. It passes a 401 to the layer above, which
// may have to renew a token first.
func (v *verifier) head(req *http.Request) (*http.Response, error) {
	resp, err := v.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusNotFound || !decides(resp) {
		v.heads.of.LoadOrStore(req.URL.Host, true)
	}
	if decides(resp) {
		resp.Header.Set("Content-Type", baseType(resp))
		return resp, nil
	}
	discard(resp)
	get := req.Clone(req.Context())
	get.Method = http.MethodGet
	resp, err = v.get(get, MaxDocument, RouteOf(req).Reference, checkManifest)
	if err != nil || resp.StatusCode != http.StatusOK {
		return resp, err // a HEAD's answer has no message
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	resp.Header.Set("Docker-Content-Digest", digest.FromBytes(body).String())
	resp.Body = http.NoBody
	return resp, nil
}

func decides(head *http.Response) bool {
	switch head.StatusCode {
	case http.StatusOK:
		_, err := v1.NewHash(head.Header.Get("Docker-Content-Digest"))
		return err == nil && isManifestType(baseType(head)) && head.ContentLength > 0
	case http.StatusNotFound:
		return !isHTML(head)
	case http.StatusUnauthorized, http.StatusRequestTimeout, http.StatusTooManyRequests:
		return true
	case http.StatusNotImplemented:
		return false
	}
	return head.StatusCode < 400 || head.StatusCode >= 500
}

// headBlob treats a registry without HEAD as one that lacks the blob. The blob
// is then mounted or sent; if the registry already has it, nothing changes.
func (v *verifier) headBlob(req *http.Request) (*http.Response, error) {
	resp, err := v.next.RoundTrip(req)
	if err == nil && IsNoSuchMethod(resp.StatusCode) {
		resp.StatusCode = http.StatusNotFound
	}
	return resp, err
}

// delete accepts a 204 as success too. go-containerregistry does not. A 200 with a page
// of HTML is that of a proxy. Quay says of its empty 202 that it is HTML, as Flask does
// of every answer without a type (quay/quay, endpoints/v2/manifest.py).
func (v *verifier) delete(req *http.Request) (*http.Response, error) {
	resp, err := v.get(req, MaxDocument, "", nil)
	switch {
	case err != nil:
		return nil, err
	case resp.StatusCode == http.StatusOK && isHTML(resp):
		discard(resp)
		return nil, Lasting(fmt.Errorf("deletion answered with a page of HTML: %s", whatElse))
	case resp.StatusCode == http.StatusNoContent:
		resp.StatusCode = http.StatusAccepted
	}
	return resp, nil
}

// put accepts a 201 as success (distribution-spec, "Pushing Manifests"). It
// accepts other statuses that go-containerregistry takes for success, and what says
// that it is HTML, only with the digest of what was sent: Quay's 201 says so (see
// delete). Another digest is always an error.
func (v *verifier) put(req *http.Request) (*http.Response, error) {
	body, err := req.GetBody() // a manifest always has one: see repeatable
	if err != nil {
		return nil, err
	}
	want, err := digest.FromReader(body)
	if err != nil {
		return nil, err
	}

	resp, err := v.next.RoundTrip(req)
	if err != nil || resp.StatusCode >= 300 {
		return resp, err
	}
	switch got := resp.Header.Get("Docker-Content-Digest"); {
	case got != "" && got != want.String():
		err = fmt.Errorf("registry stored %s, not the %s that was pushed", Printable(got), want)
	case got == "" && isHTML(resp):
		err = fmt.Errorf("push answered with a page of HTML: %s", whatElse)
	case got == "" && resp.StatusCode != http.StatusCreated:
		err = fmt.Errorf("push answered with %d and no digest, not with 201 Created", resp.StatusCode)
	}
	if err != nil {
		discard(resp)
		return nil, Lasting(err)
	}
	return resp, nil
}
