package config

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"tagline/config/findings"
)

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
		if w.root.hosts == nil {
			w.root.hosts = map[string]Pos{}
		}
		w.root.hosts[host] = w.pos(key)
		said[host] = w.hostSettings(key, value, host)
	}
	return said
}

// onHosts notes the hosts of an alias's sources.
func (w *walk) onHosts(alias Alias) {
	for _, s := range alias.Sources {
		if !w.hosts[s.Repository.Host] {
			w.hosts[s.Repository.Host] = true
		}
	}
}

// hostSettings reads what registries says of one host.
func (w *walk) hostSettings(key, value *yaml.Node, host string) (r Registry) {
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
	e := hostEntry{w, what, fields}
	if kind := e.text("kind", wantKind()); kind != "" {
		r.Kind = RegistryKind(kind)
		if !slices.Contains(namedKinds, r.Kind) {
			e.invalid("kind", "%s; expected %s", quote(kind), wantKind())
		}
	}
	if n := e.text("concurrency", wantConcurrency); n != "" {
		var err error
		if r.Concurrency, err = strconv.Atoi(n); err != nil || strconv.Itoa(r.Concurrency) != n || r.Concurrency < 1 || r.Concurrency > MaxConcurrency {
			e.invalid("concurrency", "%s; expected %s", quote(n), wantConcurrency)
		}
	}
	if isECR {
		e.aws(&r, place)
	}
	return r
}

// hostEntry is what one host has in registries, by key.
type hostEntry struct {
	*walk
	what   string // the host, for messages
	fields map[string]*yaml.Node
}

// text returns the text of a key, "" if there is none.
func (e hostEntry) text(name, want string) string {
	if e.fields[name] == nil {
		return ""
	}
	text, ok := e.scalar(e.fields[name], name, want)
	if ok && text == "" {
		e.report(e.fields[name], findings.EmptyValue, "%s is empty; expected %s", name, want)
	}
	return text
}

func (e hostEntry) invalid(name, format string, args ...any) {
	e.report(e.fields[name], findings.InvalidValue, "%s is "+format, append([]any{name}, args...)...)
}

// aws reads how to log in to a registry of Amazon ECR.
func (e hostEntry) aws(r *Registry, place ECRHost) {
	r.AWSProfile = e.text("aws-profile", wantProfile)
	if r.AWSProfile != "" && !profilePattern.MatchString(r.AWSProfile) {
		e.invalid("aws-profile", "%s; expected %s", quote(r.AWSProfile), wantProfile)
	}
	if r.RoleARN = e.text("role-arn", wantRole(place)); r.RoleARN != "" {
		if problem := roleProblem(r.RoleARN, place); problem != "" {
			e.invalid("role-arn", "%s", problem)
		}
	}
	if r.ExternalID = e.text("external-id", wantExternalID); r.ExternalID != "" {
		switch {
		case !externalIDPattern.MatchString(r.ExternalID) || len(r.ExternalID) < 2 || len(r.ExternalID) > maxExternalID:
			e.invalid("external-id", "%s; expected %s", quote(r.ExternalID), wantExternalID)
		case e.fields["role-arn"] == nil:
			e.report(e.fields["external-id"], findings.InvalidValue, "external-id goes with a role, and %s has no role-arn", e.what)
		}
	}
	if r.Region = e.text("region", wantRegion(place)); r.Region != "" {
		switch {
		case !regionPattern.MatchString(r.Region):
			e.invalid("region", "%s; expected %s", quote(r.Region), wantRegion(place))
		case Partition(r.Region) != place.Partition():
			e.invalid("region", "%s, of the partition %s, and the host is in %s; expected %s",
				quote(r.Region), Partition(r.Region), place.Partition(), wantRegion(place))
		case e.fields["role-arn"] == nil && e.fields["aws-profile"] == nil:
			e.report(e.fields["region"], findings.InvalidValue,
				"region is where a role is asked for, and %s has neither role-arn nor aws-profile; the registry's own region is in its host", e.what)
		}
	}
}

const wantConcurrency = "a whole number from 1 to 1000"

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
