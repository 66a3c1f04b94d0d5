package compose_test

import (
	"strconv"
	"testing"

	"tagline/config"
	"tagline/config/compose"
	"tagline/policies"
)

// An alias replaces a tag where it has the same images, or later ones, for each
// platform that the service may want.
func TestAliasThatStandsForATag(t *testing.T) {
	cfg, err := config.Parse("images.yaml", []byte(`
registry: localhost:5000
images:
  arch: {aliases: {12: {arm64: {newest: "12.x", tags: "{arch}-{version}"}}}}
  both: {policies: {platforms: [amd64, arm64]}, aliases: {12: {newest: "12.x", tags: "{arch}-{version}"}}}
  lower: {policies: {platforms: [arm/v7]}, aliases: {five: {arm/v6: 5.5}}}
  map: {aliases: {three: {amd64: 6.6, arm64: 7.7}}}
`), config.Options{Policies: policies.Keys()})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, service, want, message string }{
		{"a tag of another platform than the alias has", "image: localhost:5000/arch:amd64-12.3", "", `tag "amd64-12.3" is not an alias of arch; expected "12"`},
		{"a tag of the alias's platform", "image: localhost:5000/arch:arm64-12.3", "localhost:5000/arch:12", `tag "arm64-12.3" is a version that alias "12" follows, and moves on from; write "12"`},
		{"a tag that names one of several platforms", "image: localhost:5000/both:amd64-12.3", "", `tag "amd64-12.3" is a version that alias "12" follows, and moves on from, but images.yaml does not say so for linux/arm64; if the service runs elsewhere, set its platform`},
		{"a tag that names the service's platform", "{image: localhost:5000/both:amd64-12.3, platform: linux/amd64}", "localhost:5000/both:12", `tag "amd64-12.3" is a version that alias "12" follows, and moves on from; write "12"`},
		{"a tag that names another platform than the service", "{image: localhost:5000/both:amd64-12.3, platform: linux/arm64}", "", `tag "amd64-12.3" is a version that alias "12" follows, and moves on from, but images.yaml does not say so for the service's platform, "linux/arm64"`},
		{"another release on the service's platform", "{image: localhost:5000/map:6.6, platform: linux/arm64}", "", `tag "6.6" is a release that alias "three" takes images from, but images.yaml does not say so for the service's platform, "linux/arm64"`},
		{"the release of the service's platform", "{image: localhost:5000/map:6.6, platform: linux/amd64}", "localhost:5000/map:three", `tag "6.6" is a release that alias "three" takes images from; write "three"`},
		{"another release on a platform that the service may run on", "image: localhost:5000/map:6.6", "", `tag "6.6" is a release that alias "three" takes images from, but images.yaml does not say so for linux/arm64; if the service runs elsewhere, set its platform`},
		{"a release on a lower variant than the policy requires", "image: localhost:5000/lower:5.5", "", `tag "5.5" is a release that alias "five" takes images from, but no such alias has all platforms that the platforms policy requires`},
	} {
		t.Run(test.name, func(t *testing.T) {
			service := test.service
			if service[0] != '{' {
				service = "{" + service + "}"
			}
			workspaceOf(t, "-- compose.yml --\nservices: {s: "+service+"}\n")
			services, err := compose.Load("compose.yml", nil)
			if err != nil {
				t.Fatal(err)
			}
			result := compose.Check(cfg, services)
			got := ""
			for _, f := range result.Fixes {
				got += f.To
			}
			message := result.Findings[0].Message
			if at := len(strconv.Quote(services[0].Image.Written)) + 2; len(message) > at {
				message = message[at:]
			}
			if got != test.want || message != test.message {
				t.Errorf("fix %q, want %q; message\n%s\nwant\n%s", got, test.want, message, test.message)
			}
		})
	}
}
