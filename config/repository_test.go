package config

import (
	"strings"
	"testing"
)

func TestParseRepository(t *testing.T) {
	for _, test := range []struct{ text, host, want string }{
		{"app", "localhost:5000", "localhost:5000/app"},
		{"team/app", "ghcr.io", "ghcr.io/team/app"},
		{"my.app", "ghcr.io", "ghcr.io/my.app"},
		{"a__b/c--d/e.f_g", "ghcr.io", "ghcr.io/a__b/c--d/e.f_g"},
		{"GHCR.io/team/app", "localhost", "ghcr.io/team/app"},
		{"ghcr.io:443/app", "", "ghcr.io/app"},
		{"ghcr.io:0443/app", "", "ghcr.io/app"},
		{"ghcr.io:80/app", "", "ghcr.io:80/app"},
		{"localhost/app", "", "localhost/app"},
		{"LOCALHOST/app", "", "localhost/app"},
		{"localhost:443/app", "", "localhost:443/app"},
		{"127.0.0.1:443/app", "", "127.0.0.1:443/app"},
		{"registry:5000/app", "", "registry:5000/app"},
		{"[::1]/app", "", "[::1]/app"},
		{"[2001:DB8:0::1]:443/app", "", "[2001:db8::1]:443/app"},
		{"123456789012.dkr.ecr.eu-west-1.amazonaws.com/app", "", "123456789012.dkr.ecr.eu-west-1.amazonaws.com/app"},
		{"nginx", "docker.io", "docker.io/library/nginx"},
		{"nginx", "Index.Docker.io:443", "docker.io/library/nginx"},
		{"registry-1.docker.io/team/app", "", "docker.io/team/app"},
		{"docker.io:5000/nginx", "", "docker.io:5000/nginx"},
		{strings.Repeat("a", 245), "localhost", "localhost/" + strings.Repeat("a", 245)},
	} {
		got, err := ParseRepository(test.text, test.host)
		if err != nil || got.String() != test.want {
			t.Errorf("ParseRepository(%q, %q) = %s, %v; want %s", test.text, test.host, got, err, test.want)
		}
		if again, err := ParseRepository(got.String(), ""); err != nil || again != got {
			t.Errorf("ParseRepository(%q) = %s, %v", got, again, err)
		}
	}
}

func TestParseRepositoryRefuses(t *testing.T) {
	const (
		notHost = `; expected a name with a dot or a port, or an address, such as "ghcr.io", "localhost:5000" or "[::1]:5000"`
		notName = `; expected lower-case letters and digits, joined by ".", "_", "__" or "-", in parts divided by "/"`
	)
	for _, test := range []struct{ text, host, want string }{
		{"app", "", `repository "app" has no registry; write it as host/repository, add "registry: host" to the file, or give --registry (or TAGLINE_REGISTRY)`},
		{"ghcr.io", "", `"ghcr.io" is a registry; name a repository, such as "ghcr.io/team/image"`},
		{"localhost:5000", "", `"localhost:5000" is a registry; name a repository, such as "localhost:5000/team/image"`},
		{"localhost:5000", "ghcr.io", `"localhost:5000" is a registry; name a repository, such as "localhost:5000/team/image"`},
		{"[::1]:5000", "", `"[::1]:5000" is a registry; name a repository, such as "[::1]:5000/team/image"`},
		{"my-image:10", "", `repository "my-image:10" has a tag; write "my-image"`},
		{"my-image:10", "ghcr.io", `repository "my-image:10" has a tag; write "my-image"`},
		{"localhost:5000/team/app:10.10", "", `repository "localhost:5000/team/app:10.10" has a tag; write "localhost:5000/team/app"`},
		{"a:b:c", "ghcr.io", `repository "a:b:c" is not a valid name` + notName},
		{"app", "ghcr", `registry "ghcr" is not a host` + notHost},
		{"App", "ghcr.io", `repository "App" has upper-case letters; write "app"`},
		{"", "ghcr.io", `repository "" is not a valid name` + notName},
		{"app/", "ghcr.io", `repository "app/" is not a valid name` + notName},
		{"a___b", "ghcr.io", `repository "a___b" is not a valid name` + notName},
		{"a..b", "ghcr.io", `repository "a..b" is not a valid name` + notName},
		{"-a", "ghcr.io", `repository "-a" is not a valid name` + notName},
		{"docker://ghcr.io/app", "", `repository "docker://ghcr.io/app" is a URL; write "ghcr.io/app"`},
		{"-ghcr.io/app", "", `registry "-ghcr.io" is not a host` + notHost},
		{"ghcr.io./app", "", `registry "ghcr.io." is not a host` + notHost},
		{"1.2.3/app", "", `registry "1.2.3" is not a host` + notHost},
		{"[::1/app", "", `registry "[::1" is not a host` + notHost},
		{"[::1]5000/app", "", `registry "[::1]5000" is not a host` + notHost},
		{"[127.0.0.1]/app", "", `registry "[127.0.0.1]" is not a host` + notHost},
		{"[::1]:/app", "", `registry "[::1]:" has the port ""; expected 1 to 65535`},
		{"ghcr.io:0/app", "", `registry "ghcr.io:0" has the port "0"; expected 1 to 65535`},
		{"ghcr.io:+1/app", "", `registry "ghcr.io:+1" has the port "+1"; expected 1 to 65535`},
		{strings.Repeat("a.", 127) + "a/app", "", `registry ` + quote(strings.Repeat("a.", 127)+"a") + ` is not a host` + notHost},
		{"nginx" + strings.Repeat("x", 233), "docker.io", `repository ` + quote("library/nginx"+strings.Repeat("x", 233)) + ` has 256 characters with its host; at most 255 are allowed`},
	} {
		if _, err := ParseRepository(test.text, test.host); err == nil || err.Error() != test.want {
			t.Errorf("ParseRepository(%q, %q):\ngot  %v\nwant %s", test.text, test.host, err, test.want)
		}
	}
}

func TestNoMessageRepeatsAPassword(t *testing.T) {
	for _, text := range []string{
		"me:secret@ghcr.io", "https://me:secret@ghcr.io", "me:secret@ghcr.io/app", "https://me:secret@ghcr.io/app",
		"me:secret@ghcr.io/app:1.1", "https://me:secret@ghcr.io/app:1.1", "//me:secret@ghcr.io/app",
	} {
		_, hostErr := ParseHost(text)
		_, repositoryErr := ParseRepository(text, "localhost")
		_, sourceErr := ParseReference(text, "localhost")
		for _, err := range []error{hostErr, repositoryErr, sourceErr} {
			if err == nil || strings.Contains(err.Error(), "secret") {
				t.Errorf("%s: %v", text, err)
			}
		}
	}
}
