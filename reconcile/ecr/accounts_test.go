package ecr_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tagline/config"
	"tagline/policies"
	"tagline/reconcile"
	"tagline/reconcile/demo"
	"tagline/reconcile/ecr"
	"tagline/reconcile/ecr/ecrtest"
	"tagline/reconcile/kinds"
	"tagline/reconcile/oci"
	"tagline/reconcile/oci/transport"
	"tagline/reconcile/registry/registrytest"
)

const jobKey = "AKIDEXAMPLE"

// cloud starts a cloud and points the AWS SDK to it. The job is jobKey, and the files
// of the AWS CLI are the given one.
func cloud(t *testing.T, files string) *ecrtest.Cloud {
	t.Helper()
	c, err := ecrtest.StartCloud(jobKey)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	file := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(file, []byte(files), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": c.URL, "AWS_ENDPOINT_URL_ECR": "", "AWS_ENDPOINT_URL_STS": "", "AWS_ACCESS_KEY_ID": jobKey, "AWS_SECRET_ACCESS_KEY": "secret",
		"AWS_CONFIG_FILE": file, "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent", "AWS_PROFILE": "",
		"AWS_REGION": "", "AWS_DEFAULT_REGION": "", "AWS_SESSION_TOKEN": "", "AWS_EC2_METADATA_DISABLED": "true", "AWS_CA_BUNDLE": "",
		"AWS_USE_FIPS_ENDPOINT": "", "AWS_ROLE_ARN": "", "AWS_WEB_IDENTITY_TOKEN_FILE": "",
	} {
		t.Setenv(name, value)
	}
	return c
}

// add adds an account's registry with the sample images in these repositories, and
// returns its host.
func add(t *testing.T, c *ecrtest.Cloud, account, region string, repositories []string, trusted ...string) (string, *ecrtest.Server) {
	t.Helper()
	server, err := c.AddRegistry(ecrtest.Options{Account: account, Region: region}, trusted...)
	if err != nil {
		t.Fatal(err)
	}
	for _, repository := range repositories {
		if _, err := server.Seed(repository, time.Now().Add(-time.Hour), demo.Samples()...); err != nil {
			t.Fatal(err)
		}
	}
	suffix := ".amazonaws.com"
	if strings.HasPrefix(region, "cn-") {
		suffix += ".cn"
	}
	return account + ".dkr.ecr." + region + suffix, server
}

func parsed(t *testing.T, text string) *config.Config {
	t.Helper()
	cfg, err := config.Parse("images.yaml", []byte(text), config.Options{Policies: policies.Keys()})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return cfg
}

// connect returns a client as a run has it.
func connect(t *testing.T, cfg *config.Config) *kinds.Client {
	t.Helper()
	options := ecr.Options{OCI: oci.Options{UserAgent: "tagline/test", Patience: transport.Patience{Attempts: 2, Backoff: time.Millisecond}}, PushRate: 1000}
	for _, image := range cfg.Images {
		options.Repositories = append(options.Repositories, image.Repository)
	}
	c := kinds.New(options, cfg.Registries)
	t.Cleanup(c.Close)
	return c
}

// run applies an images.yaml, and returns the errors of each image.
func run(t *testing.T, cfg *config.Config) (errs map[string][]string, pushed int) {
	t.Helper()
	c := connect(t, cfg)
	errs = map[string][]string{}
	var mu sync.Mutex
	reconcile.RunAll(t.Context(), reconcile.Job{Readers: c, Writers: kinds.NewWriters(c)}, cfg.Images, func(p reconcile.Plan, r reconcile.Result) {
		mu.Lock()
		defer mu.Unlock()
		name := p.Repository.String()
		for _, f := range p.Errors {
			errs[name] = append(errs[name], f.Message)
		}
		for _, o := range r.Pushed {
			if o.Err != nil {
				errs[name] = append(errs[name], o.Err.Error())
				continue
			}
			pushed++
		}
	})
	return errs, pushed
}

// One run serves twenty accounts, each by a role of its own that is assumed once. A
// config blob and a copy, which go over HTTP, use the same role.
func TestTwentyAccounts(t *testing.T) {
	const accounts = 20
	cloud := cloud(t, "")
	var registries, images strings.Builder
	for i := range accounts {
		account := fmt.Sprintf("%012d", 100000000000+i)
		role := fmt.Sprintf("arn:aws:iam::%s:role/images/tagline-%d", account, i)
		cloud.AddRole(ecrtest.Role{ARN: role, ExternalID: "id-" + account, Trusts: []string{jobKey}})
		host, server := add(t, cloud, account, "eu-central-1", []string{"one", "two", "base"})
		if _, err := server.Seed("base", time.Now(), demo.Image{Tag: "plain", Platforms: []string{"linux/amd64"}}); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&registries, "  %s: {role-arn: %q, external-id: id-%s}\n", host, role, account)
		fmt.Fprintf(&images, "  %s/one: {aliases: {%s, 9: base:plain}}\n  %[1]s/two: {aliases: {%[2]s}}\n", host, ten)
	}
	cfg := parsed(t, "registries:\n"+registries.String()+"images:\n"+images.String())
	errs, pushed := run(t, cfg)
	if len(errs) > 0 || pushed != 3*accounts {
		t.Fatalf("%d pushed, %v", pushed, errs)
	}
	calls := cloud.Assumed()
	slices.SortFunc(calls, func(a, b ecrtest.Assumed) int { return strings.Compare(a.Role, b.Role) })
	if len(calls) != accounts {
		t.Errorf("%d calls of AssumeRole for %d roles", len(calls), accounts)
	}
	want := ecrtest.Assumed{
		Role: "arn:aws:iam::100000000000:role/images/tagline-0", ExternalID: "id-100000000000", Session: "tagline",
		Region: "eu-central-1", Key: jobKey, Seconds: 3600,
	}
	if calls[0] != want {
		t.Errorf("got  %+v\nwant %+v", calls[0], want)
	}
	if errs, pushed := run(t, cfg); len(errs) > 0 || pushed != 0 {
		t.Errorf("the second run: %d pushed, %v", pushed, errs)
	}
}

// Hosts of other partitions are in the same file, each with its own STS and, by a
// profile, its own identity, whatever region the job has.
func TestPartitions(t *testing.T) {
	cloud := cloud(t, "[profile china]\naws_access_key_id = AKIDCHINA\naws_secret_access_key = s\n"+
		"[profile gov]\nrole_arn = arn:aws-us-gov:iam::300000000000:role/t\nsource_profile = govuser\nrole_session_name = cli\n"+
		"[profile govuser]\naws_access_key_id = AKIDGOV\naws_secret_access_key = s\n")
	t.Setenv("AWS_REGION", "eu-west-1")
	t.Setenv("AWS_ENDPOINT_URL_STS", cloud.URL) // for the role of a profile, the SDK knows no AWS_ENDPOINT_URL
	for _, key := range []string{"AKIDCHINA", "AKIDGOV"} {
		cloud.AddUser(key)
	}
	const china, gov, here, guest = "arn:aws-cn:iam::200000000000:role/t", "arn:aws-us-gov:iam::300000000000:role/t", "arn:aws:iam::100000000000:role/t", "arn:aws:iam::400000000000:role/guest"
	cloud.AddRole(ecrtest.Role{ARN: china, Trusts: []string{"AKIDCHINA"}, Region: "cn-northwest-1"})
	cloud.AddRole(ecrtest.Role{ARN: gov, Trusts: []string{"AKIDGOV"}, Region: "us-gov-west-1"})
	cloud.AddRole(ecrtest.Role{ARN: here, Trusts: []string{jobKey}, Region: "us-east-1"})
	cloud.AddRole(ecrtest.Role{ARN: guest, Trusts: []string{jobKey}, Region: "eu-central-1"})
	chinaHost, _ := add(t, cloud, "200000000000", "cn-north-1", []string{"app"})
	govHost, _ := add(t, cloud, "300000000000", "us-gov-west-1", []string{"app"})
	hereHost, _ := add(t, cloud, "100000000000", "us-east-1", []string{"app"})
	guestHost, _ := add(t, cloud, "500000000000", "eu-central-1", []string{"app"}, guest) // by its repository policy
	errs, pushed := run(t, parsed(t, fmt.Sprintf(`registries:
  %s: {aws-profile: china, role-arn: %q, region: cn-northwest-1}
  %s: {aws-profile: gov}
  %s: {role-arn: %q}
  %s: {role-arn: %q}
images: {%[1]s/app: {aliases: {%[8]s}}, %[3]s/app: {aliases: {%[8]s}}, %[4]s/app: {aliases: {%[8]s}}, %[6]s/app: {aliases: {%[8]s}}}
`, chinaHost, china, govHost, hereHost, here, guestHost, guest, ten)))
	if len(errs) > 0 || pushed != 4 {
		t.Errorf("%d pushed, %v", pushed, errs)
	}
	asked := map[string]string{}
	for _, call := range cloud.Assumed() {
		asked[call.Role] = call.Region + " " + call.Session
	}
	for role, want := range map[string]string{china: "cn-northwest-1 tagline", gov: "us-gov-west-1 cli", here: "us-east-1 tagline", guest: "eu-central-1 tagline"} {
		if asked[role] != want {
			t.Errorf("%s was asked for in %q, want %q", role, asked[role], want)
		}
	}
}

// A registry accepts its own role and no other.
func TestRolesAreNotMixedUp(t *testing.T) {
	cloud := cloud(t, "")
	const a, b = "arn:aws:iam::100000000000:role/t", "arn:aws:iam::200000000000:role/t"
	for _, role := range []string{a, b} {
		cloud.AddRole(ecrtest.Role{ARN: role, Trusts: []string{jobKey}})
	}
	hostA, _ := add(t, cloud, "100000000000", "eu-central-1", []string{"app"})
	hostB, _ := add(t, cloud, "200000000000", "eu-central-1", []string{"app"})
	hostC, _ := add(t, cloud, "300000000000", "eu-central-1", []string{"app"})
	text := fmt.Sprintf("images: {%s/app: {aliases: {%s}}, %[3]s/app: {aliases: {%[2]s}}, %[4]s/app: {aliases: {%[2]s}}}\n", hostA, ten, hostB, hostC)
	errs, pushed := run(t, parsed(t, fmt.Sprintf("registries: {%s: {role-arn: %q}, %[3]s: {role-arn: %[2]q}}\n", hostA, a, hostB)+text))
	for _, host := range []string{hostB, hostC} {
		if got := strings.Join(errs[host+"/app"], "\n"); !strings.Contains(got, "AccessDenied") {
			t.Errorf("%s: %q", host, got)
		}
	}
	if pushed != 1 || len(errs) != 2 || len(cloud.Assumed()) != 1 {
		t.Errorf("%d pushed, errors %v, %d calls of AssumeRole", pushed, errs, len(cloud.Assumed()))
	}
}

// Registries of several regions share a role, and the call for it.
func TestRoleOfSeveralRegions(t *testing.T) {
	const role = "arn:aws:iam::100000000000:role/t"
	cloud := cloud(t, "")
	cloud.AddRole(ecrtest.Role{ARN: role, Trusts: []string{jobKey}})
	var registries, images []string
	for _, region := range []string{"us-east-1", "eu-central-1", "eu-west-1"} {
		host, _ := add(t, cloud, "100000000000", region, []string{"app"})
		registries = append(registries, fmt.Sprintf("%s: {role-arn: %q, concurrency: %d}", host, role, len(region)))
		images = append(images, host+"/app: {aliases: {"+ten+"}}")
	}
	errs, pushed := run(t, parsed(t, "registries: {"+strings.Join(registries, ", ")+"}\nimages: {"+strings.Join(images, ", ")+"}\n"))
	if calls := cloud.Assumed(); len(errs) > 0 || pushed != 3 || len(calls) != 1 || calls[0].Region != "eu-central-1" {
		t.Errorf("%d pushed, errors %v, calls of STS %+v", pushed, errs, calls)
	}
}

// Whatever prevents a role, the message names the host, the role and what to check,
// is the same for each image, and asks STS once.
func TestRoleCannotBeAssumed(t *testing.T) {
	const role = "arn:aws:iam::123456789012:role/t"
	html := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte("<html>Not here</html>"))
	}
	code := func(status int, code string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = fmt.Fprintf(w, "<ErrorResponse><Error><Code>%s</Code><Message>STS says why.</Message></Error></ErrorResponse>", code)
		}
	}
	for _, test := range []struct {
		name, files, settings string
		answer                http.HandlerFunc // of the STS, instead of the cloud's
		want                  string
		calls                 int
	}{
		{
			name: "wrong external id", settings: "role-arn: '" + role + "', external-id: wrong", calls: 1,
			want: `HOST: role ` + role + ` can't be assumed: STS AssumeRole in eu-central-1: AccessDenied: User: arn:aws:iam::000000000000:user/` + jobKey + ` is not authorized to perform: sts:AssumeRole on resource: ` + role +
				`; check that the role exists, that its trust policy names the job's own identity and asks for the external-id of images.yaml, and that the job's own identity may call sts:AssumeRole`,
		},
		{
			name: "no external id, by a profile", files: "[profile dev]\naws_access_key_id = AKIDDEV\naws_secret_access_key = s\n", settings: "aws-profile: dev, role-arn: '" + role + "'", calls: 1,
			want: `; check that the role exists, that its trust policy names profile "dev" and asks for no external id (or set external-id), and that profile "dev" may call sts:AssumeRole`,
		},
		{
			name: "unknown keys", files: "[profile cn]\naws_access_key_id = AKIDELSEWHERE\naws_secret_access_key = s\n", settings: "aws-profile: cn, role-arn: '" + role + "'", calls: 1,
			want: `HOST: role ` + role + ` can't be assumed: STS AssumeRole in eu-central-1: InvalidClientTokenId: The security token included in the request is invalid; the credentials of profile "cn" must be valid in the partition aws: if it needs others, name them with aws-profile`,
		},
		{
			name: "STS is switched off", settings: "role-arn: '" + role + "', region: ap-east-1", answer: code(403, "RegionDisabledException"),
			want: `STS AssumeRole in ap-east-1: RegionDisabledException: STS says why; switch STS on there, or name another region in images.yaml`,
		},
		{name: "expired", settings: "role-arn: '" + role + "'", answer: code(403, "ExpiredTokenException"), want: `ExpiredTokenException: STS says why; renew the credentials of the job's own identity`},
		{name: "a proxy's page", settings: "role-arn: '" + role + "'", answer: html, want: `HTTP 403 Forbidden, which is no answer of STS; a proxy may be in between: see HTTPS_PROXY, NO_PROXY and AWS_ENDPOINT_URL_STS`},
		{name: "no such profile", settings: "aws-profile: prod", want: `HOST: there is no profile "prod" in the files of the AWS CLI (`},
		{name: "profile without credentials", files: "[profile prod]\noutput = json\n", settings: "aws-profile: prod", want: `HOST: no AWS credentials: profile "prod" has none, and there is no EC2 instance role`},
		{
			name: "profile whose role is refused", files: "[profile prod]\nrole_arn = " + role + "\nsource_profile = me\n[profile me]\naws_access_key_id = AKIDDEV\naws_secret_access_key = s\n",
			settings: "aws-profile: prod", calls: 1, want: `HOST: AWS credentials of profile "prod": STS AssumeRole: AccessDenied: User: arn:aws:iam::000000000000:user/AKIDDEV is not`,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			cloud := cloud(t, test.files)
			cloud.AddUser("AKIDDEV")
			cloud.AddRole(ecrtest.Role{ARN: role, ExternalID: "right", Trusts: []string{jobKey, "AKIDDEV"}})
			host, server := add(t, cloud, "123456789012", "eu-central-1", []string{"one", "two"})
			t.Setenv("AWS_ENDPOINT_URL_STS", cloud.URL)
			var answered atomic.Int64
			if test.answer != nil {
				sts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					answered.Add(1)
					test.answer(w, r)
				}))
				defer sts.Close()
				t.Setenv("AWS_ENDPOINT_URL_STS", sts.URL)
				test.calls = 0
			}
			errs, pushed := run(t, parsed(t, fmt.Sprintf("registry: %s\nregistries: {%[1]s: {%s}}\nimages: {one: {aliases: {%s}}, two: {aliases: {%[3]s}}}\n", host, test.settings, ten)))
			one, two := errs[host+"/one"], errs[host+"/two"]
			if want := strings.ReplaceAll(test.want, "HOST", host); len(one) != 1 || !strings.Contains(one[0], want) {
				t.Errorf("got  %q\nwant %s", one, want)
			}
			if pushed != 0 || !slices.Equal(one, two) {
				t.Errorf("%d pushed; the images say\n%q\n%q", pushed, one, two)
			}
			if n := len(cloud.Assumed()); n != test.calls || answered.Load() > 1 {
				t.Errorf("%d and %d calls of STS", n, answered.Load())
			}
			if calls := server.Calls(); len(calls) > 0 {
				t.Errorf("calls of ECR: %v", calls)
			}
		})
	}
}

// The credentials of a role are renewed before they end. If the role is refused by
// then, that is what the error says.
func TestRoleIsRenewed(t *testing.T) {
	const role = "arn:aws:iam::123456789012:role/t"
	cloud := cloud(t, "")
	cloud.AddRole(ecrtest.Role{ARN: role, Trusts: []string{jobKey}})
	cloud.SetLife(time.Minute) // less than the time before which they are renewed
	host, _ := add(t, cloud, "123456789012", "eu-central-1", []string{"app"})
	cfg := parsed(t, fmt.Sprintf("registries: {%s: {role-arn: %q}}\nimages: {%[1]s/app: {aliases: {%[3]s}}}\n", host, role, ten))
	reader := connect(t, cfg).Reader(cfg.Images[0].Repository)
	for range 2 {
		before := len(cloud.Assumed())
		if _, err := reader.Tags(t.Context()); err != nil {
			t.Fatal(err)
		}
		if reader.Manifests(t.Context(), []string{"10.10"})[0].Err != nil {
			t.Fatal("no manifest")
		}
		if len(cloud.Assumed()) == before {
			t.Errorf("no new credentials after %d calls of STS", before)
		}
	}
	cloud.AddRole(ecrtest.Role{ARN: role})
	err := reader.Manifests(t.Context(), []string{"10.20"})[0].Err
	if err == nil || !strings.HasPrefix(err.Error(), host+": role "+role+" can't be assumed: STS AssumeRole in eu-central-1: AccessDenied: ") {
		t.Error(err)
	}
}

// An STS that does not answer holds up a run for a while, not for ever.
func TestRoleIsWaitedFor(t *testing.T) {
	const role = "arn:aws:iam::123456789012:role/t"
	cloud := cloud(t, "")
	host, _ := add(t, cloud, "123456789012", "eu-central-1", []string{"app"})
	hangs := make(chan struct{})
	sts := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hangs }))
	defer sts.Close()
	defer close(hangs)
	t.Setenv("AWS_ENDPOINT_URL_STS", sts.URL)
	c := ecr.New(ecr.Options{
		OCI:        oci.Options{Patience: transport.Patience{Backoff: time.Millisecond, Headers: 200 * time.Millisecond}},
		Registries: map[string]config.Registry{host: {RoleARN: role}},
	})
	defer c.Close()
	err := c.Reader(config.Repository{Host: host, Path: "app"}).Resolve(t.Context(), []string{"10"})[0].Err
	if want := host + ": role " + role + " can't be assumed: STS AssumeRole in eu-central-1: no answer within 200ms"; err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// A host's own share of the requests holds instead of the run's, be it more or less.
func TestShare(t *testing.T) {
	for _, test := range []struct {
		name      string
		run, host int
	}{
		{"fewer", 16, 2},
		{"more", 1, 4},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := emulate(t, ecrtest.Options{})
			if _, err := server.Seed("my-image", time.Now(), demo.Samples()...); err != nil {
				t.Fatal(err)
			}
			gate := registrytest.NewGate(test.host)
			server.Script(ecrtest.Fault{Operation: "BatchGetImage", Do: func(w http.ResponseWriter, c *ecrtest.Call) {
				defer gate.Enter()()
				c.Serve(w)
			}})
			c := kinds.New(ecr.Options{OCI: oci.Options{Concurrency: test.run}}, map[string]config.Registry{host: {Concurrency: test.host}})
			defer c.Close()
			var digests []string
			for i := range 1200 {
				digests = append(digests, fmt.Sprintf("sha256:%064x", i))
			}
			c.Reader(myImage).Manifests(t.Context(), digests)
			if got := gate.Most(); got != test.host {
				t.Errorf("%d in flight, want %d", got, test.host)
			}
		})
	}
}
