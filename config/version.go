package config

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// Version is a tag that is a version: v?N.N[.N][-prerelease][-variant].
type Version struct {
	Tag        string
	Prerelease string // "rc.1"; "" of a release
	Variant    string // "alpine3.20"; "" of a plain version
	number     *semver.Version
}

var (
	// Two or three numbers without leading zeros. A single number is usually an
	// alias, and 20240105 or 1a2b3c4 are not versions.
	versionPattern = regexp.MustCompile(`^v?(0|[1-9]\d*)\.(0|[1-9]\d*)(?:\.(0|[1-9]\d*))?(?:-(.+))?$`)
	// Names of versions that are not released yet. Anything else after a dash is
	// a variant, as in Docker's official images and Renovate's docker
	// versioning: 10.10-alpine3.20.
	prereleasePattern = regexp.MustCompile(`(?i)^(?:(?:alpha|beta|rc|pre|preview|dev|snapshot|nightly|canary|milestone)[.\d]*|[abm]\d+)$`)
)

// ParseVersion parses a version tag. The error says why a tag is not a version.
func ParseVersion(tag string) (Version, error) {
	match := versionPattern.FindStringSubmatch(tag)
	if match == nil {
		return Version{}, fmt.Errorf("tag %s is not a version: expected N.N or N.N.N without leading zeros, with an optional v before and -variant after", quote(tag))
	}
	if isDate(match[1], match[2], match[3]) {
		return Version{}, fmt.Errorf("tag %s is a date", quote(tag))
	}
	v := Version{Tag: tag}
	rest := match[4]
	if first, after, _ := strings.Cut(rest, "-"); prereleasePattern.MatchString(first) {
		v.Prerelease, rest = first, after
	}
	v.Variant = rest
	text := match[1] + "." + match[2] + "." + cmp.Or(match[3], "0")
	if v.Prerelease != "" {
		text += "-" + semverPrerelease(v.Prerelease)
	}
	var err error
	if v.number, err = semver.StrictNewVersion(text); err != nil { // a number over 64 bits
		return Version{}, fmt.Errorf("tag %s is not a version: %w", quote(tag), err)
	}
	return v, nil
}

// isDate reports whether a tag is a date, such as 2024.1.5.
func isDate(year, month, day string) bool {
	y, _ := strconv.Atoi(year)
	m, _ := strconv.Atoi(month)
	d, err := strconv.Atoi(day)
	return err == nil && y >= 1990 && y <= 2099 && m >= 1 && m <= 12 && d >= 1 && d <= 31
}

// semverPrerelease spells rc1 as rc.1, so that rc10 comes after rc9, and drops
// the zeros that semver does not allow before a number.
func semverPrerelease(text string) string {
	word := strings.TrimRight(strings.ToLower(text), "0123456789.")
	parts := []string{word}
	for part := range strings.SplitSeq(text[len(word):], ".") {
		if part != "" {
			parts = append(parts, cmp.Or(strings.TrimLeft(part, "0"), "0"))
		}
	}
	return strings.Join(parts, ".")
}

// Compare orders versions by number and prerelease, and ignores variants:
// 10.9 < 10.10-rc.1 < 10.10 = v10.10.0.
func (v Version) Compare(o Version) int { return v.number.Compare(o.number) }

// Range is a set of versions in the words of Masterminds/semver: "10.x",
// ">=1.2 <2", "^1.4 || ~2.1".
type Range struct {
	Text        string
	constraints *semver.Constraints
}

// ParseRange parses a range of releases. It refuses prereleases and variants: the
// library matches neither as a reader would expect.
func ParseRange(text string) (Range, error) {
	if strings.TrimSpace(text) == "" {
		return Range{}, errors.New(`range is empty; expected one such as "10.x" or ">=1.2 <2"`)
	}
	if suffixPattern.MatchString(text) {
		return Range{}, fmt.Errorf(`range %s has something after a dash; write "variant" or "prereleases: true" beside "newest" for that`, quote(text))
	}
	c, err := semver.NewConstraint(text)
	if err != nil || leadingZeroPattern.MatchString(text) {
		return Range{}, fmt.Errorf(`range %s is not valid; expected one such as "10.x", "^1.4" or ">=1.2 <2"`, quote(text))
	}
	return Range{Text: text, constraints: c}, nil
}

var (
	suffixPattern      = regexp.MustCompile(`[\dxX*]-\S`) // and not the " - " between two versions
	leadingZeroPattern = regexp.MustCompile(`(?:^|\D)0\d`)
)

// Has reports whether a version is in the range. A prerelease counts as its
// release: <11 does not have 11.0-rc.1, and 10.x has 10.0-rc.1.
func (r Range) Has(v Version) bool {
	release := semver.New(v.number.Major(), v.number.Minor(), v.number.Patch(), "", "")
	return r.constraints.Check(release)
}

// Possible reports whether any version can be in the range. If so, the range has
// the lowest version of all, one that it names, or the next patch, minor or major
// after such a one.
func (r Range) Possible() bool {
	if r.constraints.Check(semver.New(0, 0, 0, "", "")) {
		return true
	}
	for _, named := range namedPattern.FindAllStringSubmatch(r.Text, -1) {
		var n [3]uint64
		for i := range n {
			n[i], _ = strconv.ParseUint(named[i+1], 10, 32) // 0 for what is not there
		}
		for _, v := range [][3]uint64{n, {n[0], n[1], n[2] + 1}, {n[0], n[1] + 1, 0}, {n[0] + 1, 0, 0}} {
			if r.constraints.Check(semver.New(v[0], v[1], v[2], "", "")) {
				return true
			}
		}
	}
	return false
}

// namedPattern finds the versions in a range, complete or partial.
var namedPattern = regexp.MustCompile(`(\d+)(?:\.(\d+))?(?:\.(\d+))?`)
