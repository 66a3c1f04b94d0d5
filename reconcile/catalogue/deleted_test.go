package catalogue

import (
	"slices"
	"strings"
	"testing"

	"tagline/config"
)

// What is there was not deleted, and what can't be read may be there.
func TestNotDeleted(t *testing.T) {
	for _, test := range []struct {
		name string
		now  map[string]string // what is known
		want []string
	}{
		{"all is gone", map[string]string{"9": "", sha("u1"): "", sha("u2"): ""}, []string{"2 manifests", "set to absent, was"}},
		{"the tag is there", map[string]string{"9": sha("9"), sha("u1"): "", sha("u2"): ""}, []string{"2 manifests"}},
		{"the tag names something else", map[string]string{"9": sha("new"), sha("u1"): sha("u1"), sha("u2"): ""}, []string{"it has no tag", "set to absent, was"}},
		{"all is there", map[string]string{"9": sha("9"), sha("u1"): sha("u1"), sha("u2"): sha("u2")}, nil},
		{"nothing can be read", nil, []string{"whether it is gone is not known", "whether it is gone is not known"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			page := New(sample().options)
			page.NotDeleted(func(_ config.Repository, reference string) (string, bool) {
				digest, known := test.now[reference]
				return digest, known
			})
			var got []string
			for _, line := range page.deleted.lines() {
				got = append(got, line.Text)
			}
			if !slices.EqualFunc(got, test.want, strings.Contains) {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}
