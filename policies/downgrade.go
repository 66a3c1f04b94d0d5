package policies

import (
	"fmt"
	"maps"
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
		steps := map[string][]step{} // from an unknown version, by the one version tag that has the image, and moves
		for _, e := range a.Entries {
			if !e.Newest || e.Was == nil || e.Was.Digest == e.Digest {
				continue
			}
			what := "the alias"
			if e.Kind == Image {
				what = e.Platform.String()
			}
			switch was := e.Was.Version; {
			case was == nil:
				steps[""] = append(steps[""], step{what, e})
			case e.Was.Float && was.Covers(*e.Version):
				steps[was.Tag] = append(steps[was.Tag], step{what, e})
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
		for _, moving := range slices.Sorted(maps.Keys(steps)) {
			found = append(found, Finding{ID: findings.UnknownVersion, Message: unknown(moving, steps[moving])})
		}
		return a, found
	},
}

// step is what a platform, or an alias as a whole, would become.
type step struct {
	what  string
	entry Entry
}

// unknown says that it is not known which version some steps start from. moving is the
// one version tag that has the images, "" if none has them.
func unknown(moving string, steps []step) string {
	image, is := "image", "is"
	if len(steps) > 1 {
		image, is = "images", "are"
	}
	why := fmt.Sprintf("its %s %s none of the newest versions", image, is)
	if moving != "" {
		why = fmt.Sprintf("of the version tags only %s has its %s, which moves", moving, image)
	}
	text := ""
	for i, s := range steps {
		switch i {
		case 0:
			text = s.what + " would go"
		case len(steps) - 1:
			text += " and " + s.what
		default:
			text += ", " + s.what
		}
		text += fmt.Sprintf(" from %s to %s", s.entry.Was.Digest, s.entry.Source)
	}
	return fmt.Sprintf("%s, which may be a downgrade: the alias has no mark of tagline, and %s; for one run, name the tag that it should have, or write downgrade: allow beside newest", text, why)
}
