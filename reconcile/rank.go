package reconcile

import (
	"regexp"
	"strings"

	"tagline/config"
)

// rank says how much a tag looks like the name of one build, by its spelling
// alone: 10 and latest could follow 10.20, 10.20 could follow 10.20.3, and no
// complete version follows another.
type rank struct {
	level   int // 0 a name, 1 a build, 2 and more a version with so many numbers
	version config.Version
	numbers string // of a version, "10.20."
}

// buildPattern matches names of single builds: a commit or a date.
var buildPattern = regexp.MustCompile(`(^|[-_.])([0-9a-f]*[0-9][0-9a-f]{6,}|[0-9a-f]{7,}[0-9][0-9a-f]*|\d{6,}|\d{4}[-.]\d{2}[-.]\d{2})([-_.]|$)`)

func rankOf(tag string) rank {
	v, err := config.ParseVersion(tag)
	if err == nil {
		numbers, _, _ := strings.Cut(strings.TrimPrefix(tag, "v"), "-")
		return rank{1 + strings.Count(numbers, ".") + 1, v, numbers + "."}
	}
	if buildPattern.MatchString(tag) {
		return rank{level: 1}
	}
	return rank{}
}

func (r rank) follows(source rank) bool {
	if r.level < 2 {
		return r.level == 0 && source.level > 0
	}
	return source.level > r.level && strings.HasPrefix(source.numbers, r.numbers) &&
		source.version.Variant == r.version.Variant && source.version.Prerelease == r.version.Prerelease
}

// over reports whether r is a better source than o.
func (r rank) over(o rank) bool {
	if r.level >= 2 && o.level >= 2 && r.version.Compare(o.version) != 0 {
		return r.version.Compare(o.version) > 0
	}
	return r.level > o.level
}
