package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"tagline/config"
	"tagline/policies"
	"tagline/reconcile"
	"tagline/reconcile/registry"
)

// maxListed is the highest number of tags that a comment lists.
const maxListed = 50

// Draft writes an images.yaml, with comments on other tags. The draft is not empty.
func Draft(w io.Writer, d reconcile.Draft) error {
	var b strings.Builder
	several, attested, attestations := 0, 0, 0
	var others []reconcile.TagSummary // have several platforms, and are no alias
	isAlias := map[string]bool{}
	for _, a := range d.Written() {
		isAlias[a.Tag] = true
	}
	for _, t := range d.Tags {
		if len(t.Platforms) > 1 {
			several++
			if !isAlias[t.Tag] {
				others = append(others, t)
			}
		}
		if attestations += t.Attestations; t.Attestations > 0 {
			attested++
		}
	}
	fmt.Fprintf(&b, "# %s has %s: %d with several platforms, %d with attestations (%s).\n",
		Printable(d.Repository.String()), Count(len(d.Tags), "tag"), several, attested, Count(attestations, "manifest"))
	unread := 0
	for _, t := range d.Tags {
		if t.Err == nil {
			continue
		}
		if unread++; unread <= maxListed {
			fmt.Fprintf(&b, "# Could not be read: %s: %s\n", t.Tag, Printable(registry.Line(t.Err)))
		}
	}
	more(&b, unread)
	draftAliases(&b, d)
	if len(d.Aliases) > 0 {
		comments(&b, d, d.Near, "These have the images of other tags too, in an index of their own. As aliases\n# they would be written anew, with another digest")
		comments(&b, d, d.New, "These would be new. The names of the tags suggest them")
	}
	if len(d.Same) > 0 {
		b.WriteString("\n# These are one image under several names. The registry does not tell which\n# name should follow which:\n")
		for _, tags := range d.Same[:min(maxListed, len(d.Same))] {
			fmt.Fprintf(&b, "#   %s\n", strings.Join(tags, ", "))
		}
		more(&b, len(d.Same))
	}
	if len(others) > 0 {
		b.WriteString("\n# Other tags of several platforms:\n")
		for _, t := range others[:min(maxListed, len(others))] {
			fmt.Fprintf(&b, "#   %s: %s\n", t.Tag, about(t))
		}
		more(&b, len(others))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func more(b *strings.Builder, n int) {
	if n > maxListed {
		fmt.Fprintf(b, "#   and %d more\n", n-maxListed)
	}
}

// comments writes aliases that are not part of the file.
func comments(b *strings.Builder, d reconcile.Draft, aliases []config.Alias, title string) {
	if len(aliases) == 0 {
		return
	}
	fmt.Fprintf(b, "\n# %s:\n", title)
	for _, a := range aliases[:min(maxListed, len(aliases))] {
		fmt.Fprintf(b, "#   %s: %s\n", scalar(a.Tag), sources(d, a))
	}
	more(b, len(aliases))
}

func draftAliases(b *strings.Builder, d reconcile.Draft) {
	fmt.Fprintf(b, "registry: %s\n\n", scalar(d.Repository.Host))
	inSync := len(d.Aliases) > 0
	if !inSync {
		b.WriteString("# No tag is an alias as it stands. The names of the tags suggest these aliases, and\n# tagline apply would push them. See what tagline apply --dry-run says of them.\n")
		b.WriteString(cmp.Or(patterned(d), newest(d)))
	} else if common := everywhere(d); common != "" {
		fmt.Fprintf(b, "# Every alias below has these. To keep it so, take the # away:\n# policies: {platforms: [%s]}\n\n", common)
	}
	fmt.Fprintf(b, "images:\n  %s:\n", scalar(name(d.Repository)))
	if len(d.Dropped) > 0 {
		what := strings.ReplaceAll(strings.Join(d.Dropped, " and "), policies.Provenance.Name, "attestations")
		fmt.Fprintf(b, "    policies: {%s: drop}  # the aliases are without the %s of their sources\n", strings.Join(d.Dropped, ": drop, "), what)
	}
	b.WriteString("    aliases:\n")
	aliases := d.Aliases
	if !inSync {
		aliases = slices.SortedFunc(slices.Values(slices.Concat(d.Near, d.New)), func(a, b config.Alias) int { return config.CompareTags(a.Tag, b.Tag) })
	}
	for _, a := range aliases {
		note := "new"
		if t := d.Summary(a.Tag); t.Tag != "" {
			note = about(t)
			if !inSync {
				note += "; it would get another digest"
			}
		}
		fmt.Fprintf(b, "      %s: %s  # %s\n", scalar(a.Tag), sources(d, a), note)
	}
}

// newest says how the highest new alias such as 10 or v10-alpine follows versions
// by itself, "" if there is no such alias. An alias of an alias can't: tags that
// images.yaml manages are no versions to follow.
func newest(d reconcile.Draft) string {
	managed := map[string]bool{}
	for _, a := range d.New {
		managed[a.Tag] = true
	}
	for _, a := range slices.Backward(d.New) {
		number, variant, _ := strings.Cut(strings.TrimPrefix(a.Tag, "v"), "-")
		_, err := strconv.ParseUint(number, 10, 32)
		if err != nil || slices.ContainsFunc(a.Sources, func(s config.Source) bool { return managed[s.Tag] }) {
			continue
		}
		text := fmt.Sprintf(`%s: {newest: "%s.x"`, a.Tag, number)
		if variant != "" {
			text += ", variant: " + variant
		}
		var platforms []string
		for _, s := range a.Sources {
			if s.Platform != (config.Platform{}) {
				platforms = append(platforms, s.Platform.Short())
			}
		}
		if text += "}"; len(platforms) > 0 {
			text += fmt.Sprintf(" with policies: {platforms: [%s]}", strings.Join(platforms, ", "))
		}
		return "# To follow new versions without an edit:\n#   " + text + "\n"
	}
	return ""
}

// patterned is newest for tags that name their platform, such as amd64-1.0: how
// the line with the highest of at least two versions follows them, "" if there is
// no such line.
func patterned(d reconcile.Draft) string {
	type line struct{ pattern, major string }
	versions, platforms := map[line]map[string]bool{}, map[line][]config.Platform{}
	best, highest := line{}, config.Version{}
	for _, a := range d.New {
		for _, s := range a.Sources {
			pattern, v, ok := config.SuggestTags(s.Text)
			if !ok || !strings.Contains(pattern, "{arch}") || v.Prerelease != "" {
				continue
			}
			of := line{pattern, v.Major()}
			if versions[of] == nil {
				versions[of] = map[string]bool{}
			}
			versions[of][a.Tag] = true
			if !slices.Contains(platforms[of], s.Platform) {
				platforms[of] = append(platforms[of], s.Platform)
			}
			if len(versions[of]) > 1 && (best == line{} || v.Compare(highest) > 0) {
				best, highest = of, v
			}
		}
	}
	if best == (line{}) {
		return ""
	}
	var names []string
	for _, p := range slices.SortedFunc(slices.Values(platforms[best]), config.Platform.Compare) {
		names = append(names, p.Short())
	}
	return fmt.Sprintf("# To follow new versions without an edit:\n#   %s: {newest: \"%s.x\", tags: %q} with policies: {platforms: [%s]}\n",
		best.major, best.major, best.pattern, strings.Join(names, ", "))
}

// everywhere returns the platforms that all aliases have, as a list in
// images.yaml.
func everywhere(d reconcile.Draft) string {
	var common []string
	for _, p := range d.Summary(d.Aliases[0].Tag).Platforms {
		p = p.WithoutRevision()
		in := 0
		for _, a := range d.Aliases {
			for _, q := range d.Summary(a.Tag).Platforms {
				if q.Is(p) {
					in++
					break
				}
			}
		}
		if _, err := config.ParsePlatform(p.String()); err == nil && (p.OSVersion == "" || p.OS == "windows") && in == len(d.Aliases) {
			common = append(common, p.Short())
		}
	}
	return strings.Join(common, ", ")
}

// sources returns the sources of an alias on one line.
func sources(d reconcile.Draft, a config.Alias) string {
	if a.Sources[0].Platform == (config.Platform{}) {
		return source(d, a.Sources[0])
	}
	parts := make([]string, len(a.Sources))
	for i, s := range a.Sources {
		parts[i] = s.Platform.Short() + ": " + source(d, s)
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

func source(d reconcile.Draft, s config.Source) string {
	if s.Tag == "absent" { // without a platform, it would mean an absent alias
		return scalar(name(d.Repository) + ":absent")
	}
	return scalar(s.Text)
}

// scalar quotes text that YAML would not read as a string: tags that mean null,
// and an IPv6 address, which looks like a list.
func scalar(text string) string {
	switch {
	case text == "null", text == "Null", text == "NULL", strings.HasPrefix(text, "["):
		return `"` + text + `"`
	}
	return text
}

// name returns the name of a repository as images.yaml writes it below its
// registry.
func name(r config.Repository) string {
	if same, err := config.ParseRepository(r.Path, r.Host); err == nil && same == r {
		return r.Path
	}
	return r.String()
}

func about(t reconcile.TagSummary) string {
	names := make([]string, len(t.Platforms))
	for i, p := range t.Platforms {
		names[i] = Printable(p.String())
	}
	text := cmp.Or(strings.Join(names, ", "), "no image")
	if t.Attestations > 0 {
		text += ", " + Count(t.Attestations, "attestation")
	}
	return text
}
