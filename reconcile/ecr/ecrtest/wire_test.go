package ecrtest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// The SDK's module has a request and a response of every operation, with every
// member set, as its own tests use them. The emulator's types decode and encode
// them, and lose only the listed members. So a misspelled name would be
// noticed.
func TestWireAgainstTheSDKsSnapshots(t *testing.T) {
	dir := moduleDir(t)
	for name, tc := range map[string]struct {
		request, response any
		unknown           string // members that the emulator does not have
	}{
		"BatchCheckLayerAvailability": {&batchCheckLayerAvailabilityRequest{}, &batchCheckLayerAvailabilityResponse{}, ""},
		"BatchDeleteImage":            {&batchDeleteImageRequest{}, &batchDeleteImageResponse{}, ""},
		"BatchGetImage":               {&batchGetImageRequest{}, &batchGetImageResponse{}, ""},
		"CreateRepository":            {&createRepositoryRequest{}, &createRepositoryResponse{}, "encryptionConfiguration imageScanningConfiguration tags"},
		"DescribeImages":              {&describeImagesRequest{}, &describeImagesResponse{}, "imageScanFindingsSummary imageScanStatus"},
		"DescribeRepositories":        {&describeRepositoriesRequest{}, &describeRepositoriesResponse{}, "encryptionConfiguration imageScanningConfiguration"},
		"GetAuthorizationToken":       {&getAuthorizationTokenRequest{}, &getAuthorizationTokenResponse{}, ""},
		"GetDownloadUrlForLayer":      {&getDownloadURLForLayerRequest{}, &getDownloadURLForLayerResponse{}, ""},
		"GetLifecyclePolicy":          {&getLifecyclePolicyRequest{}, &getLifecyclePolicyResponse{}, ""},
		"ListImageReferrers":          {&listImageReferrersRequest{}, &listImageReferrersResponse{}, ""},
		"ListImages":                  {&listImagesRequest{}, &listImagesResponse{}, ""},
		"PutImage":                    {&putImageRequest{}, &putImageResponse{}, ""},
		"PutImageTagMutability":       {&putImageTagMutability{}, &putImageTagMutability{}, ""},
		"PutLifecyclePolicy":          {&putLifecyclePolicy{}, &putLifecyclePolicy{}, ""},
	} {
		for _, side := range []struct {
			file  string
			value any
		}{
			{"request_snapshot/" + name + ".request.snap", tc.request},
			{"response_snapshot/" + name + ".response.snap", tc.response},
		} {
			t.Run(side.file, func(t *testing.T) {
				frozen := snapshot(t, dir, side.file)
				if err := json.Unmarshal(frozen, side.value); err != nil {
					t.Fatal(err)
				}
				again, err := json.Marshal(side.value)
				if err != nil {
					t.Fatal(err)
				}
				want, got := plain(t, frozen), plain(t, again)
				forget(want, strings.Fields(tc.unknown))
				if !reflect.DeepEqual(got, want) {
					t.Errorf("got\n%v\nwant\n%v", got, want)
				}
			})
		}
	}
}

// An error has the SDK's shape, and the SDK knows its code.
func TestErrorsAgainstTheSDKsSnapshots(t *testing.T) {
	dir := moduleDir(t)
	for _, code := range []string{
		"ImageAlreadyExistsException", "ImageDigestDoesNotMatchException", "ImageNotFoundException", "ImageTagAlreadyExistsException",
		"InvalidParameterException", "LayerInaccessibleException", "LayersNotFoundException", "LifecyclePolicyNotFoundException",
		"LimitExceededException", "ReferencedImagesNotFoundException", "RepositoryAlreadyExistsException", "RepositoryNotFoundException",
		"ServerException",
	} {
		want := plain(t, snapshot(t, dir, "response_snapshot/"+code+".error.snap"))
		got := answer{header: http.Header{}}
		refuseAPI(&got, refusal(code, "__Message__"))
		if body := plain(t, got.body.Bytes()); !reflect.DeepEqual(body, want) || got.header.Get("Content-Type") != apiType {
			t.Errorf("%s: got %v, want %v", code, body, want)
		}
	}
}

// UnmarshalJSON is the inverse of MarshalJSON.
func (e *epoch) UnmarshalJSON(body []byte) error {
	var seconds int64
	if err := json.Unmarshal(body, &seconds); err != nil {
		return err
	}
	e.Time = time.Unix(seconds, 0)
	return nil
}

type answer struct {
	body   bytes.Buffer
	header http.Header
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) Write(p []byte) (int, error) { return a.body.Write(p) }
func (*answer) WriteHeader(int)               {}

// snapshot returns the body of a snapshot, without its headers.
func snapshot(t *testing.T, dir, file string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		t.Fatal(err)
	}
	_, body, found := bytes.Cut(content, []byte("\n\n{"))
	if !found {
		t.Fatalf("%s has no body", file)
	}
	return append([]byte("{"), body...)
}

// moduleDir returns the folder of the SDK's module.
func moduleDir(t *testing.T) string {
	t.Helper()
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/aws/aws-sdk-go-v2/service/ecr").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(dir))
}

func plain(t *testing.T, body []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// forget removes members at any depth.
func forget(v any, members []string) {
	switch v := v.(type) {
	case map[string]any:
		for _, member := range members {
			delete(v, member)
		}
		for _, inner := range v {
			forget(inner, members)
		}
	case []any:
		for _, inner := range v {
			forget(inner, members)
		}
	}
}
