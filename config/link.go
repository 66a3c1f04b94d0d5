package config

import (
	"fmt"
	"slices"
	"strings"

	"tagline/config/findings"
)

// link marks the sources that are other aliases of the same image. It reports
// an alias of itself, of an absent alias, or of one that leads back to it.
func (w *walk) link(image Image) {
	index := make(map[string]int, len(image.Aliases))
	for i, alias := range image.Aliases {
		index[alias.Tag] = i
	}
	for i, alias := range image.Aliases {
		for k := range alias.Sources {
			s := &alias.Sources[k]
			target, ok := index[s.Tag]
			switch {
			case !ok || s.Tag == "" || s.Repository != image.Repository:
			case target == i:
				w.reportSource(image, alias, *s, findings.AliasCycle, "alias %q names itself; expected another tag, or a digest", s.Tag)
			case image.Aliases[target].Absent:
				w.reportSource(image, alias, *s, findings.AbsentSource, "source %q is an alias that should be absent; name a tag that stays", s.Tag)
			default:
				s.Alias = true
			}
		}
	}
	w.cycles(image, index)
}

// cycles walks the aliases depth first, and reports each one that leads back to
// an earlier one on its path. index is the position of each tag in the aliases.
func (w *walk) cycles(image Image, index map[string]int) {
	const done = -1
	aliases := image.Aliases
	steps := make([]int, len(aliases)) // up to and with this alias, while it is on the path
	var path []string
	var visit func(i int)
	visit = func(i int) {
		path = append(path, aliases[i].Tag)
		steps[i] = len(path)
		closed := map[int]bool{} // cycles that another platform of this alias closes as well
		for _, s := range aliases[i].Sources {
			target := index[s.Tag]
			switch {
			case !s.Alias || closed[target]:
			case steps[target] == 0:
				visit(target)
			case steps[target] > 0:
				closed[target] = true
				w.reportSource(image, aliases[i], s, findings.AliasCycle, "aliases lead in a cycle: %s -> %s", arrows(path[steps[target]-1:]), s.Tag)
			}
		}
		path = path[:len(path)-1]
		steps[i] = done
	}
	for i := range aliases {
		if steps[i] == 0 {
			visit(i)
		}
	}
}

// reportSource reports a source of an image. What several images have from one
// profile is one finding.
func (w *walk) reportSource(image Image, of Alias, s Source, id findings.ID, format string, args ...any) {
	f := &Finding{ID: id, Alias: of.Tag, Pos: s.Pos, Message: fmt.Sprintf(format, args...)}
	if of.Profile != "" {
		w.repeats.add(*f, image.Name, image.Pos)
		return
	}
	w.findings.add(f)
}

// arrows returns "10 -> latest -> 11", shortened if it is long.
func arrows(tags []string) string {
	if n := len(tags); n > 10 {
		tags = slices.Concat(tags[:6], []string{fmt.Sprintf("(%d more)", n-9)}, tags[n-3:])
	}
	return strings.Join(tags, " -> ")
}
