package config

import (
	"net"
	"net/netip"
	"regexp"
	"strings"
)

// ECRHost is what the host name of an Amazon ECR registry says: account, region
// and kind of endpoint.
type ECRHost struct {
	Account   string // twelve digits
	Region    string // "eu-central-1"
	FIPS      bool
	DualStack bool // IPv6 too
}

// ecrPattern has the suffixes of all partitions that AWS SDKs know: the
// commercial one and GovCloud, China, the European sovereign cloud, and the
// isolated ones. Dual-stack names have a dash and a suffix of their own (Amazon
// ECR user guide, registries, "ecr-requests").
var ecrPattern = regexp.MustCompile(`^([0-9]{12})\.dkr[.-]ecr(-fips)?\.([a-z0-9-]+)\.` +
	`(amazonaws\.com|amazonaws\.com\.cn|amazonaws\.eu|on\.aws|on\.amazonwebservices\.com\.cn|on\.amazonwebservices\.eu|` +
	`c2s\.ic\.gov|sc2s\.sgov\.gov|cloud\.adc-e\.uk|csp\.hci\.ic\.gov)$`)

// ParseECRHost reports whether a host is a registry of Amazon ECR. ECR Public
// (public.ecr.aws) is not: its API can't read what a run needs.
func ParseECRHost(name string) (h ECRHost, ok bool) {
	m := ecrPattern.FindStringSubmatch(strings.ToLower(name))
	if m == nil {
		return ECRHost{}, false
	}
	return ECRHost{Account: m[1], FIPS: m[2] != "", Region: m[3], DualStack: strings.HasPrefix(m[4], "on.")}, true
}

// partitions are the parts of AWS by how the names of their regions begin. Each
// has accounts, credentials and services of its own (AWS fault isolation
// boundaries, "partitions"; the table is that of aws-sdk-go-v2, partitions.json).
var partitions = []struct{ regions, name string }{
	{"cn-", "aws-cn"}, {"us-gov-", "aws-us-gov"}, {"eusc-", "aws-eusc"},
	{"us-iso-", "aws-iso"}, {"us-isob-", "aws-iso-b"}, {"eu-isoe-", "aws-iso-e"}, {"us-isof-", "aws-iso-f"},
}

// Partition returns the partition of a region of AWS: "aws", "aws-cn", "aws-us-gov".
func Partition(region string) string {
	for _, p := range partitions {
		if strings.HasPrefix(region, p.regions) {
			return p.name
		}
	}
	return "aws"
}

// Partition returns the partition of the registry.
func (h ECRHost) Partition() string { return Partition(h.Region) }

// Place returns the repository under one name for its host, to compare it with
// others. A registry of Amazon ECR has up to four host names, and so has loopback. Two
// repositories of one place may be the same, so what one must keep the other must
// keep too.
func (r Repository) Place() Repository {
	if h, ok := ParseECRHost(r.Host); ok {
		return Repository{Host: h.Account + "." + h.Region, Path: r.Path}
	}
	name, port := r.Host, ""
	if host, p, err := net.SplitHostPort(r.Host); err == nil {
		name, port = host, p
	}
	address, err := netip.ParseAddr(strings.Trim(name, "[]"))
	if address = address.Unmap(); err == nil && address.Is4() { // "[::ffff:10.0.0.1]" is 10.0.0.1
		r.Host = strings.TrimSuffix(address.String()+":"+port, ":")
	}
	if name == "localhost" || err == nil && (address == netip.IPv6Loopback() || address == netip.AddrFrom4([4]byte{127, 0, 0, 1})) {
		return Repository{Host: "localhost:" + port, Path: r.Path}
	}
	return r
}
