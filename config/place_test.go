package config

import "testing"

func TestParseECRHost(t *testing.T) {
	for name, want := range map[string]ECRHost{
		"123456789012.dkr.ecr.eu-central-1.amazonaws.com":             {Account: "123456789012", Region: "eu-central-1"},
		"123456789012.DKR.ecr.eu-central-1.amazonaws.com":             {Account: "123456789012", Region: "eu-central-1"},
		"123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com":       {Account: "123456789012", Region: "us-gov-west-1", FIPS: true},
		"123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn":            {Account: "123456789012", Region: "cn-north-1"},
		"123456789012.dkr-ecr.eu-west-1.on.aws":                       {Account: "123456789012", Region: "eu-west-1", DualStack: true},
		"123456789012.dkr-ecr-fips.us-east-1.on.aws":                  {Account: "123456789012", Region: "us-east-1", FIPS: true, DualStack: true},
		"123456789012.dkr-ecr.cn-north-1.on.amazonwebservices.com.cn": {Account: "123456789012", Region: "cn-north-1", DualStack: true},
		"123456789012.dkr.ecr.eusc-de-east-1.amazonaws.eu":            {Account: "123456789012", Region: "eusc-de-east-1"},
		"123456789012.dkr.ecr.us-iso-east-1.c2s.ic.gov":               {Account: "123456789012", Region: "us-iso-east-1"},
		"123456789012.dkr.ecr.us-isob-east-1.sc2s.sgov.gov":           {Account: "123456789012", Region: "us-isob-east-1"},
		"public.ecr.aws": {},
		"localhost:5000": {},
		"12345678901.dkr.ecr.eu-central-1.amazonaws.com":                   {},
		"123456789012.dkr.ecr.eu-central-1.amazonaws.com:443":              {},
		"123456789012.dkr.ecr.eu-central-1.amazonaws.com.evil.example.com": {},
		"evil-123456789012.dkr.ecr.eu-central-1.amazonaws.com":             {},
		"123456789012.dkr.ecr.eu-central-1.amazonaws-com":                  {},
	} {
		if got, ok := ParseECRHost(name); got != want || ok != (want != ECRHost{}) {
			t.Errorf("%s: got %+v, %v; want %+v", name, got, ok, want)
		}
	}
}

// What may be one and the same repository is one place.
func TestPlace(t *testing.T) {
	for _, same := range [][]string{
		{"123456789012.dkr.ecr.eu-west-1.amazonaws.com", "123456789012.dkr.ecr-fips.eu-west-1.amazonaws.com", "123456789012.dkr-ecr.eu-west-1.on.aws"},
		{"localhost:5000", "127.0.0.1:5000", "[::1]:5000", "[::ffff:127.0.0.1]:5000", "[::ffff:7f00:1]:5000"},
		{"10.0.0.1:5000", "[::ffff:10.0.0.1]:5000"}, {"10.0.0.1", "[::ffff:a00:1]"},
		{"localhost", "127.0.0.1"},
		{"localhost:5001"}, {"127.0.0.2:5000"}, {"ghcr.io"}, {"123456789012.dkr.ecr.eu-west-2.amazonaws.com"}, {"210987654321.dkr.ecr.eu-west-1.amazonaws.com"},
	} {
		for _, host := range same {
			for _, other := range append(same, "docker.io", "localhost:6000") {
				want := other != "docker.io" && other != "localhost:6000"
				if got := (Repository{host, "a"}).Place() == (Repository{other, "a"}).Place(); got != want {
					t.Errorf("%s and %s: got %v, want %v", host, other, got, want)
				}
			}
		}
		if (Repository{same[0], "a"}).Place() == (Repository{same[0], "b"}).Place() {
			t.Errorf("%s: two repositories are one", same[0])
		}
	}
}
