package ecr

import (
	"regexp"
	"strings"
)

// Host is what the name of an ECR registry tells: whose it is, where, and by
// which kind of endpoint it wants to be reached.
type Host struct {
	Account   string // twelve digits
	Region    string // "eu-central-1"
	FIPS      bool
	DualStack bool // IPv6 too
}

// reHost has the suffixes of all partitions that AWS SDKs know: the commercial
// one and GovCloud, China, the European sovereign cloud, and the isolated
// ones. Dual-stack names have a dash and a suffix of their own (user guide,
// registries, "ecr-requests").
var reHost = regexp.MustCompile(`^([0-9]{12})\.dkr[.-]ecr(-fips)?\.([a-z0-9-]+)\.` +
	`(amazonaws\.com|amazonaws\.com\.cn|amazonaws\.eu|on\.aws|on\.amazonwebservices\.com\.cn|on\.amazonwebservices\.eu|` +
	`c2s\.ic\.gov|sc2s\.sgov\.gov|cloud\.adc-e\.uk|csp\.hci\.ic\.gov)$`)

// ParseHost tells whether a registry's host is one of Amazon ECR. ECR Public
// (public.ecr.aws) is not: its API can't read what this package needs.
func ParseHost(name string) (h Host, ok bool) {
	m := reHost.FindStringSubmatch(strings.ToLower(name))
	if m == nil {
		return Host{}, false
	}
	return Host{Account: m[1], FIPS: m[2] != "", Region: m[3], DualStack: strings.HasPrefix(m[4], "on.")}, true
}
