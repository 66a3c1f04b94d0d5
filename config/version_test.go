package config

import (
	"slices"
	"testing"
)

func TestParseVersion(t *testing.T) {
	for _, test := range []struct {
		tag                 string
		prerelease, variant string
		ok                  bool
	}{
		{"10.10", "", "", true}, {"v10.10", "", "", true}, {"10.10.3", "", "", true}, {"0.1", "", "", true},
		{"10.10-alpine", "", "alpine", true}, {"10.10-alpine3.20", "", "alpine3.20", true},
		{"1.2.3-slim-bookworm", "", "slim-bookworm", true}, {"10.10-amd64", "", "amd64", true},
		{"10.21-rc.1", "rc.1", "", true}, {"10.21-rc1", "rc1", "", true}, {"10.21-beta2", "beta2", "", true},
		{"10.21-RC1", "RC1", "", true}, {"10.21-alpha", "alpha", "", true}, {"10.21-b3", "b3", "", true},
		{"10.21-rc.1-alpine3.20", "rc.1", "alpine3.20", true}, {"10.21-bookworm", "", "bookworm", true},
		{"10.21-mssql", "", "mssql", true}, {"10.21-release", "", "release", true},

		{"10", "", "", false}, {"v10", "", "", false}, {"latest", "", "", false}, {"20240105", "", "", false},
		{"1a2b3c4", "", "", false}, {"10.010", "", "", false}, {"010.1", "", "", false}, {"24.04", "", "", false},
		{"2024.1.5", "", "", false}, {"2024-01-05", "", "", false}, {"1.2.3.4", "", "", false}, {"1.2-", "", "", false},
		{"10.x", "", "", false}, {"", "", "", false}, {"V1.2", "", "", false}, {"1.2_3", "", "", false},
		{"1.99999999999999999999", "", "", false},
	} {
		v, err := ParseVersion(test.tag)
		if (err == nil) != test.ok || v.Prerelease != test.prerelease || v.Variant != test.variant {
			t.Errorf("%q is %+v, %v", test.tag, v, err)
		}
	}
}

func version(t *testing.T, tag string) Version {
	t.Helper()
	v, err := ParseVersion(tag)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestVersionsInOrder(t *testing.T) {
	want := []string{"0.9", "1.2.3", "1.10", "10.9", "10.10-alpha", "10.10-beta2", "10.10-rc.1", "10.10-rc2", "10.10-rc10", "10.10", "10.10.1", "v10.11"}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, func(a, b string) int { return version(t, a).Compare(version(t, b)) })
	if !slices.Equal(got, want) {
		t.Errorf("order is %q", got)
	}
	if version(t, "10.10").Compare(version(t, "v10.10.0-alpine")) != 0 {
		t.Error("10.10 and v10.10.0-alpine are different versions")
	}
}

func TestRanges(t *testing.T) {
	for _, test := range []struct {
		text     string
		has, not []string
	}{
		{"10.x", []string{"10.0", "10.20", "v10.20.3", "10.21-rc.1", "10.0-rc.1"}, []string{"9.9", "11.0", "11.0-rc.1"}},
		{"<11", []string{"10.20", "10.21-rc.1"}, []string{"11.0", "11.0-rc.1"}},
		{"1.2 - 1.4", []string{"1.2", "1.4.9"}, []string{"1.5"}},
		{">=1.2 <2", []string{"1.2", "1.99.1"}, []string{"1.1", "2.0"}},
		{"^1.4 || ~2.1", []string{"1.5", "2.1.9"}, []string{"1.3", "2.2"}},
		{"*", []string{"0.1", "99.0", "1.0-rc1"}, nil},
		{"10.20", []string{"10.20", "v10.20.0", "10.20.1"}, []string{"10.21"}},
		{"=10.20.0", []string{"10.20"}, []string{"10.20.1"}},
	} {
		r, err := ParseRange(test.text)
		if err != nil {
			t.Fatal(err)
		}
		for _, tag := range test.has {
			if !r.Has(version(t, tag)) {
				t.Errorf("%q has no %s", test.text, tag)
			}
		}
		for _, tag := range test.not {
			if r.Has(version(t, tag)) {
				t.Errorf("%q has %s", test.text, tag)
			}
		}
	}
	for _, text := range []string{"", "  ", "ten", "10.x.x.x.x", ">=", "1.2 ||", "10.x-alpine", "10.6-beta.1", "^10.1-0", "*-alpine", "010.x", "10.02", ">=1.2 <02"} {
		if r, err := ParseRange(text); err == nil {
			t.Errorf("%q is accepted as %+v", text, r)
		}
	}
}

func TestPossibleRanges(t *testing.T) {
	for text, want := range map[string]bool{
		"10.x": true, "*": true, ">=1.2 <2": true, ">1.2.3 <1.2.5": true, "<1": true, "!=1.0.0": true, ">7": true,
		">2 <1": false, ">=2.0 <2.0": false, ">1.2.3 <1.2.4": false, "<0.0.0": false, ">2 <1 || >4 <3": false, "9.x 10.x": false,
		">2 <1 || 3.x": true,
	} {
		r, err := ParseRange(text)
		if err != nil {
			t.Fatal(text, err)
		}
		if r.Possible() != want {
			t.Errorf("%q possible: %v", text, !want)
		}
	}
}
