package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"tagline/reconcile"
)

// maxEdges is the highest number of arrows in a graph. More are hard to read.
const maxEdges = 40

// graph shows what the table of an image does not: which sources an alias is made
// of, and which alias follows which.
type graph struct {
	edges []edge
	mixed map[node]bool // aliases whose own sources are different versions
}

type node struct {
	alias bool // an alias of the image, or else a source
	name  string
}

type edge struct {
	from, to node
	label    string // which platforms, if the alias has other sources, too
	changed  bool
}

// graphOf returns the graph of what a plan pushes, as a Mermaid block with a title:
// "" if there is nothing to see that the table does not say. An alias with one
// source is left out, unless it is part of a chain.
func graphOf(of Repository) string {
	g := graph{mixed: map[node]bool{}}
	for i, p := range of.Pushes {
		if err, _ := Tried(of.Pushed, i); err == nil && p.Purged == 0 {
			g.add(of.Plan, p)
		}
	}
	shown, left := g.interesting()
	if len(shown) == 0 {
		return ""
	}
	title := "What the aliases of " + code(of.Image) + " are made of"
	if slices.ContainsFunc(shown, func(e edge) bool { return e.changed }) {
		title += ": a thick arrow is a change"
	}
	if left > 0 {
		title += fmt.Sprintf(" (%s, %d more not shown)", Count(aliases(shown), "alias"), left)
	}
	return fmt.Sprintf("\n%s.\n\n```mermaid\n%s```\n", title, g.draw(shown))
}

// add adds an alias: an arrow from each of its sources.
func (g *graph) add(plan reconcile.Plan, p reconcile.Push) {
	var sources []string
	for _, c := range p.Platforms {
		if c.Digest != "" && !slices.Contains(sources, c.Source) {
			sources = append(sources, c.Source)
		}
	}
	to := node{true, p.Tag}
	for _, source := range sources {
		e := edge{from: node{source != p.Tag && isAlias(plan, source), source}, to: to}
		var of []reconcile.PlatformChange
		for _, c := range p.Platforms {
			if c.Digest != "" && c.Source == source {
				of = append(of, c)
				e.changed = e.changed || c.Digest != c.OldDigest
				g.mixed[to] = g.mixed[to] || c.Behind != "" && len(sources) > 1
			}
		}
		e.label = said(of, len(sources) > 1, e.from.alias)
		g.edges = append(g.edges, e)
	}
}

// said is what the arrow from one source says: the platforms, if they are not all of
// the alias, and their source before. Which alias an alias followed before is not
// known.
func said(of []reconcile.PlatformChange, partly, follows bool) string {
	was := func(c reconcile.PlatformChange) string {
		if follows || c.OldSource == "" || c.OldSource == c.Source {
			return ""
		}
		return "was " + c.OldSource
	}
	together := !slices.ContainsFunc(of, func(c reconcile.PlatformChange) bool { return was(c) != was(of[0]) })
	var words []string
	for _, c := range of {
		platform := cmp.Or(strings.TrimPrefix(c.Platform, "linux/"), "artifact")
		switch {
		case !together && was(c) != "":
			words = append(words, platform+" "+was(c))
		case !together || partly:
			words = append(words, platform)
		}
	}
	if together && was(of[0]) != "" {
		words = append(words, was(of[0]))
	}
	return strings.Join(words, ", ")
}

// interesting returns the arrows of the parts of a graph that show something, as
// many whole parts as are easy to read, and the number of aliases in the others.
func (g *graph) interesting() (shown []edge, left int) {
	for _, part := range g.parts() {
		into, following := map[node]int{}, 0
		several := false
		for _, e := range part {
			into[e.to]++
			several = several || into[e.to] > 1
			if e.from.alias {
				following++
			}
		}
		switch {
		case !several && following < 2:
		case len(shown)+len(part) > maxEdges:
			left += len(into)
		default:
			shown = append(shown, part...)
		}
	}
	return shown, left
}

// parts returns the arrows by connected part, in the order of the first of each.
func (g *graph) parts() [][]edge {
	leader := map[node]node{}
	var find func(node) node
	find = func(n node) node {
		of, known := leader[n]
		if !known || of == n {
			return n
		}
		leader[n] = find(of)
		return leader[n]
	}
	for _, e := range g.edges {
		leader[find(e.to)] = find(e.from)
	}
	var parts [][]edge
	at := map[node]int{}
	for _, e := range g.edges {
		of := find(e.from)
		i, known := at[of]
		if !known {
			i = len(parts)
			at[of] = i
			parts = append(parts, nil)
		}
		parts[i] = append(parts[i], e)
	}
	return parts
}

// aliases counts the aliases that arrows lead to.
func aliases(edges []edge) int {
	of := map[node]bool{}
	for _, e := range edges {
		of[e.to] = true
	}
	return len(of)
}

// draw returns the Mermaid text of arrows.
func (g *graph) draw(edges []edge) string {
	var b strings.Builder
	b.WriteString("graph LR\n")
	ids := map[node]string{}
	id := func(n node) string {
		if ids[n] != "" {
			return ids[n]
		}
		name, shape := brief(n.name), `(["%s"])`
		kind := "s"
		if n.alias {
			kind, shape = "a", `["%s"]:::alias`
		}
		if g.mixed[n] {
			name += " (mixed)"
		}
		ids[n] = fmt.Sprintf("%s%d", kind, len(ids))
		fmt.Fprintf(&b, "  %s"+shape+"\n", ids[n], label(name))
		return ids[n]
	}
	for _, e := range edges {
		arrow := "-->"
		if e.changed {
			arrow = "==>"
		}
		if e.label != "" {
			arrow += `|"` + label(e.label) + `"|`
		}
		from, to := id(e.from), id(e.to)
		fmt.Fprintf(&b, "  %s %s %s\n", from, arrow, to)
	}
	b.WriteString("  classDef alias font-weight:bold\n")
	return b.String()
}

// label escapes quoted text of a Mermaid graph. Every character with a meaning
// there, in Markdown, or in the HTML that Mermaid generates becomes a character
// code (mermaid.js.org, "Entity codes to escape characters").
func label(text string) string {
	const most = 60
	runes := []rune(Printable(text))
	if len(runes) > most {
		runes = append(runes[:most], '…')
	}
	if strings.Trim(string(runes), " ") == "" {
		runes = []rune("?") // Mermaid refuses an empty text
	}
	var b strings.Builder
	for _, r := range runes {
		if plain(r) || r == ' ' || r == '/' {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, "#%d;", r)
		}
	}
	return b.String()
}
