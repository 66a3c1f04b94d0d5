package ecrtest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// endpoint is what a path of /v2/ names; the zero endpoint is the ping.
type endpoint struct {
	repository string
	kind       string // "manifests", "blobs", "blobs/uploads", "tags", "referrers"
	reference  string
}

// about names what a request is about, and the IAM action that it needs (user
// guide, image-push-iam). The action of a delete is assumed.
func (at endpoint) about(method string) (noun, permission string) {
	switch at.kind {
	case "":
		return "ping", "GetAuthorizationToken"
	case "tags":
		return "tags", "ListImages"
	case "referrers":
		return "referrers", "BatchGetImage"
	case "blobs":
		if method == http.MethodHead {
			return "blob", "BatchCheckLayerAvailability"
		}
		return "blob", "GetDownloadUrlForLayer"
	}
	if at.kind == "blobs/uploads" {
		switch method {
		case http.MethodPatch:
			return "upload", "UploadLayerPart"
		case http.MethodPut:
			return "upload", "CompleteLayerUpload"
		}
		return "upload", "InitiateLayerUpload"
	}
	switch method {
	case http.MethodPut:
		return "manifest", "PutImage"
	case http.MethodDelete:
		return "manifest", "BatchDeleteImage"
	}
	return "manifest", "BatchGetImage"
}

// Greedy, since a component of a repository may be named like an endpoint.
var reEndpoint = regexp.MustCompile(`^/v2/(.+)/(manifests|blobs/uploads|blobs|tags|referrers)/(.*)$`)

// receiveDistribution names a request to /v2/ by its method and what it is
// about.
func (r *Registry) receiveDistribution(c *Call) {
	at, method := endpoint{}, c.request.Method
	if match := reEndpoint.FindStringSubmatch(c.request.URL.Path); match != nil {
		at = endpoint{repository: match[1], kind: match[2], reference: match[3]}
	}
	noun, permission := at.about(method)
	c.Operation, c.Repository, c.Permission = method+" "+noun, at.repository, permission
	c.refuse = refuseDistribution
	c.serve = func(w http.ResponseWriter) { r.serveDistribution(w, c, at) }
}

// serveDistribution answers a request to /v2/.
func (r *Registry) serveDistribution(w http.ResponseWriter, c *Call, at endpoint) {
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	switch err := r.checkToken(c.request); {
	case errors.Is(err, errExpired): // aws/aws-cli#6580; the status is assumed
		writeOCIError(w, http.StatusForbidden, "DENIED", "Your authorization token has expired. Reauthenticate and try again.")
		return
	case err != nil:
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Basic realm="http://%s/",service="ecr.amazonaws.com"`, c.request.Host))
		http.Error(w, "Not Authorized", http.StatusUnauthorized)
		return
	}
	handle := r.ping
	switch at.kind {
	case "manifests":
		handle = r.serveManifest
	case "blobs":
		handle = r.serveBlob
	case "blobs/uploads":
		handle = r.serveUpload
	case "tags":
		handle = r.serveTags
	case "referrers":
		handle = r.serveReferrers
	}
	if err := handle(w, c.request, at); err != nil {
		refuseDistribution(w, err)
	}
}

func refuseDistribution(w http.ResponseWriter, err error) {
	refused := asAPI(err)
	status, code := refused.distribution()
	writeOCIError(w, status, code, refused.message)
}

func writeOCIError(w http.ResponseWriter, status int, code, message string) {
	writeJSON(w, "application/json", status, map[string]any{
		"errors": []map[string]string{{"code": code, "message": message}},
	})
}

var errUnsupported = refusal("UnsupportedException", "Unsupported")

func (r *Registry) ping(w http.ResponseWriter, req *http.Request, _ endpoint) error {
	if strings.Trim(req.URL.Path, "/") != "v2" {
		return errUnsupported
	}
	writeJSON(w, "application/json", http.StatusOK, struct{}{})
	return nil
}

// id parses the reference of a manifest.
func (at endpoint) id() imageID {
	if strings.Contains(at.reference, ":") {
		return imageID{ImageDigest: at.reference}
	}
	return imageID{ImageTag: at.reference}
}

func (r *Registry) serveManifest(w http.ResponseWriter, req *http.Request, at endpoint) error {
	switch req.Method {
	case http.MethodGet, http.MethodHead:
		return r.getManifest(w, req, at)
	case http.MethodPut:
		return r.putManifest(w, req, at)
	case http.MethodDelete:
		return r.deleteManifest(w, at)
	}
	return errUnsupported
}

func (r *Registry) getManifest(w http.ResponseWriter, req *http.Request, at endpoint) error {
	var img *image
	err := r.do(func() error {
		repo, err := r.repository(at.repository)
		if err != nil {
			return err
		}
		var failure *imageFailure
		if img, failure = repo.pull(at.id(), accepted(req)); failure != nil {
			return refusal("ImageNotFoundException", "%s", failure.FailureReason)
		}
		return nil
	})
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", img.mediaType)
	w.Header().Set("Content-Length", strconv.Itoa(len(img.body)))
	w.Header().Set("Docker-Content-Digest", img.digest)
	_, _ = io.WriteString(w, img.body) // fails only if the client has hung up
	return nil
}

// accepted returns the media types of the Accept header, or none if it accepts
// everything.
func accepted(req *http.Request) []string {
	var types []string
	for _, value := range strings.Split(strings.Join(req.Header.Values("Accept"), ","), ",") {
		mediaType, _, _ := strings.Cut(value, ";")
		types = append(types, strings.TrimSpace(mediaType))
	}
	if slices.Contains(types, "*/*") || slices.Contains(types, "") {
		return nil
	}
	return types
}

func (r *Registry) putManifest(w http.ResponseWriter, req *http.Request, at endpoint) error {
	body, err := io.ReadAll(io.LimitReader(req.Body, maxManifest+1))
	if err != nil {
		return invalid("imageManifest", "%v", err)
	}
	id := at.id()
	var img *image
	err = r.do(func() error {
		repo, err := r.pushTo(at.repository)
		if err != nil {
			return err
		}
		img, err = r.put(repo, push{string(body), req.Header.Get("Content-Type"), id.ImageDigest, id.ImageTag, r.options.Now()})
		return unlessExists(err)
	})
	if err != nil {
		return err
	}
	if img.subject != "" {
		w.Header().Set("OCI-Subject", img.subject)
	}
	w.Header().Set("Location", "/v2/"+at.repository+"/manifests/"+img.digest)
	w.Header().Set("Docker-Content-Digest", img.digest)
	w.WriteHeader(http.StatusCreated)
	return nil
}

// deleteManifest does a BatchDeleteImage of one id
// (aws/containers-roadmap#1229: shipped). A refusal is UNSUPPORTED (user guide,
// image-artifact-delete).
func (r *Registry) deleteManifest(w http.ResponseWriter, at endpoint) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	repo, err := r.repository(at.repository)
	if err != nil {
		return err
	}
	if _, failure := repo.delete(at.id(), repo.holding(at.id())); failure != nil {
		return refusal(failure.FailureCode+"Exception", "%s", failure.FailureReason)
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// serveBlob redirects a GET to the layer's signed URL.
func (r *Registry) serveBlob(w http.ResponseWriter, req *http.Request, at endpoint) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	repo, err := r.repository(at.repository)
	if err != nil {
		return err
	}
	switch req.Method {
	case http.MethodHead:
		body, ok := repo.layers[at.reference]
		if !ok {
			return refusal("LayerInaccessibleException", "blob unknown to registry")
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.Header().Set("Docker-Content-Digest", at.reference)
		return nil
	case http.MethodGet:
		if err := r.reach(repo, at.reference); err != nil {
			return refusal("LayerInaccessibleException", "blob unknown to registry")
		}
		http.Redirect(w, req, r.sign(req.Host, repo, at.reference), http.StatusTemporaryRedirect)
		return nil
	}
	return errUnsupported
}

// serveUpload stores blobs by POST, PATCH and PUT, or mounts them.
func (r *Registry) serveUpload(w http.ResponseWriter, req *http.Request, at endpoint) error {
	var body bytes.Buffer
	if _, err := body.ReadFrom(req.Body); err != nil {
		return invalid("layerPartBlob", "%v", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	repo, err := r.pushTo(at.repository)
	if err != nil {
		return err
	}
	wanted := req.URL.Query().Get("digest")
	done := func(blob string) {
		w.Header().Set("Location", "/v2/"+repo.name+"/blobs/"+blob)
		w.Header().Set("Docker-Content-Digest", blob)
		w.WriteHeader(http.StatusCreated)
	}
	if req.Method == http.MethodPost {
		if blob := req.URL.Query().Get("mount"); r.mount(repo, req.URL.Query().Get("from"), blob) {
			done(blob)
			return nil
		}
		at.reference = r.begin(repo)
	}
	u, err := r.upload(repo, at.reference)
	if err != nil {
		return err
	}
	u.body = append(u.body, body.Bytes()...)
	switch req.Method {
	case http.MethodPut:
		if err := r.finish(repo, at.reference, wanted); err != nil {
			return err
		}
		done(wanted)
	case http.MethodPost, http.MethodPatch:
		w.Header().Set("Location", "/v2/"+repo.name+"/blobs/uploads/"+at.reference)
		w.Header().Set("Range", fmt.Sprintf("0-%d", max(0, len(u.body)-1)))
		w.WriteHeader(http.StatusAccepted)
	default:
		return errUnsupported
	}
	return nil
}

// mount takes a blob from another repository, if the account has blob mounting
// and an image there uses the blob (aws/containers-roadmap#2860). If not, the
// client uploads it (OCI distribution-spec, "Mounting a blob").
func (r *Registry) mount(repo *repository, from, blob string) bool {
	source := r.repositories[from]
	if !r.options.BlobMounting || source == nil || source.uses[blob] == 0 {
		return false
	}
	repo.layers[blob] = source.layers[blob]
	return true
}

// serveTags lists 1 to 1,000 tags per page, 100 by default, in no order
// (google/go-containerregistry#681, genuinetools/reg#206). The Content-Type and
// the opaque cursor follow deitch/docker_registry2#34.
func (r *Registry) serveTags(w http.ResponseWriter, req *http.Request, at endpoint) error {
	if at.reference != "list" || req.Method != http.MethodGet {
		return errUnsupported
	}
	in := pageRequest{NextToken: req.URL.Query().Get("last")}
	if text := req.URL.Query().Get("n"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			return invalid("maxResults", "%v", err)
		}
		in.MaxResults = &n
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	repo, err := r.repository(at.repository)
	if err != nil {
		return err
	}
	ids, next, err := page(in, 100, 1000, fingerprint("tags", repo.name), repo.ids(imageFilter{TagStatus: "TAGGED"}))
	if err != nil {
		return err
	}
	tags := []string{}
	for _, id := range ids {
		tags = append(tags, id.ImageTag)
	}
	if next != "" {
		link := url.URL{Scheme: "http", Host: req.Host, Path: req.URL.Path, RawQuery: url.Values{"n": {strconv.Itoa(len(ids))}, "last": {next}}.Encode()}
		w.Header().Set("Link", fmt.Sprintf(`<%s>; rel="next"`, &link))
	}
	writeJSON(w, "text/plain; charset=utf-8", http.StatusOK, map[string]any{"name": repo.name, "tags": tags})
	return nil
}

// serveReferrers is the referrers API of the OCI distribution-spec, which ECR
// supports (user guide, image-artifact-delete). It always answers with one page
// (assumed).
func (r *Registry) serveReferrers(w http.ResponseWriter, req *http.Request, at endpoint) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	repo, err := r.repository(at.repository)
	if err != nil {
		return err
	}
	var filter referrerFilter
	if kind := req.URL.Query().Get("artifactType"); kind != "" {
		filter.ArtifactTypes = []string{kind}
		w.Header().Set("OCI-Filters-Applied", "artifactType")
	}
	index := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{}}
	for _, referrer := range repo.referring(at.reference, filter)(position{}) {
		index.Manifests = append(index.Manifests, ocispec.Descriptor{
			MediaType: referrer.MediaType, Digest: digest.Digest(referrer.Digest), Size: referrer.Size,
			ArtifactType: referrer.ArtifactType, Annotations: referrer.Annotations,
		})
	}
	writeJSON(w, ocispec.MediaTypeImageIndex, http.StatusOK, index)
	return nil
}
