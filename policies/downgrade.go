package policies

import (
	"fmt"
	"slices"

	"tagline/config/findings"
)

// Downgrade reports whether a newest source may choose a lower version than the
// alias has now, as it would when a release is deleted. If it is not known what
// version the alias has, it may not choose any. A tag that images.yaml names may
// always be lower, and so may any version if the range excludes the one that the
// alias has.
//
// A newest source can set it for itself. So it is the caller that asks for the
// value, and gives a Past to the entries for which it is deny.
var Downgrade = Policy[bool]{
	Name:   "downgrade",
	Doc:    "whether newest may choose a lower version than the alias has",
	Values: words[bool]{{"deny", false}, {"allow", true}},
	Strict: orFalse("deny"),
	Apply: func(_ bool, a Alias) (Alias, []Finding) {
		var found []Finding
		for _, e := range a.Entries {
			if !e.Newest || e.Was == nil || e.Was.Digest == e.Digest {
				continue
			}
			unknown, what := "", "the alias"
			if e.Kind == Image {
				what = e.Platform.String()
			}
			switch was := e.Was.Version; {
			case was == nil:
				unknown = "the alias has no mark of tagline, and its image is none of the newest versions"
			case e.Was.Float && was.Covers(*e.Version):
				unknown = fmt.Sprintf("the alias has no mark of tagline, and of the version tags only %s has its image, which moves", was.Tag)
			}
			switch {
			case unknown != "":
				found = append(found, Finding{ID: findings.UnknownVersion, Message: fmt.Sprintf(
					"%s would go from %s to %s, which may be a downgrade: %s; for one run, name the tag that it should have, or write downgrade: allow beside newest",
					what, e.Was.Digest, e.Source, unknown)})
			case e.Version.Compare(*e.Was.Version) < 0 && e.Was.Outside != "": // which may be so for every platform
				f := Finding{ID: findings.Downgrade, Message: fmt.Sprintf(
					"the alias has %s, which is not in %q; if the step down is meant, exclude %s with !=, or write downgrade: allow beside newest",
					e.Was.Version.Tag, e.Was.Outside, e.Was.Version.Tag)}
				if !slices.Contains(found, f) {
					found = append(found, f)
				}
			case e.Version.Compare(*e.Was.Version) < 0:
				was := e.Was.Version.Tag
				found = append(found, Finding{ID: findings.Downgrade, Message: fmt.Sprintf(
					"%s would be downgraded from %s to %s; bring %s back for it, name a tag, exclude it with !=, or write downgrade: allow beside newest",
					what, was, e.Source, was)})
			}
		}
		return a, found
	},
}
