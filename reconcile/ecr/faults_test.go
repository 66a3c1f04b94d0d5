package ecr_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/opencontainers/go-digest"

	"tagline/config"
	"tagline/reconcile"
	"tagline/reconcile/demo"
	"tagline/reconcile/ecr"
	"tagline/reconcile/ecr/ecrtest"
	"tagline/reconcile/oci"
	"tagline/reconcile/oci/transport"
	"tagline/reconcile/registry"
)

// attempts is how often a run tries a call.
const attempts = 8

// What goes wrong, and what the run reports for alias 10. No fault makes
// anything look absent.
func TestFaults(t *testing.T) {
	full := ecrtest.Refuse("LimitExceededException", "The maximum number of images has been reached")
	for _, test := range []struct {
		name   string
		faults []ecrtest.Fault
		calls  map[string]int // the calls to count
		want   string         // part of the error; empty if the run succeeds
	}{
		{
			"throttled three times", []ecrtest.Fault{{Times: 3, Do: ecrtest.Throttle()}},
			map[string]int{"DescribeImages": 3 + 3}, "",
		},
		{
			"throttled for ever", []ecrtest.Fault{{Do: ecrtest.Throttle()}},
			map[string]int{"DescribeImages": attempts}, "DescribeImages: ThrottlingException: Rate exceeded",
		},
		{
			"pushes throttled three times", []ecrtest.Fault{{Operation: "PutImage", Times: 3, Do: ecrtest.Throttle()}},
			map[string]int{"PutImage": 4}, "",
		},
		{
			"pushes throttled for ever", []ecrtest.Fault{{Operation: "PutImage", Do: ecrtest.Throttle()}},
			map[string]int{"PutImage": attempts}, "push " + host + "/my-image:10: PutImage: ThrottlingException",
		},
		{
			"connections cut", []ecrtest.Fault{{Times: 2, Do: ecrtest.Reset()}},
			map[string]int{"DescribeImages": 2 + 3}, "",
		},
		{
			"the answer to a push is lost", []ecrtest.Fault{{Operation: "PutImage", Times: 1, Do: ecrtest.LoseAnswer()}},
			map[string]int{"PutImage": 2}, "",
		},
		{
			"a full repository", []ecrtest.Fault{{Operation: "PutImage", Do: full}},
			map[string]int{"PutImage": 1}, "LimitExceededException: The maximum number of images has been reached; a quota of the repository is full",
		},
		{
			"expired credentials", []ecrtest.Fault{{Do: ecrtest.ExpireCredentials()}},
			nil, "ExpiredTokenException: The security token included in the request is expired; renew the AWS credentials",
		},
		{
			"unknown credentials", []ecrtest.Fault{{Do: ecrtest.ForgetCredentials()}},
			nil, "UnrecognizedClientException: The security token included in the request is invalid; renew the AWS credentials",
		},
		{"no right to describe", deny("DescribeImages"), nil, "; allow ecr:DescribeImages to whoever runs tagline"},
		{"no right to read", deny("BatchGetImage"), nil, "; allow ecr:BatchGetImage to whoever runs tagline"},
		{"no right to describe repositories", deny("DescribeRepositories"), nil, "; allow ecr:DescribeRepositories to whoever runs tagline"},
		{"no right to push", deny("PutImage"), map[string]int{"PutImage": 1}, "; allow ecr:PutImage to whoever runs tagline"},
		{"no right to read lifecycle policies", deny("GetLifecyclePolicy"), map[string]int{"GetLifecyclePolicy": 1}, ""},
		{
			"lifecycle policies fail", []ecrtest.Fault{{Operation: "GetLifecyclePolicy", Do: ecrtest.Refuse("ServerException", "try later")}},
			map[string]int{"GetLifecyclePolicy": 3, "PutImage": 1}, "",
		},
		{
			"lifecycle policies throttled for ever", []ecrtest.Fault{{Operation: "GetLifecyclePolicy", Do: ecrtest.Throttle()}},
			map[string]int{"GetLifecyclePolicy": 3, "PutImage": 1}, "",
		},
		{
			"lifecycle policies cut off", []ecrtest.Fault{{Operation: "GetLifecyclePolicy", Do: ecrtest.Reset()}},
			map[string]int{"GetLifecyclePolicy": 3, "PutImage": 1}, "",
		},
		{
			"an answer of another kind", []ecrtest.Fault{{Operation: "BatchGetImage", Do: ecrtest.Refuse("ServerException", "try later")}},
			map[string]int{"BatchGetImage": attempts}, "BatchGetImage: ServerException: try later",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := seeded(t, ecrtest.Options{})
			server.Script(test.faults...)
			p, err := apply(t, mine(t, ten))
			for _, e := range p.Errors {
				err = errors.Join(err, errors.New(e.Message))
			}
			switch {
			case test.want == "" && err != nil:
				t.Errorf("got %v, want that it works", err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("got %v\nwant …%s…", err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), "RequestID") {
				t.Errorf("%v has the SDK's layers in it", err)
			}
			if len(p.Violations) > 0 {
				t.Errorf("violations: %v", p.Violations)
			}
			if there := server.Tags("my-image")["10"] != ""; there != (test.want == "") {
				t.Errorf("pushed: %v", there)
			}
			for operation, want := range test.calls {
				if got := server.Calls()[operation]; got != want {
					t.Errorf("%d calls of %s, want %d", got, operation, want)
				}
			}
		})
	}
}

// A list whose pages lead in a circle is not whole, and does not go on for ever.
func TestPagesInACircle(t *testing.T) {
	for name, tokens := range map[string]string{"of one page": "a", "of two pages": "ab"} {
		for operation, ask := range map[string]func(c *ecr.Client, of config.Repository) error{
			"DescribeImages": func(c *ecr.Client, of config.Repository) error {
				_, err := c.Reader(of).Inventory(t.Context())
				return err
			},
			"ListImageReferrers": func(c *ecr.Client, of config.Repository) error {
				_, err := c.Reader(of).Referrers(t.Context(), digest.FromString("").String())
				return err
			},
			"DescribeRepositories": func(c *ecr.Client, of config.Repository) error {
				_, err := c.Repositories(t.Context(), of.Host)
				return err
			},
		} {
			t.Run(operation+" "+name, func(t *testing.T) {
				server, pages := seeded(t, ecrtest.Options{}), 0
				server.Script(ecrtest.Fault{Operation: operation, Do: func(w http.ResponseWriter, _ *ecrtest.Call) {
					if pages++; pages > 9 {
						w.WriteHeader(http.StatusTeapot)
					}
					w.Header().Set("Content-Type", "application/x-amz-json-1.1")
					_, _ = fmt.Fprintf(w, `{"imageDetails":[],"nextToken":"%c"}`, tokens[pages%len(tokens)])
				}})
				c := ecr.New(ecr.Options{})
				defer c.Close()
				if err := ask(c, mine(t, ten).Repository); err == nil || !strings.Contains(err.Error(), "its pages lead in a circle") {
					t.Errorf("after %d pages: %v", pages, err)
				}
			})
		}
	}
}

func deny(operation string) []ecrtest.Fault {
	return []ecrtest.Fault{{Operation: operation, Do: ecrtest.Deny()}}
}

// If a permission is missing, only the part of the run that needs it fails.
func TestDenied(t *testing.T) {
	for _, test := range []struct{ operation, aliases, want string }{
		{"GetAuthorizationToken", "10: {amd64: plain}", "GetAuthorizationToken"},
		{"BatchDeleteImage", "plain: absent", "BatchDeleteImage"},
	} {
		t.Run(test.operation, func(t *testing.T) {
			server := emulate(t, ecrtest.Options{})
			if _, err := server.Seed("my-image", time.Now(), demo.Image{Tag: "plain", Platforms: []string{"linux/amd64"}}); err != nil {
				t.Fatal(err)
			}
			server.Script(deny(test.operation)...)
			p, err := apply(t, mine(t, test.aliases))
			for _, e := range p.Errors {
				err = errors.Join(err, errors.New(e.Message))
			}
			if err == nil || !strings.Contains(err.Error(), "; allow ecr:"+test.want) {
				t.Errorf("got %v, want ecr:%s in it", err, test.want)
			}
		})
	}
}

// A lifecycle policy that can't be read is logged once, unless the role lacks the
// permission.
func TestLifecyclePolicyUnread(t *testing.T) {
	for _, test := range []struct {
		name string
		do   ecrtest.Action
		want string
	}{
		{"denied", ecrtest.Deny(), ""},
		{"fails", ecrtest.Refuse("ServerException", "try later"), "GetLifecyclePolicy: ServerException: try later"},
		{"is none", func(w http.ResponseWriter, _ *ecrtest.Call) {
			_, _ = w.Write([]byte(`{"lifecyclePolicyText":"[]"}`))
		}, "cannot unmarshal array"},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := seeded(t, ecrtest.Options{})
			server.Script(ecrtest.Fault{Operation: "GetLifecyclePolicy", Do: test.do})
			var log bytes.Buffer
			c := ecr.New(ecr.Options{OCI: oci.Options{
				Patience: transport.Patience{Backoff: time.Millisecond},
				Logger:   slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn})),
			}})
			defer c.Close()
			facts, err := c.Reader(myImage).Facts(t.Context())
			if err != nil || len(facts.Expiries) > 0 || !facts.LastTag {
				t.Errorf("%v, facts %+v", err, facts)
			}
			if n := strings.Count(log.String(), "lifecycle policy can't be read"); n > 1 || (n == 1) != (test.want != "") || !strings.Contains(log.String(), test.want) {
				t.Errorf("the log is %q, want %q", &log, test.want)
			}
		})
	}
}

// An error from the upstream registry of a pull-through cache is an error, and
// never means that an image is absent.
func TestUpstream(t *testing.T) {
	for _, code := range []types.ImageFailureCode{
		types.ImageFailureCodeUpstreamAccessDenied, types.ImageFailureCodeUpstreamTooManyRequests, types.ImageFailureCodeUpstreamUnavailable,
	} {
		server := seeded(t, ecrtest.Options{})
		digest := server.Tags("my-image")["10.10"]
		server.Script(ecrtest.Fault{Operation: "BatchGetImage", Do: func(w http.ResponseWriter, _ *ecrtest.Call) {
			_, _ = fmt.Fprintf(w, `{"images":[],"failures":[{"imageId":{"imageDigest":%q},"failureCode":%q,"failureReason":"no answer"}]}`, digest, code)
		}})
		err := open(t).Reader(myImage).Manifests(t.Context(), []string{digest})[0].Err
		if err == nil || errors.Is(err, registry.ErrNotFound) || !strings.Contains(err.Error(), string(code)+": no answer") {
			t.Errorf("got %v, want %s", err, code)
		}
	}
}

// An answer that does not come from ECR is reported with its status. It never
// means that something is absent, whether the run asks by id or lists.
func TestNotFromECR(t *testing.T) {
	const page = "<html><body>Blocked</body></html>"
	for _, test := range []struct {
		status        int
		content, body string
		byID, listing string // parts of the errors; listing is like byID if empty
	}{
		{403, "text/html; charset=utf-8", page, "HTTP 403 Forbidden (text/html), which is no answer of ECR", ""},
		{404, "text/html", page, "HTTP 404 Not Found (text/html), which is no answer of ECR", ""},
		{407, "", "", "HTTP 407 Proxy Authentication Required (no content type), which is no answer of ECR", ""},
		{403, "application/json", `{"error":"blocked"}`, "HTTP 403 Forbidden (application/json), which is no answer of ECR", ""},
		{502, "text/html", page, "HTTP 502 Bad Gateway (text/html), which is no answer of ECR", ""},
		{302, "text/html", page, "HTTP 302 Found (text/html), which is no answer of ECR", ""},
		{200, "text/html", page, "HTTP 200 OK (text/html), which is no answer of ECR", ""},
		{200, "application/x-amz-json-1.1", "{}", "my-image:10: ECR answered without it", "DescribeImages: the answer has no list of images"},
		{200, "text/plain", "", "my-image:10: ECR answered without it", "DescribeImages: the answer has no list of images"},
	} {
		t.Run(fmt.Sprint(test.status, test.content, test.body), func(t *testing.T) {
			server := seeded(t, ecrtest.Options{})
			if test.listing == "" {
				test.listing = test.byID
			}
			server.Script(ecrtest.Fault{Do: func(w http.ResponseWriter, _ *ecrtest.Call) {
				w.Header()["Content-Type"] = nil
				if test.content != "" {
					w.Header().Set("Content-Type", test.content)
				}
				w.WriteHeader(test.status)
				_, _ = w.Write([]byte(test.body))
			}})
			r := open(t).Reader(myImage)
			check := func(err error, want string) {
				if err == nil || !strings.Contains(err.Error(), want) || errors.Is(err, registry.ErrNotFound) {
					t.Errorf("got %v, want …%s…", err, want)
				}
			}
			check(r.Resolve(t.Context(), []string{"10"})[0].Err, test.byID)
			_, err := r.Inventory(t.Context())
			check(err, test.listing)
		})
	}
}

// A FIPS or dual-stack host is also reached through the user's own endpoint.
func TestOwnEndpoint(t *testing.T) {
	seeded(t, ecrtest.Options{})
	for _, test := range []struct{ host, variable string }{
		{ecrtest.Account + ".dkr.ecr-fips." + ecrtest.Region + ".amazonaws.com", ""},
		{ecrtest.Account + ".dkr-ecr." + ecrtest.Region + ".on.aws", ""},
		{ecrtest.Account + ".dkr-ecr-fips." + ecrtest.Region + ".on.aws", ""},
		{host, "AWS_USE_FIPS_ENDPOINT"},
		{host, "AWS_USE_DUALSTACK_ENDPOINT"},
	} {
		for _, name := range []string{"AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"} {
			t.Setenv(name, fmt.Sprint(name == test.variable))
		}
		host := test.host
		p, err := apply(t, images(t, "images:\n  "+host+"/my-image:\n    aliases: {"+ten+"}\n")[0])
		if err != nil || len(p.Errors)+len(p.Violations) > 0 || p.Empty() && len(p.InSync) != 1 {
			t.Errorf("%s %s: %v, plan %+v", host, test.variable, err, p)
		}
	}
}

func TestAccountsAndRegions(t *testing.T) {
	const foreign = "999988887777"
	seeded(t, ecrtest.Options{ForeignAccounts: []string{foreign}})
	for _, test := range []struct{ name, host, want string }{
		{"another account that grants nothing", foreign + ".dkr.ecr.eu-central-1.amazonaws.com", "; allow ecr:DescribeImages"},
		{"no such account", "111122223333.dkr.ecr.eu-central-1.amazonaws.com", "missing-source"},
		{"another region than the endpoint's", ecrtest.Account + ".dkr.ecr.us-east-1.amazonaws.com", "InvalidSignatureException"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := plan(t, images(t, "images:\n  "+test.host+"/my-image:\n    aliases: {10: 10.10}\n")[0])
			var said string
			for _, e := range p.Errors {
				said += e.Message
			}
			for _, v := range p.Violations {
				said += string(v.ID) + v.Message
			}
			if !strings.Contains(said, test.want) || len(p.Pushes) > 0 {
				t.Errorf("got %q, pushes %v; want …%s…", said, p.Pushes, test.want)
			}
		})
	}
}

// Without credentials, a run fails at once, with the same error for all images,
// and sends nothing.
func TestNoCredentials(t *testing.T) {
	server := seeded(t, ecrtest.Options{})
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	p := plan(t, mine(t, ten))
	if len(p.Errors) == 0 || len(p.Violations) > 0 {
		t.Fatalf("plan %+v, want errors", p)
	}
	for _, want := range []string{"no AWS credentials", "AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", `profile "default"`, "EC2"} {
		if !strings.Contains(p.Errors[0].Message, want) {
			t.Errorf("%s does not name %s", p.Errors[0].Message, want)
		}
	}
	if calls := server.Calls(); len(calls) > 0 {
		t.Errorf("calls: %v", calls)
	}

	// The run does not hang on a metadata service that never answers.
	hangs := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hangs }))
	defer silent.Close()
	defer close(hangs)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "false")
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", silent.URL)
	c := ecr.New(ecr.Options{OCI: oci.Options{Patience: transport.Patience{Headers: 100 * time.Millisecond}}})
	defer c.Close()
	if err := c.Reader(myImage).Resolve(t.Context(), []string{"10"})[0].Err; err == nil || !strings.Contains(err.Error(), "no AWS credentials") {
		t.Errorf("a service that never answers: %v", err)
	}

	t.Setenv("AWS_PROFILE", "nobody")
	if p := plan(t, mine(t, ten)); len(p.Errors) == 0 || !strings.Contains(p.Errors[0].Message, "nobody") {
		t.Errorf("plan %+v, want an error that names the profile", p)
	}
}

// If a host never answers, the attempts for the whole run are limited, and the
// message has the address.
func TestNobodyAnswers(t *testing.T) {
	server := seeded(t, ecrtest.Options{})
	server.Script(ecrtest.Fault{Do: ecrtest.Reset()})
	c := open(t)
	for range 5 {
		answers := c.Reader(myImage).Resolve(t.Context(), []string{"10"})
		if err := answers[0].Err; err == nil || errors.Is(err, registry.ErrNotFound) || !strings.Contains(err.Error(), server.Host) {
			t.Errorf("got %v, want an error with %s", err, server.Host)
		}
	}
	if n := server.Calls()["DescribeImages"]; n != attempts+4 {
		t.Errorf("%d calls, want %d for the first question and one for each other", n, attempts)
	}
	t.Setenv("AWS_ENDPOINT_URL_ECR", "localhost:5000")
	if p := plan(t, mine(t, ten)); len(p.Errors) == 0 || !strings.Contains(p.Errors[0].Message, `AWS_ENDPOINT_URL_ECR is "localhost:5000"`) {
		t.Errorf("plan %+v", p)
	}
}

// A listing that breaks off is an error, not a shorter list.
func TestPageFails(t *testing.T) {
	server := emulate(t, ecrtest.Options{})
	image := demo.Image{Tag: "10.1", Platforms: []string{"linux/amd64"}, Provenance: true}
	for i := range 1200 {
		image.Build = i // leaves the one before it untagged
		if _, err := server.Seed("my-image", time.Now(), image); err != nil {
			t.Fatal(err)
		}
	}
	server.Script(ecrtest.Fault{Operation: "DescribeImages", Do: func(w http.ResponseWriter, c *ecrtest.Call) {
		if bytes.Contains(c.Body, []byte("nextToken")) {
			ecrtest.Refuse("ServerException", "try later")(w, c)
			return
		}
		c.Serve(w)
	}})
	tags, err := open(t).Reader(myImage).Tags(t.Context())
	if err == nil || tags != nil || !strings.Contains(err.Error(), "ServerException: try later") {
		t.Errorf("got %d tags, %v", len(tags), err)
	}
	p, err := apply(t, mine(t, "10: {newest: 10.x}, 10.1: absent"))
	if !errors.Is(err, reconcile.ErrSkipped) || len(p.Errors) != 1 || server.Tags("my-image")["10.1"] == "" {
		t.Errorf("%v, plan %+v; want that nothing is deleted", err, p)
	}
}
