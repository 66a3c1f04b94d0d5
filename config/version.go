package config

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Version is a tag that is a version. versions.md has the grammar, and a table
// of real tags with what each is.
type Version struct {
	Tag        string
	Prerelease string   // "rc.1"; "" of a release
	Revision   string   // "r3": which build of the version it is; "" of the first
	Variant    string   // "alpine3.20"; "" of a plain version
	Platform   Platform // of a tag whose name has one, see [TagPattern]; its OS says nothing
	Calendar   bool     // 24.04 and 2024.10.1 are dates; 24.10 may be both, and is none by itself

	numbers  [4]uint64
	count    int    // how many numbers the tag has
	dated    bool   // it can be a calendar version: Calendar, or 24.10
	unstable string // the prerelease in one spelling: rc.1 for RC1
}

var (
	versionPattern = regexp.MustCompile(`^v?(\d+)\.(\d+)(?:\.(\d+))?(?:\.(\d+))?((?:a|b|rc|alpha|beta)\d+)?(?:-(.+))?$`)
	// Names of versions that are not released yet, right after the numbers.
	prereleasePattern = regexp.MustCompile(`(?i)^(?:(?:alpha|beta|rc|pre|preview|dev|snapshot|nightly|canary|milestone)[.\d]*|[abm]\d+)$`)
	// Builds of one version. A bare number is one only right after the version:
	// debian-12 is a variant. It is short or a date, as an abbreviated commit can
	// happen to be a number, too.
	bareRevisionPattern = regexp.MustCompile(`^(?:\d{1,4}(?:\.\d+)*|` + datePattern + `)$`)
	revisionPattern     = regexp.MustCompile(`^` + namedRevision + `$`)
	dayPattern          = regexp.MustCompile(`^` + datePattern + `$`)
)

const (
	namedRevision = `(?:r|p|ls|build\.?)\d+`
	datePattern   = `(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])`
)

// ParseVersion parses a tag that begins with its version. The error says why a
// tag is not a version.
func ParseVersion(tag string) (Version, error) {
	match := versionPattern.FindStringSubmatch(tag)
	if match == nil {
		return Version{}, fmt.Errorf("tag %s is not a version: expected two to four numbers, such as 10.20 or v10.20.3, and then a prerelease, a revision or a variant after a dash", quote(tag))
	}
	v := Version{Tag: tag}
	padded := false
	for _, text := range match[1:5] {
		if text == "" {
			continue
		}
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return Version{}, fmt.Errorf("tag %s is not a version: %s is too large", quote(tag), quote(text))
		}
		padded = padded || len(text) > 1 && text[0] == '0'
		v.numbers[v.count] = n
		v.count++
	}
	year := match[1]
	switch v.dated = isMonth(match[2]) && (len(year) == 2 || isYear(year)) && year[0] != '0'; {
	case dayPattern.MatchString(year):
		return Version{}, fmt.Errorf("tag %s is not a version: it begins with a date", quote(tag))
	case padded && !v.dated:
		return Version{}, fmt.Errorf("tag %s is not a version: a number has a leading zero", quote(tag))
	}
	v.Calendar = v.dated && (padded || isYear(year))
	v.words(match[5], match[6])
	return v, nil
}

func isYear(text string) bool {
	n, err := strconv.Atoi(text)
	return err == nil && len(text) == 4 && n >= 1990 && n <= 2099
}

func isMonth(text string) bool {
	n, err := strconv.Atoi(text)
	return err == nil && len(text) <= 2 && n >= 1 && n <= 12
}

// words sorts what follows the numbers: a prerelease comes first, revisions
// right after it or at the end, and all else is the variant.
func (v *Version) words(attached, rest string) {
	v.Prerelease = attached
	words := strings.Split(rest, "-")
	if attached == "" && prereleasePattern.MatchString(words[0]) {
		v.Prerelease, words = words[0], words[1:]
	}
	var first, last []string
	for len(words) > 0 && (revisionPattern.MatchString(words[0]) || len(first) == 0 && bareRevisionPattern.MatchString(words[0])) {
		first, words = append(first, words[0]), words[1:]
	}
	for len(words) > 0 && revisionPattern.MatchString(words[len(words)-1]) {
		last, words = append([]string{words[len(words)-1]}, last...), words[:len(words)-1]
	}
	v.Revision = strings.Join(append(first, last...), "-")
	v.Variant = strings.Join(words, "-")
	v.unstable = oneSpelling(v.Prerelease)
}

// oneSpelling spells RC1 as rc.1, and drops the zeros before a number.
func oneSpelling(prerelease string) string {
	word := strings.TrimRight(strings.ToLower(prerelease), "0123456789.")
	parts := []string{word}
	for part := range strings.SplitSeq(prerelease[len(word):], ".") {
		if part != "" {
			parts = append(parts, cmp.Or(strings.TrimLeft(part, "0"), "0"))
		}
	}
	return strings.Join(parts, ".")
}

// Major returns the first number of a version.
func (v Version) Major() string { return strconv.FormatUint(v.numbers[0], 10) }

// Compare orders versions by numbers, prerelease and revision, and ignores
// variants: 10.9 < 10.10-rc.1 < 10.10 = v10.10.0 < 10.10-1 < 10.10.0.1.
func (v Version) Compare(o Version) int {
	if c := slices.Compare(v.numbers[:], o.numbers[:]); c != 0 {
		return c
	}
	if v.unstable != o.unstable {
		switch {
		case v.unstable == "":
			return 1
		case o.unstable == "":
			return -1
		}
		return CompareTags(v.unstable, o.unstable)
	}
	return CompareTags(v.Revision, o.Revision)
}

// FloatOf reports whether a tag is the moving name of a fuller one: 1.21 that of
// 1.21.0. Both are the same version, but 1.21 goes on to 1.21.1.
func (v Version) FloatOf(o Version) bool { return v.count < o.count && v.Compare(o) == 0 }

// Covers reports whether a tag may be the moving name of a fuller one, now or
// before: 1.21 covers 1.21.3, and 1.2.3 covers 1.2.3-r4.
func (v Version) Covers(o Version) bool {
	return v.count <= o.count && slices.Equal(v.numbers[:v.count], o.numbers[:v.count]) && v.unstable == o.unstable &&
		(v.Revision == "" || v.Revision == o.Revision) && (v.count < o.count || v.Revision != o.Revision)
}
