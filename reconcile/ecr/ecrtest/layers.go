package ecrtest

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/opencontainers/go-digest"
)

const (
	layersPath  = "/layers/"
	layerExpiry = time.Hour // assumed
	signedTime  = "20060102T150405Z"
)

// begin starts an upload and returns its id.
func (r *Registry) begin(repo *repository) string {
	r.serial++
	id := "upload-" + strconv.Itoa(r.serial)
	r.uploads[id] = &upload{repository: repo.name}
	return id
}

// upload finds an upload of a repository.
func (r *Registry) upload(repo *repository, id string) (*upload, error) {
	if u := r.uploads[id]; u != nil && u.repository == repo.name {
		return u, nil
	}
	return nil, refusal("UploadNotFoundException", "The upload '%s' could not be found in the repository with name '%s' in the registry with id '%s'",
		id, repo.name, r.options.Account)
}

// finish turns an upload into a layer.
func (r *Registry) finish(repo *repository, id, want string) error {
	u := r.uploads[id]
	if got := digest.FromBytes(u.body).String(); got != want {
		return refusal("InvalidLayerException", "The layer digest '%s' does not match the digest '%s' of what was uploaded", want, got)
	}
	repo.layers[want] = u.body
	delete(r.uploads, id)
	return nil
}

// reach returns an error if a layer can't be downloaded: an image must use it
// (API_GetDownloadUrlForLayer).
func (r *Registry) reach(repo *repository, layer string) error {
	switch {
	case repo.layers[layer] == nil:
		return refusal("LayersNotFoundException", "The layer '%s' could not be found in the repository with name '%s' in the registry with id '%s'",
			layer, repo.name, r.options.Account)
	case repo.uses[layer] == 0:
		return refusal("LayerInaccessibleException", "The layer '%s' is not associated with an image in the repository with name '%s'", layer, repo.name)
	}
	return nil
}

// batchCheckLayerAvailability takes 1 to 100 digests. A layer is available as
// long as it exists, even if no image uses it: a push asks before its image
// exists (API_BatchCheckLayerAvailability). Assumed: the text of failures.
func (r *Registry) batchCheckLayerAvailability(repo *repository, in batchCheckLayerAvailabilityRequest) (any, error) {
	if err := atMost("layerDigests", len(in.LayerDigests), 100); err != nil {
		return nil, err
	}
	out := batchCheckLayerAvailabilityResponse{Failures: []layerFailure{}, Layers: []layer{}}
	for _, of := range in.LayerDigests {
		body, held := repo.layers[of]
		switch {
		case !reDigest.MatchString(of):
			out.Failures = append(out.Failures, layerFailure{string(types.LayerFailureCodeInvalidLayerDigest), "Invalid layer digest", of})
		case held:
			out.Layers = append(out.Layers, layer{LayerAvailability: string(types.LayerAvailabilityAvailable), LayerDigest: of, LayerSize: int64(len(body))})
		default:
			out.Layers = append(out.Layers, layer{LayerAvailability: string(types.LayerAvailabilityUnavailable), LayerDigest: of})
		}
	}
	return out, nil
}

// DeleteLayer deletes a layer, as ECR may do once no image uses it.
func (r *Registry) DeleteLayer(repository, layer string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if repo := r.repositories[repository]; repo != nil {
		delete(repo.layers, layer)
	}
}

func (r *Registry) getDownloadURLForLayer(host string, repo *repository, in getDownloadURLForLayerRequest) (any, error) {
	if err := r.reach(repo, in.LayerDigest); err != nil {
		return nil, err
	}
	return getDownloadURLForLayerResponse{r.sign(host, repo, in.LayerDigest), in.LayerDigest}, nil
}

// sign returns the URL of a layer, with a query that grants access for a time.
// In AWS it is S3's, on another host.
func (r *Registry) sign(host string, repo *repository, layer string) string {
	resource, date := repo.name+"/"+layer, r.options.Now().UTC().Format(signedTime)
	query := url.Values{
		"X-Amz-Algorithm": {"AWS4-HMAC-SHA256"},
		"X-Amz-Date":      {date},
		"X-Amz-Expires":   {strconv.Itoa(int(layerExpiry.Seconds()))},
		"X-Amz-Signature": {r.signature(resource, date)},
	}
	return "http://" + host + layersPath + resource + "?" + query.Encode()
}

func (r *Registry) signature(resource, date string) string {
	mac := hmac.New(sha256.New, []byte(r.key))
	_, _ = fmt.Fprint(mac, resource, date) // writing to a hash never fails
	return hex.EncodeToString(mac.Sum(nil))
}

// serveLayer serves a signed URL, as S3 does.
func (r *Registry) serveLayer(w http.ResponseWriter, c *Call, resource string) {
	date := c.request.URL.Query().Get("X-Amz-Date")
	at, err := time.Parse(signedTime, date)
	switch {
	case err != nil || c.request.URL.Query().Get("X-Amz-Signature") != r.signature(resource, date):
		refuseLayer(w, refusal("SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided."))
		return
	case r.options.Now().After(at.Add(layerExpiry)):
		refuseLayer(w, refusal("AccessDenied", "Request has expired"))
		return
	}
	slash := strings.LastIndex(resource, "/")
	var body []byte
	r.mu.Lock()
	if repo := r.repositories[resource[:slash]]; repo != nil {
		body = repo.layers[resource[slash+1:]]
	}
	r.mu.Unlock()
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, c.request, "", time.Time{}, bytes.NewReader(body))
}

func refuseLayer(w http.ResponseWriter, err error) {
	refused := asAPI(err)
	status := http.StatusForbidden
	if refused.code == "ServerException" || refused.code == "ThrottlingException" {
		status = http.StatusServiceUnavailable
	}
	body, err := xml.Marshal(struct {
		XMLName xml.Name `xml:"Error"`
		Code    string
		Message string
	}{Code: refused.code, Message: refused.message})
	if err != nil {
		panic(err) // strings can always be marshaled
	}
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = w.Write(body) // fails only if the client has hung up
}
