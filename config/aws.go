package config

import (
	"cmp"
	"fmt"
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

const (
	wantProfile    = "the name of a profile in the files of the AWS CLI"
	wantExternalID = `2 to 1224 letters, digits and "_+=,.@:/-"`

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
