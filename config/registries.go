package config

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"tagline/config/findings"
)

// Registry is what images.yaml says of one host.
type Registry struct {
	Kind        RegistryKind // empty: what the host's name tells
	Concurrency int          // requests in flight; 0: what --concurrency says

	// How to be let in to a registry of Amazon ECR. None of it is a secret.
	AWSProfile string // a profile in the files of the AWS CLI; empty: the job's own identity
	RoleARN    string // a role that this identity assumes
	ExternalID string // what the trust policy of the role may ask for
	Region     string // whose STS is asked; empty: the host's
}

// String is "{role-arn: arn:aws:iam::123456789012:role/t, concurrency: 4}": the
// settings as images.yaml has them.
func (r Registry) String() string {
	var fields []string
	add := func(key, value string) {
		switch {
		case value == "":
			return
		case !plainPattern.MatchString(value) || strings.EqualFold(value, "null"):
			value = strconv.Quote(value)
		}
		fields = append(fields, key+": "+value)
	}
	add("kind", string(r.Kind))
	add("aws-profile", r.AWSProfile)
	add("role-arn", r.RoleARN)
	add("external-id", r.ExternalID)
	add("region", r.Region)
	if r.Concurrency > 0 {
		add("concurrency", strconv.Itoa(r.Concurrency))
	}
	return "{" + strings.Join(fields, ", ") + "}"
}

// plainPattern matches what YAML reads as it stands, in a map in braces.
var plainPattern = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9:/._@+-]*[A-Za-z0-9])?$`)

// MaxConcurrency is how many requests to one host may be in flight.
const MaxConcurrency = 1000

// The keys of a host, by what it is.
var (
	ecrKeys   = []string{"aws-profile", "role-arn", "external-id", "region", "concurrency"}
	plainKeys = []string{"kind", "concurrency"}
)

// registries reads what the file says of hosts.
func (w *walk) registries(n *yaml.Node) map[string]Registry {
	if n == nil {
		return nil
	}
	said, first := map[string]Registry{}, map[string]*yaml.Node{}
	for key, value := range w.entries(n, "registries", "a map from host to its settings") {
		host, err := ParseHost(key.Value)
		if err != nil {
			w.report(key, findings.InvalidRegistry, "%v", err)
			continue
		}
		if before := first[host]; before != nil {
			w.report(key, findings.DuplicateKey, "%s is the same host as %s in line %d; keep one", quote(key.Value), quote(before.Value), before.Line)
			continue
		}
		first[host] = key
		said[host] = w.entry(key, value, host)
	}
	return said
}

// entry reads the settings of one host.
func (w *walk) entry(key, value *yaml.Node, host string) (r Registry) {
	place, isECR := ParseECRHost(host)
	names := plainKeys
	if isECR {
		names = ecrKeys
	}
	what := "registry " + quote(key.Value)
	if isEmpty(value) {
		w.report(cmp.Or(value, key), findings.EmptyValue, "%s has no settings; expected %s", what, strings.Join(names, ", "))
		return Registry{}
	}
	fields := map[string]*yaml.Node{}
	for key, value := range w.entries(value, what, "a map of "+strings.Join(names, ", ")) {
		if slices.Contains(names, key.Value) {
			fields[key.Value] = cmp.Or(fields[key.Value], value)
		} else {
			w.foreign(key, what, isECR, names)
		}
	}
	text := func(name, want string) string {
		if fields[name] == nil {
			return ""
		}
		text, ok := w.scalar(fields[name], name, want)
		if ok && text == "" {
			w.report(fields[name], findings.EmptyValue, "%s is empty; expected %s", name, want)
		}
		return text
	}
	invalid := func(name, format string, args ...any) {
		w.report(fields[name], findings.InvalidValue, "%s is "+format, append([]any{name}, args...)...)
	}

	if kind := text("kind", wantKind()); kind != "" {
		r.Kind = RegistryKind(kind)
		if !slices.Contains(namedKinds, r.Kind) {
			invalid("kind", "%s; expected %s", quote(kind), wantKind())
		}
	}
	if n := text("concurrency", wantConcurrency); n != "" {
		var err error
		if r.Concurrency, err = strconv.Atoi(n); err != nil || strconv.Itoa(r.Concurrency) != n || r.Concurrency < 1 || r.Concurrency > MaxConcurrency {
			invalid("concurrency", "%s; expected %s", quote(n), wantConcurrency)
		}
	}
	r.AWSProfile = text("aws-profile", wantProfile)
	if r.AWSProfile != "" && !profilePattern.MatchString(r.AWSProfile) {
		invalid("aws-profile", "%s; expected %s", quote(r.AWSProfile), wantProfile)
	}
	if r.RoleARN = text("role-arn", wantRole(place)); r.RoleARN != "" {
		if problem := roleProblem(r.RoleARN, place); problem != "" {
			invalid("role-arn", "%s", problem)
		}
	}
	if r.ExternalID = text("external-id", wantExternalID); r.ExternalID != "" {
		switch {
		case !externalIDPattern.MatchString(r.ExternalID) || len(r.ExternalID) < 2 || len(r.ExternalID) > maxExternalID:
			invalid("external-id", "%s; expected %s", quote(r.ExternalID), wantExternalID)
		case fields["role-arn"] == nil:
			w.report(fields["external-id"], findings.InvalidValue, "external-id goes with a role, and %s has no role-arn", what)
		}
	}
	if r.Region = text("region", wantRegion(place)); r.Region != "" {
		switch {
		case !regionPattern.MatchString(r.Region):
			invalid("region", "%s; expected %s", quote(r.Region), wantRegion(place))
		case Partition(r.Region) != place.Partition():
			invalid("region", "%s, of the partition %s, and the host is in %s; expected %s",
				quote(r.Region), Partition(r.Region), place.Partition(), wantRegion(place))
		case fields["role-arn"] == nil && fields["aws-profile"] == nil:
			w.report(fields["region"], findings.InvalidValue,
				"region is where a role is asked for, and %s has neither role-arn nor aws-profile; the registry's own region is in its host", what)
		}
	}
	return r
}

const (
	wantConcurrency = "a whole number from 1 to 1000"
	wantProfile     = "the name of a profile in the files of the AWS CLI"
	wantExternalID  = `2 to 1224 letters, digits and "_+=,.@:/-"`

	maxExternalID = 1224
)

// What AWS accepts (STS API reference, AssumeRole: ExternalId; IAM API reference,
// Role: Path and RoleName).
var (
	externalIDPattern = regexp.MustCompile(`^[A-Za-z0-9_+=,.@:/-]+$`)
	roleARNPattern    = regexp.MustCompile(`^arn:(aws(?:-[a-z]+)*):iam::[0-9]{12}:role/(?:[!-~]+/)?[A-Za-z0-9_+=,.@-]{1,64}$`)
	sessionARNPattern = regexp.MustCompile(`^arn:(aws(?:-[a-z]+)*):sts::([0-9]{12}):assumed-role/([A-Za-z0-9_+=,.@-]{1,64})/`)
	regionPattern     = regexp.MustCompile(`^[a-z]{2,4}(?:-[a-z]+)+-[0-9]+$`)
	profilePattern    = regexp.MustCompile(`^[^\s\[\]](?:[^\t\r\n\[\]]*[^\s\[\]])?$`)
)

func wantRole(host ECRHost) string {
	return fmt.Sprintf("arn:%s:iam::%s:role/NAME, with the account of the role", host.Partition(), cmp.Or(host.Account, "ACCOUNT"))
}

func wantRegion(host ECRHost) string {
	return "a region of AWS, such as " + cmp.Or(host.Region, "eu-central-1")
}

// roleProblem says what is wrong with the ARN of a role for a host, or "". The role
// may be of another account: a repository's policy can let it in. It can't be of
// another partition: no credentials are valid in two (IAM user guide,
// id_roles_providers_outbound_cross_partition).
func roleProblem(arn string, host ECRHost) string {
	if m := sessionARNPattern.FindStringSubmatch(arn); m != nil {
		return fmt.Sprintf("%s, a session of a role; write the role's own ARN: arn:%s:iam::%s:role/%s, with the path that it may have", quote(arn), m[1], m[2], m[3])
	}
	m := roleARNPattern.FindStringSubmatch(arn)
	switch {
	case m == nil || len(arn) > 2048:
		return fmt.Sprintf("%s; expected %s", quote(arn), wantRole(host))
	case m[1] != host.Partition():
		return fmt.Sprintf("%s, of the partition %s, and the host is in %s; credentials of the one are not valid in the other: expected %s",
			quote(arn), m[1], host.Partition(), wantRole(host))
	}
	return ""
}

// secretPattern finds the keys that people give to logins.
var secretPattern = regexp.MustCompile(`(?i)pass(word|wd|phrase)?$|^pass|secret|token|credential|access.?key|api.?key|private.?key|^auth|^user(name)?$|^login$|^key$`)

// foreign reports a key that the host does not have. It never shows the value.
func (w *walk) foreign(key *yaml.Node, what string, isECR bool, names []string) {
	switch {
	case slices.Contains(ecrKeys, key.Value):
		w.report(key, findings.UnknownField, "%s is for hosts of Amazon ECR, and %s is none; log in to it with docker login", quote(key.Value), what)
	case slices.Contains(plainKeys, key.Value):
		w.report(key, findings.UnknownField, "%s is not for %s: its name tells that it is Amazon ECR; expected %s", quote(key.Value), what, strings.Join(names, ", "))
	case secretPattern.MatchString(key.Value) && isECR:
		w.report(key, findings.UnknownField, "%s is a login, and images.yaml holds none; keep it in a profile of the AWS CLI and name that with aws-profile, or in the environment", quote(key.Value))
	case secretPattern.MatchString(key.Value):
		w.report(key, findings.UnknownField, "%s is a login, and images.yaml holds none; log in with docker login, or name a credential helper in its config.json", quote(key.Value))
	default:
		w.unknown(key, "a key of "+what, names)
	}
}
