package config

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// Range is a set of versions in the words of Masterminds/semver: "10.x",
// ">=1.2 <2", "^1.4 || ~2.1". That library knows three numbers; a bound of four
// can have a comparison before it, as in ">=12.5.5.200 <13".
//
// A range says nothing about the numbers that it does not name: =12.5.5 has
// 12.5.5.201, and 3.12.0-2.
type Range struct {
	Text     string
	any      []bounds // a version has to be within one of them
	excluded []bounds // of each "!="
}

// bounds have to hold all together.
type bounds struct {
	three *semver.Constraints // nil if there are none
	four  []bound
}

type bound struct {
	operator string
	numbers  [4]uint64
}

var (
	suffixPattern      = regexp.MustCompile(`[\dxX*]-\S`) // and not the " - " between two versions
	leadingZeroPattern = regexp.MustCompile(`(^|\D)0+(\d)`)
	fourPattern        = regexp.MustCompile(`([<>=!~^]*)\s*\bv?(\d+)\.(\d+)\.(\d+)\.(\d+)\b`)
	excludedPattern    = regexp.MustCompile(`!=\s*([^\s,|]+)`)
	fourPlacesPattern  = regexp.MustCompile(`[\dxX*]+(?:\.[\dxX*]+){3}`)
	spanPattern        = regexp.MustCompile(`\s-\s`)
)

// ParseRange parses a range of releases. It refuses prereleases and variants: the
// library matches neither as a reader would expect. Only calendar versions have
// numbers with a zero before them.
func ParseRange(text string, calendar bool) (Range, error) {
	if strings.TrimSpace(text) == "" {
		return Range{}, errors.New(`range is empty; expected one such as "10.x" or ">=1.2 <2"`)
	}
	if suffixPattern.MatchString(text) {
		return Range{}, fmt.Errorf(`range %s has something after a dash; write "variant" or "prereleases: true" beside "newest" for that`, quote(text))
	}
	plain := text
	if calendar {
		plain = leadingZeroPattern.ReplaceAllString(plain, "$1$2")
	}
	r := Range{Text: text}
	invalid := leadingZeroPattern.MatchString(plain)
	for part := range strings.SplitSeq(plain, "||") {
		b, err := parseBounds(part)
		invalid = invalid || err != nil
		r.any = append(r.any, b)
	}
	for _, match := range excludedPattern.FindAllStringSubmatch(plain, -1) {
		b, err := parseBounds("=" + match[1])
		invalid = invalid || err != nil
		r.excluded = append(r.excluded, b)
	}
	switch {
	case !invalid:
		return r, nil
	case leadingZeroPattern.MatchString(text) && !calendar:
		return Range{}, fmt.Errorf(`range %s has a number with a zero before it; write "versioning: calendar" beside "newest" for versions such as 24.04`, quote(text))
	}
	if fourPlacesPattern.MatchString(text) {
		return Range{}, fmt.Errorf(`range %s is not valid: "x", "~" and "^" take up to three numbers; a bound of four needs a comparison, as in ">=1.2.3.4 <1.2.4"`, quote(text))
	}
	return Range{}, fmt.Errorf(`range %s is not valid; expected one such as "10.x", "^1.4" or ">=1.2 <2"`, quote(text))
}

// parseBounds parses a range without "||".
func parseBounds(text string) (b bounds, err error) {
	rest := fourPattern.ReplaceAllStringFunc(text, func(found string) string {
		match := fourPattern.FindStringSubmatch(found)
		four := bound{operator: match[1]}
		for i := range four.numbers {
			var overflow error
			four.numbers[i], overflow = strconv.ParseUint(match[i+2], 10, 64)
			err = errors.Join(err, overflow)
		}
		switch four.operator {
		case "", "=", "!=", ">", "<", ">=", "=>", "<=", "=<":
		default:
			err = errors.New("a bound of four numbers needs a comparison")
		}
		b.four = append(b.four, four)
		return " "
	})
	rest = strings.Trim(rest, " ,\t")
	switch {
	case err != nil:
	case len(b.four) > 0 && spanPattern.MatchString(text):
		err = errors.New("a span needs versions of three numbers")
	case rest != "" || len(b.four) == 0:
		b.three, err = semver.NewConstraint(rest)
	}
	return b, err
}

// Has reports whether a version is in the range. A prerelease counts as its
// release: <11 does not have 11.0-rc.1, and 10.x has 10.0-rc.1.
func (r Range) Has(v Version) bool { return within(r.any, v.numbers) }

// Excludes reports whether the range names a version to leave it out: !=2.3.2.
func (r Range) Excludes(v Version) bool { return !r.Has(v) && within(r.excluded, v.numbers) }

func within(any []bounds, numbers [4]uint64) bool {
	three := semver.New(numbers[0], numbers[1], numbers[2], "", "")
	return slices.ContainsFunc(any, func(b bounds) bool {
		return (b.three == nil || b.three.Check(three)) &&
			!slices.ContainsFunc(b.four, func(four bound) bool { return !four.holds(numbers) })
	})
}

func (b bound) holds(numbers [4]uint64) bool {
	c := slices.Compare(numbers[:], b.numbers[:])
	switch b.operator {
	case "!=":
		return c != 0
	case ">":
		return c > 0
	case "<":
		return c < 0
	case ">=", "=>":
		return c >= 0
	case "<=", "=<":
		return c <= 0
	}
	return c == 0
}

// Possible reports whether any version can be in the range. If so, the range has
// the lowest version of all, one that it names, or the next one after such a
// version in one of its numbers.
func (r Range) Possible() bool {
	if within(r.any, [4]uint64{}) {
		return true
	}
	for _, named := range namedPattern.FindAllStringSubmatch(r.Text, -1) {
		var n [4]uint64
		for i := range n {
			n[i], _ = strconv.ParseUint(named[i+1], 10, 32) // 0 for what is not there
		}
		for _, v := range [][4]uint64{
			n, {n[0], n[1], n[2], n[3] + 1}, {n[0], n[1], n[2] + 1}, {n[0], n[1] + 1}, {n[0] + 1},
		} {
			if within(r.any, v) {
				return true
			}
		}
	}
	return false
}

// namedPattern finds the versions in a range, complete or partial.
var namedPattern = regexp.MustCompile(`(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:\.(\d+))?`)
