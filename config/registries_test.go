package config

import (
	"strings"
	"testing"
)

const (
	ecrHost   = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"
	chinaHost = "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn"
	govHost   = "123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com"
)

func registries(entries ...string) string {
	return "registries:\n  " + strings.Join(entries, "\n  ") + "\nimages: {localhost/app: {aliases: {1: 1.1}}}\n"
}

func TestRegistries(t *testing.T) {
	for _, test := range []struct {
		name, entry, host string
		want              Registry
	}{
		{"a kind", "Harbor.example.com: {kind: harbor}", "harbor.example.com", Registry{Kind: Harbor}},
		{"a share of the requests", "harbor.example.com: {concurrency: 2}", "harbor.example.com", Registry{Concurrency: 2}},
		{"both", "localhost:5000: {kind: oci, concurrency: 1000}", "localhost:5000", Registry{Kind: OCI, Concurrency: 1000}},
		{"another name of a host", "registry-1.docker.io: {concurrency: 4}", "docker.io", Registry{Concurrency: 4}},
		{"a profile", ecrHost + ": {aws-profile: prod admin}", ecrHost, Registry{AWSProfile: "prod admin"}},
		{"a profile that looks like a number", ecrHost + ": {aws-profile: 007}", ecrHost, Registry{AWSProfile: "007"}},
		{"a role", ecrHost + ": {role-arn: 'arn:aws:iam::123456789012:role/tagline'}", ecrHost, Registry{RoleARN: "arn:aws:iam::123456789012:role/tagline"}},
		{"a role of another account, with a path", ecrHost + ": {role-arn: 'arn:aws:iam::210987654321:role/ci/images/tag+line'}", ecrHost, Registry{RoleARN: "arn:aws:iam::210987654321:role/ci/images/tag+line"}},
		{"all", ecrHost + ": {role-arn: 'arn:aws:iam::123456789012:role/t', external-id: 10.10, aws-profile: prod, region: us-east-1, concurrency: 4}", ecrHost,
			Registry{RoleARN: "arn:aws:iam::123456789012:role/t", ExternalID: "10.10", AWSProfile: "prod", Region: "us-east-1", Concurrency: 4}},
		{"words of YAML", ecrHost + `: {aws-profile: "null", role-arn: 'arn:aws:iam::123456789012:role/a,b', external-id: '=:a,b:'}`, ecrHost,
			Registry{AWSProfile: "null", RoleARN: "arn:aws:iam::123456789012:role/a,b", ExternalID: "=:a,b:"}},
		{"China", chinaHost + ": {role-arn: 'arn:aws-cn:iam::123456789012:role/t', region: cn-northwest-1}", chinaHost, Registry{RoleARN: "arn:aws-cn:iam::123456789012:role/t", Region: "cn-northwest-1"}},
		{"GovCloud", govHost + ": {role-arn: 'arn:aws-us-gov:iam::123456789012:role/t', aws-profile: gov}", govHost, Registry{RoleARN: "arn:aws-us-gov:iam::123456789012:role/t", AWSProfile: "gov"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			input := registries(test.entry)
			cfg, err := parse(input)
			if err != nil {
				t.Fatal(err)
			}
			if got := cfg.Registries[test.host]; got != test.want {
				t.Errorf("got  %+v\nwant %+v", got, test.want)
			}
			goodForSchema(t, input)
			again, err := parse(registries(test.host + ": " + test.want.yaml()))
			if err != nil || again.Registries[test.host] != test.want {
				t.Errorf("written as %s, it is read as %+v, %v", test.want.yaml(), again, err)
			}
		})
	}
}

func TestUnusedRegistries(t *testing.T) {
	for _, test := range []struct{ name, file, override, want string }{
		{"of an image", "registries: {a.example.com: {kind: oci}}\nimages: {a.example.com/app: {aliases: {1: 1.1}}}\n", "", ""},
		{"of a source", "registries: {a.example.com: {kind: oci}}\nimages: {localhost/app: {aliases: {1: a.example.com/b:1}}}\n", "", ""},
		{"of a platform's source", "registries: {a.example.com: {kind: oci}}\nimages: {localhost/app: {aliases: {1: {amd64: {from: a.example.com}}}}}\n", "", ""},
		{"of a profile's source", "registries: {a.example.com: {kind: oci}}\nprofiles: {p: {aliases: {1: {from: a.example.com}}}}\nuse: p\nimages: {localhost/app: }\n", "", ""},
		{"of the file, and another is given", "registry: a.example.com\nregistries: {a.example.com: {kind: oci}}\nimages: {app: {aliases: {1: 1.1}}}\n", "localhost:5000", ""},
		{"of nothing", "registries: {zot.test: {kind: oci}}\nimages: {a.example.com/app: {aliases: {1: 1.1}}}\n", "",
			"images.yaml:1:14: warning[unused-registry]: no image and no source is on zot.test; correct the host, or remove it"},
		{"of a host that is near", "registries: {harbr.example.com: {kind: harbor}}\nimages: {harbor.example.com/app: {aliases: {1: 1.1}}}\n", "",
			`images.yaml:1:14: warning[unused-registry]: no image and no source is on harbr.example.com; did you mean "harbor.example.com"?`},
		{"of two, and the near one has settings too", "registries: {b.example.com: {kind: oci}, a.example.com: {kind: oci}}\nimages: {a.example.com/app: {aliases: {1: 1.1}}}\n", "",
			"images.yaml:1:14: warning[unused-registry]: no image and no source is on b.example.com; correct the host, or remove it"},
		{"of another name of loopback", "registries: {localhost:5000: {concurrency: 1}}\nimages: {127.0.0.1:5000/app: {aliases: {1: 1.1}}, localhost:5000/lib: {aliases: {1: '[::1]:5000/a:1'}}}\n", "",
			"images.yaml:1:14: warning[unused-registry]: settings of localhost:5000 have no effect on 127.0.0.1:5000 and [::1]:5000, which may be the same registry; write one host everywhere, or settings for each"},
		{"of another name, which is given", "registry: localhost:5000\nregistries: {localhost:5000: {concurrency: 1}}\nimages: {app: {aliases: {1: 1.1}}}\n", "127.0.0.1:5000",
			"images.yaml:2:14: warning[unused-registry]: settings of localhost:5000 have no effect on 127.0.0.1:5000, which may be the same registry; write one host everywhere, or settings for each"},
		{"of both names", "registries: {localhost:5000: {concurrency: 1}, 127.0.0.1:5000: {concurrency: 1}}\nimages: {127.0.0.1:5000/app: {aliases: {1: 1.1}}, localhost:5000/lib: {aliases: {1: 1.1}}}\n", "", ""},
		{"of another port", "registry: localhost:5000\nregistries: {localhost:5000: {concurrency: 1}}\nimages: {app: {aliases: {1: 127.0.0.1:5001/app:1}}}\n", "", ""},
		{"of another name of an Amazon ECR", "registries: {" + ecrHost + ": {aws-profile: p}}\nimages: {123456789012.dkr-ecr.eu-central-1.on.aws/app: {aliases: {1: 1.1}}}\n", "",
			"images.yaml:1:14: warning[unused-registry]: settings of " + ecrHost + " have no effect on 123456789012.dkr-ecr.eu-central-1.on.aws, which may be the same registry; write one host everywhere, or settings for each"},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg, err := Parse("images.yaml", []byte(test.file), Options{Policies: testPolicies(), Registry: test.override})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range cfg.Warnings {
				got = append(got, f.Error())
			}
			if strings.Join(got, "\n") != test.want {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), test.want)
			}
		})
	}
}

func TestRegistriesRefused(t *testing.T) {
	const other = "harbor.example.com"
	for _, test := range []struct{ name, entry, want string }{
		{"unknown kind", other + ": {kind: harbour}", `images.yaml:2:30: error[invalid-value]: kind is "harbour"; expected one of oci, github, google, azure, harbor`},
		{"unknown key", other + ": {concurency: 2}", `images.yaml:2:24: error[unknown-field]: "concurency" is not a key of registry "harbor.example.com"; did you mean "concurrency"?`},
		{"no settings", other + ": {}", `images.yaml:2:23: error[empty-value]: registry "harbor.example.com" has no settings; expected kind, concurrency`},
		{"null settings", ecrHost + ":", `error[empty-value]: registry "` + ecrHost + `" has no settings; expected aws-profile, role-arn, external-id, region, concurrency`},
		{"no host", "https://harbor.example.com: {kind: harbor}", `images.yaml:2:3: error[invalid-registry]: registry "https://harbor.example.com" has a scheme; write "harbor.example.com"`},
		{"a host and a secret", "'me:secret@harbor.example.com': {kind: harbor}", `error[invalid-registry]: registry has credentials in it; write "harbor.example.com", and log in to it with docker login`},
		{"one host twice", "Harbor.example.com: {kind: harbor}\n  harbor.example.com:443: {kind: oci}", `images.yaml:3:3: error[duplicate-key]: "harbor.example.com:443" is the same host as "Harbor.example.com" in line 2; keep one`},
		{"kind of ECR", ecrHost + ": {kind: oci}", `error[unknown-field]: "kind" is not for registry "` + ecrHost + `": its name tells that it is Amazon ECR; expected aws-profile, role-arn, external-id, region, concurrency`},
		{"role elsewhere", other + ": {role-arn: 'arn:aws:iam::123456789012:role/t'}", `error[unknown-field]: "role-arn" is for hosts of Amazon ECR, and registry "harbor.example.com" is none; log in to it with docker login`},
		{"password", other + ": {password: hunter2}", `error[unknown-field]: "password" is a login, and images.yaml holds none; log in with docker login, or name a credential helper in its config.json`},
		{"user", other + ": {username: me, kind: harbor}", `"username" is a login, and images.yaml holds none`},
		{"secret key", ecrHost + ": {aws-secret-access-key: hunter2}", `error[unknown-field]: "aws-secret-access-key" is a login, and images.yaml holds none; keep it in a profile of the AWS CLI and name that with aws-profile, or in the environment`},
		{"token", ecrHost + ": {sessionToken: hunter2}", `"sessionToken" is a login`},
		{"key id", ecrHost + ": {access_key_id: hunter2}", `"access_key_id" is a login`},
		{"profile empty", ecrHost + ": {aws-profile: ''}", `error[empty-value]: aws-profile is empty; expected the name of a profile in the files of the AWS CLI`},
		{"profile of brackets", ecrHost + ": {aws-profile: '[prod]'}", `error[invalid-value]: aws-profile is "[prod]"; expected the name of a profile`},
		{"profile a list", ecrHost + ": {aws-profile: [prod]}", `error[wrong-type]: aws-profile is a list; expected the name of a profile`},
		{"role null", ecrHost + ": {role-arn: ~}", `error[empty-value]: role-arn is "~", which is no text unless quoted; expected arn:aws:iam::123456789012:role/NAME, with the account of the role`},
		{"role by its name", chinaHost + ": {role-arn: tagline}", `error[invalid-value]: role-arn is "tagline"; expected arn:aws-cn:iam::123456789012:role/NAME, with the account of the role`},
		{"user's ARN", ecrHost + ": {role-arn: 'arn:aws:iam::123456789012:user/ci'}", `error[invalid-value]: role-arn is "arn:aws:iam::123456789012:user/ci"; expected arn:aws:iam::123456789012:role/NAME`},
		{"account of eleven digits", ecrHost + ": {role-arn: 'arn:aws:iam::12345678901:role/t'}", `role-arn is "arn:aws:iam::12345678901:role/t"; expected`},
		{"session", ecrHost + ": {role-arn: 'arn:aws:sts::123456789012:assumed-role/t/me'}", `role-arn is "arn:aws:sts::123456789012:assumed-role/t/me", a session of a role; write the role's own ARN: arn:aws:iam::123456789012:role/t, with the path that it may have`},
		{"role of another partition", chinaHost + ": {role-arn: 'arn:aws:iam::123456789012:role/t'}",
			`role-arn is "arn:aws:iam::123456789012:role/t", of the partition aws, and the host is in aws-cn; credentials of the one are not valid in the other: expected arn:aws-cn:iam::123456789012:role/NAME`},
		{"external id with a space", ecrHost + ": {role-arn: 'arn:aws:iam::123456789012:role/t', external-id: a b}", `error[invalid-value]: external-id is "a b"; expected 2 to 1224 letters, digits and "_+=,.@:/-"`},
		{"external id of one letter", ecrHost + ": {role-arn: 'arn:aws:iam::123456789012:role/t', external-id: a}", `external-id is "a"; expected 2 to 1224`},
		{"external id too long", ecrHost + ": {role-arn: 'arn:aws:iam::123456789012:role/t', external-id: " + strings.Repeat("a", 1225) + "}", `…"; expected 2 to 1224`},
		{"external id alone", ecrHost + ": {external-id: abc}", `error[invalid-value]: external-id goes with a role, and registry "` + ecrHost + `" has no role-arn`},
		{"region misspelt", ecrHost + ": {aws-profile: p, region: eu-central1}", `error[invalid-value]: region is "eu-central1"; expected a region of AWS, such as eu-central-1`},
		{"region of another partition", govHost + ": {aws-profile: p, region: us-east-1}", `region is "us-east-1", of the partition aws, and the host is in aws-us-gov; expected a region of AWS, such as us-gov-west-1`},
		{"region alone", ecrHost + ": {region: us-east-1}", `region is where a role is asked for, and registry "` + ecrHost + `" has neither role-arn nor aws-profile; the registry's own region is in its host`},
		{"concurrency of none", other + ": {concurrency: 0}", `error[invalid-value]: concurrency is "0"; expected a whole number from 1 to 1000`},
		{"concurrency of too many", ecrHost + ": {concurrency: 1001}", `concurrency is "1001"; expected`},
		{"concurrency of a part", other + ": {concurrency: 1.5}", `concurrency is "1.5"; expected`},
		{"concurrency in words", other + ": {concurrency: two}", `concurrency is "two"; expected`},
	} {
		t.Run(test.name, func(t *testing.T) {
			input := registries(test.entry)
			_, err := parse(input)
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "\n") {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
			badForSchema(t, test.name, input)
		})
	}
	if _, err := parse("registries: [harbor.example.com]\nimages: {localhost/app: {aliases: {1: 1.1}}}\n"); err == nil || !strings.Contains(err.Error(), "registries is a list; expected a map from host to its settings") {
		t.Error(err)
	}
}

func TestPartition(t *testing.T) {
	for region, want := range map[string]string{
		"eu-central-1": "aws", "us-east-1": "aws", "mx-central-1": "aws", "cn-northwest-1": "aws-cn", "us-gov-east-1": "aws-us-gov",
		"eusc-de-east-1": "aws-eusc", "us-iso-east-1": "aws-iso", "us-isob-east-1": "aws-iso-b", "eu-isoe-west-1": "aws-iso-e", "us-isof-south-1": "aws-iso-f",
	} {
		if got := Partition(region); got != want {
			t.Errorf("%s is in %s, want %s", region, got, want)
		}
	}
	if h, ok := ParseECRHost(govHost); !ok || h.Partition() != "aws-us-gov" {
		t.Error(h.Partition(), ok)
	}
}
