package reconcile

import (
	"fmt"
	"slices"
	"strconv"

	"tagline/config"
	"tagline/config/findings"
	"tagline/policies"
	"tagline/reconcile/registry"
)

// Tags that were aliases. An alias that images.yaml lists no more stays in the
// registry, since machines may pull it, and nothing moves it any more.

// former tells by tagline's mark whether a tag was an alias, or may have followed
// one, given what it names. A tag that is the source of an alias does not count.
func (s scope) former(tag string, m *registry.Manifest) (FormerAlias, bool) {
	if m == nil || !m.Index || m.Annotations[AnnotationAlias] == "" || !s.unlisted(tag) {
		return FormerAlias{}, false
	}
	return FormerAlias{Tag: tag, Of: m.Annotations[AnnotationAlias]}, true
}

// unlisted reports whether images.yaml has a tag neither as an alias nor as a source.
func (s scope) unlisted(tag string) bool {
	_, alias := s.aliases[tag]
	return !alias && s.image.Used[tag] == ""
}

// warnFormer tells of former aliases and of what would remove them, in one warning for
// each way to know them. more counts the tags that were not looked at.
func (s scope) warnFormer(all []FormerAlias, more int) (warnings []*config.Finding) {
	var own, copies, recorded []FormerAlias
	for _, f := range all {
		switch f.Of {
		case f.Tag:
			own = append(own, f)
		case "":
			recorded = append(recorded, f)
		default:
			copies = append(copies, f)
		}
	}
	pos := policies.Prune.Pos(s.rules)
	if pos.Line == 0 {
		pos = s.image.Pos
	}
	warn := func(some []FormerAlias, were, remedy string) {
		if len(some) == 0 {
			return
		}
		message := fmt.Sprintf("tag %q of %s %s, and images.yaml does not list it; to delete it, set it to absent%s; to keep it, list it", some[0].Tag, s.home, some[0].was(), remedy)
		if len(some) > 1 {
			names := make([]string, len(some))
			for i, f := range some {
				names[i] = f.name()
			}
			message = fmt.Sprintf("tags %s of %s %s, and images.yaml does not list them; to delete them, set them to absent%s; to keep them, list them", few(names), s.home, were, remedy)
		}
		warnings = append(warnings, &config.Finding{ID: findings.FormerAlias, Warning: true, Pos: pos, Message: message})
	}
	warn(own, "were aliases, by tagline's mark", " or set prune: true")
	warn(copies, "may have followed aliases, for which their indexes were made", "")
	warn(recorded, "were aliases, by the journal", "")
	if len(warnings) > 0 && more > 0 {
		warnings[len(warnings)-1].Message += fmt.Sprintf(" (%d more tags were not looked at)", more)
	}
	return warnings
}

// was says how it is known what a tag was.
func (f FormerAlias) was() string {
	switch f.Of {
	case f.Tag:
		return "was an alias, by tagline's mark"
	case "":
		return "was an alias, by the journal"
	}
	return fmt.Sprintf("may have followed alias %q, for which its index was made", f.Of)
}

// name is the tag, with the alias that it may have followed.
func (f FormerAlias) name() string {
	if f.Of == "" || f.Of == f.Tag {
		return strconv.Quote(f.Tag)
	}
	return fmt.Sprintf("%q (alias %q)", f.Tag, f.Of)
}

// sortFormer puts former aliases in the order of their tags.
func sortFormer(all []FormerAlias) {
	slices.SortFunc(all, func(a, b FormerAlias) int { return config.CompareTags(a.Tag, b.Tag) })
}
