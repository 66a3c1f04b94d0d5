package ecrtest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/aws/smithy-go"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"tagline/reconcile/demo"
	"tagline/reconcile/ecr/ecrtest"
	"tagline/reconcile/oci/ocitest"
)

func TestMain(m *testing.M) {
	testscript.Main(leakless{m}, map[string]func(){"crane": ocitest.Crane})
}

// leakless runs tests and wants no goroutine left after them: every registry is
// closed.
type leakless struct{ *testing.M }

// Run implements testscript.TestingM.
func (l leakless) Run() int {
	code := l.M.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

const repository = "my-image"

// noon is the time at which the clock of most tests stands still.
func noon() time.Time { return time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC) }

func serve(t *testing.T, options ecrtest.Options) *ecrtest.Server {
	t.Helper()
	server, err := ecrtest.Start(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return server
}

// connect returns the AWS SDK's client without retries, so that a test sees
// every refusal. [inMemory] prevents failures of a busy machine, which a test
// must not see.
func connect(t *testing.T, server *ecrtest.Server, change ...func(*ecr.Options)) *ecr.Client {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return ecr.New(ecr.Options{
		Region:           ecrtest.Region,
		BaseEndpoint:     aws.String(server.URL),
		Credentials:      credentials("AKIDEXAMPLE"),
		HTTPClient:       &http.Client{Transport: inMemory{transport}},
		RetryMaxAttempts: 1,
	}, change...)
}

// inMemory gives the transport its own copy of the body. The SDK closes its
// body as soon as an answer begins. If net/http has not read the body's end by
// then, it takes that for a failed write and cuts the connection while the
// answer arrives (smithy-go v1.28.8, transport/http/internal/io/safe.go:
// WriteTo returns io.EOF once closed).
type inMemory struct{ *http.Transport }

func (m inMemory) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	req = req.Clone(req.Context())
	req.Body = io.NopCloser(bytes.NewReader(body))
	return m.Transport.RoundTrip(req)
}

func credentials(accessKey string) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: "secret"}, nil
	})
}

// seeded starts a registry with the sample images, pushed an hour before noon.
func seeded(t *testing.T, options ecrtest.Options) (*ecrtest.Server, *ecr.Client, map[string]string) {
	t.Helper()
	if options.Now == nil {
		options.Now = noon
	}
	server := serve(t, options)
	digests, err := server.Seed(repository, noon().Add(-time.Hour), demo.Samples()...)
	if err != nil {
		t.Fatal(err)
	}
	return server, connect(t, server), digests
}

// wantError wants an error of the AWS API that has a text in its message.
func wantError(t *testing.T, err error, code, text string) {
	t.Helper()
	var refused smithy.APIError
	if !errors.As(err, &refused) {
		t.Errorf("got %v, want %s", err, code)
	} else if refused.ErrorCode() != code || !strings.Contains(refused.ErrorMessage(), text) {
		t.Errorf("got %s: %s, want %s: …%s…", refused.ErrorCode(), refused.ErrorMessage(), code, text)
	}
}

// objects returns the objects of one amd64 image with provenance: a layer, a
// config, the statement and its config, the image, the attestation, the index.
func objects(t *testing.T, tag string) []demo.Object {
	t.Helper()
	objects, err := demo.Image{Tag: tag, Platforms: []string{"linux/amd64"}, Provenance: true}.Objects()
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

func byTag(tags ...string) (ids []types.ImageIdentifier) {
	for _, tag := range tags {
		ids = append(ids, types.ImageIdentifier{ImageTag: aws.String(tag)})
	}
	return ids
}

func byDigest(digests ...string) (ids []types.ImageIdentifier) {
	for _, digest := range digests {
		ids = append(ids, types.ImageIdentifier{ImageDigest: aws.String(digest)})
	}
	return ids
}

func manifestObject(body []byte) demo.Object {
	return demo.Object{
		Descriptor: ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromBytes(body), Size: int64(len(body))},
		Body:       body,
	}
}
