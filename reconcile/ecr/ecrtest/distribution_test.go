package ecrtest_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tagline/reconcile/demo"
	"tagline/reconcile/ecr/ecrtest"
)

// login gets a token and returns it as a Docker config stores it.
func login(t *testing.T, client *ecr.Client) string {
	t.Helper()
	out, err := client.GetAuthorizationToken(t.Context(), &ecr.GetAuthorizationTokenInput{})
	if err != nil {
		t.Fatal(err)
	}
	return *out.AuthorizationData[0].AuthorizationToken
}

type answer struct {
	status int
	header http.Header
	body   string
}

// ask sends a request to /v2/my-image/, or to a full URL. It follows no
// redirect.
func ask(t *testing.T, server *ecrtest.Server, token, method, path, body string, headers ...string) answer {
	t.Helper()
	if !strings.Contains(path, "://") {
		path = server.URL + "/v2/" + repository + "/" + path
	}
	req, err := http.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Basic "+token)
	}
	for pair := range slices.Chunk(headers, 2) {
		req.Header.Set(pair[0], pair[1])
	}
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(got)}
}

func TestDistribution(t *testing.T) {
	now := noon()
	server, client, digests := seeded(t, ecrtest.Options{Now: func() time.Time { return now }, MaxImages: 6})
	if err := server.CreateRepository("fixed", types.ImageTagMutabilityImmutable); err != nil {
		t.Fatal(err)
	}
	if err := server.SeedObjects("fixed", "10", now, objects(t, "10")...); err != nil {
		t.Fatal(err)
	}
	if err := server.SeedObjects("fixed", "", now, objects(t, "9")...); err != nil {
		t.Fatal(err)
	}
	made := objects(t, "10.10")
	layer, image, attestation, index := made[0], made[4], made[5], made[6]
	fixed := server.URL + "/v2/fixed/"
	token := login(t, client)
	const absent = "sha256:0000000000000000000000000000000000000000000000000000000000000000"

	for name, tc := range map[string]struct {
		method, path string
		body         string
		headers      []string
		status       int
		want         string // part of the body
	}{
		"ping":                              {"GET", server.URL + "/v2/", "", nil, 200, "{}"},
		"nothing":                           {"GET", server.URL + "/v2/_catalog", "", nil, 405, "UNSUPPORTED"},
		"a manifest by tag":                 {"GET", "manifests/10.10", "", nil, 200, string(index.Body)},
		"a manifest by digest":              {"GET", "manifests/" + image.Digest.String(), "", []string{"Accept", ocispec.MediaTypeImageIndex}, 200, string(image.Body)},
		"an index to who wants a manifest":  {"GET", "manifests/10.10", "", []string{"Accept", ocispec.MediaTypeImageManifest + ";q=1"}, 200, string(image.Body)},
		"an index to who wants nothing":     {"GET", "manifests/10.10", "", []string{"Accept", "text/html"}, 404, "MANIFEST_UNKNOWN"},
		"a tag that is missing":             {"GET", "manifests/nope", "", nil, 404, "MANIFEST_UNKNOWN"},
		"a repository that is missing":      {"GET", server.URL + "/v2/nope/manifests/10", "", nil, 404, "NAME_UNKNOWN"},
		"a manifest's head":                 {"HEAD", "manifests/10.10", "", nil, 200, ""},
		"push again":                        {"PUT", "manifests/10.10", string(index.Body), nil, 201, ""},
		"push another digest":               {"PUT", "manifests/" + absent, string(index.Body), nil, 400, "DIGEST_INVALID"},
		"push no manifest":                  {"PUT", "manifests/new", "{", nil, 405, "Invalid JSON syntax"},
		"push without layers":               {"PUT", "manifests/new", string(objects(t, "1.0")[4].Body), nil, 400, "MANIFEST_BLOB_UNKNOWN"},
		"push an image too many":            {"PUT", "manifests/new", strings.TrimRight(string(image.Body), "}\n ") + `,"annotations":{}}`, nil, 403, "DENIED"},
		"push over an immutable tag":        {"PUT", fixed + "manifests/10", string(objects(t, "9")[6].Body), nil, 400, `"TAG_INVALID","message":"The image tag '10' already exists`},
		"delete a child":                    {"DELETE", "manifests/" + attestation.Digest.String(), "", nil, 405, "Requested image referenced by manifest list: [" + index.Digest.String() + "]"},
		"delete what is missing":            {"DELETE", "manifests/nope", "", nil, 404, "MANIFEST_UNKNOWN"},
		"delete from what is missing":       {"DELETE", server.URL + "/v2/nope/manifests/10", "", nil, 404, "NAME_UNKNOWN"},
		"patch a manifest":                  {"PATCH", "manifests/10.10", "", nil, 405, "UNSUPPORTED"},
		"a blob":                            {"GET", "blobs/" + layer.Digest.String(), "", nil, 307, ""},
		"a blob's head":                     {"HEAD", "blobs/" + layer.Digest.String(), "", nil, 200, ""},
		"a blob that is missing":            {"GET", "blobs/" + absent, "", nil, 404, "BLOB_UNKNOWN"},
		"the head of a missing blob":        {"HEAD", "blobs/" + absent, "", nil, 404, ""},
		"delete a blob":                     {"DELETE", "blobs/" + layer.Digest.String(), "", nil, 405, "UNSUPPORTED"},
		"a blob of nowhere":                 {"GET", server.URL + "/v2/nope/blobs/" + absent, "", nil, 404, "NAME_UNKNOWN"},
		"begin an upload":                   {"POST", "blobs/uploads/", "", nil, 202, ""},
		"go on with no upload":              {"PATCH", "blobs/uploads/nope", "x", nil, 404, "BLOB_UPLOAD_UNKNOWN"},
		"upload to nowhere":                 {"POST", server.URL + "/v2/nope/blobs/uploads/", "", nil, 404, "NAME_UNKNOWN"},
		"mount without blob mounting":       {"POST", "blobs/uploads/?from=fixed&mount=" + objects(t, "9")[0].Digest.String(), "", nil, 202, ""},
		"tags":                              {"GET", fixed + "tags/list", "", nil, 200, `{"name":"fixed","tags":["10"]}`},
		"1,001 tags a page":                 {"GET", "tags/list?n=1001", "", nil, 405, "Member must have value less than or equal to 1000"},
		"no number of tags a page":          {"GET", "tags/list?n=x", "", nil, 405, "UNSUPPORTED"},
		"tags from a cursor of its own":     {"GET", "tags/list?last=10", "", nil, 405, "Invalid next token provided"},
		"tags of nowhere":                   {"GET", server.URL + "/v2/nope/tags/list", "", nil, 404, "NAME_UNKNOWN"},
		"tags that are no list":             {"GET", "tags/10", "", nil, 405, "UNSUPPORTED"},
		"referrers of what has none":        {"GET", "referrers/" + image.Digest.String(), "", nil, 200, `"manifests":[]`},
		"referrers of nowhere":              {"GET", server.URL + "/v2/nope/referrers/" + absent, "", nil, 404, "NAME_UNKNOWN"},
		"referrers of a kind":               {"GET", "referrers/" + absent + "?artifactType=x", "", nil, 200, `"manifests":[]`},
		"a layer's URL without a signature": {"GET", server.URL + "/layers/" + repository + "/" + layer.Digest.String(), "", nil, 403, "SignatureDoesNotMatch"},
	} {
		t.Run(name, func(t *testing.T) {
			got := ask(t, server, token, tc.method, tc.path, tc.body, tc.headers...)
			if got.status != tc.status || !strings.Contains(strings.ReplaceAll(got.body, "\\u0026", "&"), tc.want) {
				t.Errorf("got %d %s, want %d %s", got.status, got.body, tc.status, tc.want)
			}
		})
	}

	t.Run("delete a tag", func(t *testing.T) {
		if got := ask(t, server, token, "DELETE", "manifests/10.20", ""); got.status != 202 || server.Tags(repository)["10.20"] != "" {
			t.Errorf("got %+v, left %v", got, server.Tags(repository))
		}
	})
	t.Run("headers of a manifest", func(t *testing.T) {
		got := ask(t, server, token, "HEAD", "manifests/10.10", "").header
		if got.Get("Docker-Content-Digest") != digests["10.10"] || got.Get("Content-Type") != ocispec.MediaTypeImageIndex ||
			got.Get("Content-Length") != fmt.Sprint(index.Size) {
			t.Errorf("got %v", got)
		}
	})
	t.Run("a layer's URL needs no token, and ends", func(t *testing.T) {
		out, err := client.GetDownloadUrlForLayer(t.Context(), &ecr.GetDownloadUrlForLayerInput{
			RepositoryName: aws.String(repository), LayerDigest: aws.String(layer.Digest.String()),
		})
		if err != nil {
			t.Fatal(err)
		}
		redirect := ask(t, server, token, "GET", "blobs/"+layer.Digest.String(), "").header.Get("Location")
		for _, url := range []string{*out.DownloadUrl, redirect} {
			if got := ask(t, server, "", "GET", url, ""); got.status != 200 || got.body != string(layer.Body) {
				t.Errorf("got %d with %d bytes", got.status, len(got.body))
			}
		}
		server.Script(ecrtest.Fault{Operation: "GET layer", Do: ecrtest.Throttle()})
		if got := ask(t, server, "", "GET", redirect, ""); got.status != 503 {
			t.Errorf("got %d", got.status)
		}
		server.Script()
		now = now.Add(time.Hour + time.Second)
		if got := ask(t, server, "", "GET", redirect, ""); got.status != 403 || !strings.Contains(got.body, "Request has expired") {
			t.Errorf("got %d %s", got.status, got.body)
		}
	})
	t.Run("tokens", func(t *testing.T) {
		const expired = `{"errors":[{"code":"DENIED","message":"Your authorization token has expired. Reauthenticate and try again."}]}`
		for _, wrong := range []string{"", "!", base64.StdEncoding.EncodeToString([]byte("AWS:wrong")), base64.StdEncoding.EncodeToString([]byte("me:" + token))} {
			got := ask(t, server, wrong, "GET", "tags/list", "")
			if got.status != 401 || !strings.HasPrefix(got.header.Get("WWW-Authenticate"), "Basic realm=") {
				t.Errorf("token %q: got %d %v", wrong, got.status, got.header)
			}
		}
		now = now.Add(12 * time.Hour)
		if got := ask(t, server, token, "GET", "tags/list", ""); got.status != 403 || strings.TrimSpace(got.body) != expired {
			t.Errorf("got %d %s", got.status, got.body)
		}
		fresh := login(t, client)
		if got := ask(t, server, fresh, "GET", "tags/list", ""); got.status != 200 {
			t.Errorf("got %d %s", got.status, got.body)
		}
		server.ExpireTokens()
		if got := ask(t, server, fresh, "GET", "tags/list", ""); got.status != 403 {
			t.Errorf("got %d %s", got.status, got.body)
		}
	})
	t.Run("faults", func(t *testing.T) {
		fresh := login(t, client)
		for _, tc := range []struct {
			do     ecrtest.Action
			status int
			want   string
		}{
			{ecrtest.Throttle(), 429, `"TOOMANYREQUESTS","message":"Rate exceeded"`},
			{ecrtest.Deny(), 403, "not authorized to perform: ecr:BatchGetImage on resource: arn:aws:ecr:eu-central-1:123456789012:repository/my-image"},
			{ecrtest.Refuse("ServerException", "later"), 500, "later"},
		} {
			server.Script(ecrtest.Fault{Operation: "GET manifest", Do: tc.do})
			if got := ask(t, server, fresh, "GET", "manifests/10.10", ""); got.status != tc.status || !strings.Contains(got.body, tc.want) {
				t.Errorf("got %d %s, want %d %s", got.status, got.body, tc.status, tc.want)
			}
		}
	})
}

// Tags come in pages, and a client must follow the Link.
func TestTagPages(t *testing.T) {
	server, client, _ := seeded(t, ecrtest.Options{})
	index := objects(t, "10.10")[6]
	for i := range 250 {
		if err := server.SeedObjects(repository, fmt.Sprintf("build-%d", i), noon(), index); err != nil {
			t.Fatal(err)
		}
	}
	token, url, pages, tags := login(t, client), "tags/list", 0, 0
	for ; url != ""; pages++ {
		got := ask(t, server, token, "GET", url, "")
		tags += strings.Count(got.body, "build-")
		url, _, _ = strings.Cut(strings.TrimPrefix(got.header.Get("Link"), "<"), ">")
	}
	if tags != 250 || pages != 3 {
		t.Errorf("got %d tags in %d pages, want 250 in 3", tags, pages)
	}
}

// A push over /v2/ as BuildKit does it, with subjects and a mount.
func TestPush(t *testing.T) {
	server, client, _ := seeded(t, ecrtest.Options{BlobMounting: true})
	if err := server.CreateRepository("other", types.ImageTagMutabilityMutable); err != nil {
		t.Fatal(err)
	}
	token := login(t, client)
	image := demo.Image{Tag: "10", Platforms: []string{"linux/amd64"}, Provenance: true, Artifact: true}
	auth := remote.WithAuth(authn.FromConfig(authn.AuthConfig{Auth: token}))
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	if _, err := demo.Push(t.Context(), server.Host, "other", []demo.Image{image}, auth, remote.WithTransport(transport)); err != nil {
		t.Fatal(err)
	}
	pushed, err := image.Objects()
	if err != nil {
		t.Fatal(err)
	}
	subject, attestation := pushed[len(pushed)-3], pushed[len(pushed)-2]
	if got := ask(t, server, token, "GET", server.URL+"/v2/other/referrers/"+subject.Digest.String(), ""); !strings.Contains(got.body, attestation.Digest.String()) {
		t.Errorf("got %s", got.body)
	}
	if tags := server.Tags("other"); len(tags) != 1 || tags["10"] != pushed[len(pushed)-1].Digest.String() {
		t.Errorf("got %v", tags) // no fallback tag: the registry said that it has processed the subject
	}
	mounted := ask(t, server, token, "POST", "blobs/uploads/?from=other&mount="+pushed[0].Digest.String(), "")
	if mounted.status != 201 || mounted.header.Get("Docker-Content-Digest") != pushed[0].Digest.String() {
		t.Errorf("got %+v", mounted)
	}
	put := ask(t, server, token, "POST", "blobs/uploads/", "").header.Get("Location")
	if got := ask(t, server, token, "PUT", server.URL+put+"?digest="+pushed[0].Digest.String(), "other bytes"); got.status != 400 {
		t.Errorf("got %+v", got)
	}
}

// crane reads what PutImage wrote, and BatchGetImage reads what crane wrote.
func TestCrane(t *testing.T) {
	server, client, digests := seeded(t, ecrtest.Options{})
	dir := t.TempDir()
	auth := fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, server.Host, login(t, client))
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(auth), 0o600); err != nil {
		t.Fatal(err)
	}
	crane := func(arguments ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "crane", arguments...)
		cmd.Env = append(os.Environ(), "DOCKER_CONFIG="+dir, "GORACE=atexit_sleep_ms=0")
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("crane %s: %v\n%s", arguments, err, &stderr)
		}
		return strings.TrimSpace(string(out))
	}
	name := server.Host + "/" + repository
	index := string(objects(t, "10.10")[6].Body)
	if _, err := client.PutImage(t.Context(), &ecr.PutImageInput{
		RepositoryName: aws.String(repository), ImageManifest: &index, ImageTag: aws.String("10"), ImageManifestMediaType: aws.String(ocispec.MediaTypeImageIndex),
	}); err != nil {
		t.Fatal(err)
	}
	if got := crane("manifest", name+":10"); got != index {
		t.Errorf("got %s, want %s", got, index)
	}
	if got := crane("ls", name); got != "10\n10.10\n10.20" {
		t.Errorf("got %s", got)
	}
	if got := crane("config", "--platform", "linux/amd64", name+":10"); got != string(objects(t, "10.10")[1].Body) {
		t.Errorf("got %s", got)
	}

	crane("index", "append", "-m", name+"@"+objects(t, "10.10")[4].Digest.String(), "-t", name+":made")
	crane("copy", name+":10.20", name+":copied")
	out, err := client.BatchGetImage(t.Context(), &ecr.BatchGetImageInput{RepositoryName: aws.String(repository), ImageIds: byTag("made", "copied")})
	if err != nil || len(out.Images) != 2 {
		t.Fatalf("got %+v, %v", out, err)
	}
	if got := crane("manifest", name+":made"); got != *out.Images[0].ImageManifest || *out.Images[1].ImageId.ImageDigest != digests["10.20"] {
		t.Errorf("got %+v", out.Images)
	}
}
