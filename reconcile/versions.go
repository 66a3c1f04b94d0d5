package reconcile

import (
	"slices"

	"tagline/config"
)

// maxExamined bounds how many versions a newest source looks into. If none of
// the newest few has the platforms, something is wrong that more reading would
// not mend.
const maxExamined = 32

// listed is a tag of a repository, parsed as a version once.
type listed struct {
	tag     string
	version config.Version
	err     error // why it is not a version
}

// parseTags sorts the tags of a repository: versions from the newest down, of
// equal ones the fullest first and then by name, and last the tags that are not
// versions.
func parseTags(tags []string, parse func(tag string) (config.Version, error)) []listed {
	all := make([]listed, len(tags))
	for i, tag := range tags {
		v, err := parse(tag)
		all[i] = listed{tag, v, err}
	}
	slices.SortFunc(all, func(a, b listed) int {
		switch {
		case a.err != nil && b.err != nil:
			return config.CompareTags(a.tag, b.tag)
		case a.err != nil:
			return 1
		case b.err != nil:
			return -1
		}
		if c := b.version.Compare(a.version); c != 0 {
			return c
		}
		switch {
		case a.version.FloatOf(b.version):
			return 1
		case b.version.FloatOf(a.version):
			return -1
		}
		return config.CompareTags(a.tag, b.tag)
	})
	return all
}
