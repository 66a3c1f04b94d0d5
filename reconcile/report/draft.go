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

// Drafts writes an images.yaml, with comments on other tags. There is at least one
// draft, and none is empty.
func Drafts(w io.Writer, drafts []reconcile.Draft) error {
	var b strings.Builder
	host := drafts[0].Repository.Host
	if len(drafts) > 1 {
		fmt.Fprintf(&b, "registry: %s\n\nimages:\n%s", config.Scalar(host), indented(DraftEntries(drafts, host, false), 2))
	} else {
		d := drafts[0]
		counts(&b, d)
		fmt.Fprintf(&b, "registry: %s\n\n", config.Scalar(host))
		if common := everywhere(d); common != "" {
			fmt.Fprintf(&b, "# Every alias below has these. To keep it so, take the # away:\n# policies: {platforms: [%s]}\n\n", common)
		}
		hints(&b, d)
		fmt.Fprintf(&b, "images:\n%s", indented(entry(d, host, false, true), 2))
		suggested(&b, d)
		several(&b, d)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// DraftEntries returns what an images.yaml whose registry is host has below its images
// for the drafts, without indentation. With explicit, an image whose aliases are in
// sync says under which policies they are, whatever the file's own are.
func DraftEntries(drafts []reconcile.Draft, host string, explicit bool) string {
	var parts []string
	for _, d := range drafts {
		var b strings.Builder
		counts(&b, d)
		suggested(&b, d)
		hints(&b, d)
		comments := strings.ReplaceAll(strings.TrimSpace(b.String()), "\n\n", "\n")
		parts = append(parts, comments+"\n"+entry(d, host, explicit, false))
	}
	return strings.Join(parts, "\n")
}

// indented adds spaces in front of each line that is not empty.
func indented(text string, spaces int) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if line != "\n" {
			b.WriteString(strings.Repeat(" ", spaces))
		}
		b.WriteString(line)
	}
	return b.String()
}

// counts says what a repository has, and what could not be read.
func counts(b *strings.Builder, d reconcile.Draft) {
	several, attested, attestations := 0, 0, 0
	for _, t := range d.Tags {
		if len(t.Platforms) > 1 {
			several++
		}
		if attestations += t.Attestations; t.Attestations > 0 {
			attested++
		}
	}
	fmt.Fprintf(b, "# %s has %s: %d with several platforms, %d with attestations (%s).\n",
		Printable(d.Repository.String()), Count(len(d.Tags), "tag"), several, attested, Count(attestations, "manifest"))
	unread := 0
	for _, t := range d.Tags {
		if t.Err == nil {
			continue
		}
		if unread++; unread <= maxListed {
			fmt.Fprintf(b, "# Could not be read: %s: %s\n", t.Tag, Printable(registry.Line(t.Err)))
		}
	}
	more(b, unread)
}

// suggested comments on aliases that the file could have, and on tags that are one image.
func suggested(b *strings.Builder, d reconcile.Draft) {
	if len(d.Aliases) > 0 {
		comments(b, d, d.Near, "These have the images of other tags too, in an index of their own. As aliases\n# they would be written anew, with another digest")
		comments(b, d, d.New, "These would be new. The names of the tags suggest them")
	}
	if len(d.Same) > 0 {
		b.WriteString("\n# These are one image under several names. The registry does not tell which\n# name should follow which:\n")
		for _, tags := range d.Same[:min(maxListed, len(d.Same))] {
			fmt.Fprintf(b, "#   %s\n", strings.Join(tags, ", "))
		}
		more(b, len(d.Same))
	}
}

// several lists tags of several platforms that are no alias.
func several(b *strings.Builder, d reconcile.Draft) {
	written := d.Written()
	listed := slices.DeleteFunc(slices.Clone(d.Tags), func(t reconcile.TagSummary) bool {
		return len(t.Platforms) < 2 || slices.ContainsFunc(written, func(a config.Alias) bool { return a.Tag == t.Tag })
	})
	if len(listed) == 0 {
		return
	}
	b.WriteString("\n# Other tags of several platforms:\n")
	for _, t := range listed[:min(maxListed, len(listed))] {
		fmt.Fprintf(b, "#   %s: %s\n", t.Tag, about(t))
	}
	more(b, len(listed))
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
		fmt.Fprintf(b, "#   %s: %s\n", config.Scalar(a.Tag), sources(d, a))
	}
	more(b, len(aliases))
}

// hints say how far the file is from the registry, and what else it could say.
func hints(b *strings.Builder, d reconcile.Draft) {
	if len(d.Aliases) == 0 {
		b.WriteString("# No tag is an alias as it stands. The names of the tags suggest these aliases, and\n# tagline apply would push them. See what tagline apply --dry-run says of them.\n")
		if text := cmp.Or(patterned(d), newest(d, d.New)); text != "" {
			fmt.Fprintf(b, "# To follow new versions without an edit:\n#   %s\n", text)
		}
		return
	}
	if text := cmp.Or(newest(d, d.Aliases), newest(d, d.New)); text != "" {
		fmt.Fprintf(b, "# To follow new versions without an edit; tagline apply --dry-run says what moves then:\n#   %s\n\n", text)
	}
}

// entry returns an image with its aliases, as a file has it whose registry is host. With
// alone, it is the only one, and comments on platforms stand at the top of the file.
func entry(d reconcile.Draft, host string, explicit, alone bool) string {
	var b strings.Builder
	inSync := len(d.Aliases) > 0
	fmt.Fprintf(&b, "%s:\n", config.Scalar(name(d.Repository, host)))
	var settings []string
	for _, of := range []string{policies.Companions.Name, policies.Provenance.Name} {
		if slices.Contains(d.Dropped, of) {
			settings = append(settings, of+": drop")
		} else if explicit && inSync {
			settings = append(settings, of+": keep")
		}
	}
	if len(settings) > 0 {
		fmt.Fprintf(&b, "  policies: {%s}", strings.Join(settings, ", "))
		if len(d.Dropped) > 0 {
			what := strings.ReplaceAll(strings.Join(d.Dropped, " and "), policies.Provenance.Name, "attestations")
			fmt.Fprintf(&b, "  # the aliases are without the %s of their sources", what)
		}
		b.WriteString("\n")
	}
	switch common := everywhere(d); {
	case alone || common == "":
	case len(settings) > 0:
		fmt.Fprintf(&b, "  # Every alias has these. To keep it so, add them to policies: platforms: [%s]\n", common)
	default:
		fmt.Fprintf(&b, "  # Every alias has these. To keep it so, take the # away:\n  # policies: {platforms: [%s]}\n", common)
	}
	b.WriteString("  aliases:\n")
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
		fmt.Fprintf(&b, "    %s: %s  # %s\n", config.Scalar(a.Tag), sources(d, a), note)
	}
	return b.String()
}

// newest says how the highest alias such as 10 or v10-alpine, of those that are in
// sync or of the new ones, follows versions by itself, "" if there is no such alias.
// An alias of an alias can't: tags that images.yaml manages are no versions to follow.
func newest(d reconcile.Draft, aliases []config.Alias) string {
	managed := map[string]bool{}
	for _, a := range aliases {
		managed[a.Tag] = true
	}
	for _, a := range slices.Backward(aliases) {
		number, variant, _ := strings.Cut(strings.TrimPrefix(a.Tag, "v"), "-")
		_, err := strconv.ParseUint(number, 10, 32)
		if err != nil || slices.ContainsFunc(a.Sources, func(s config.Source) bool {
			return managed[s.Tag] || s.Repository != d.Repository || !strings.HasPrefix(strings.TrimPrefix(s.Tag, "v"), number+".")
		}) {
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
		return text
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
	return fmt.Sprintf("%s: {newest: \"%s.x\", tags: %q} with policies: {platforms: [%s]}",
		best.major, best.major, best.pattern, strings.Join(names, ", "))
}

// everywhere returns the platforms that all aliases in sync have, as a list in
// images.yaml.
func everywhere(d reconcile.Draft) string {
	if len(d.Aliases) == 0 {
		return ""
	}
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
		parts[i] = config.Scalar(s.Platform.Short()) + ": " + source(d, s)
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

func source(d reconcile.Draft, s config.Source) string {
	if s.Tag == "absent" { // without a platform, it would mean an absent alias
		return config.Scalar(d.Repository.String() + ":absent")
	}
	return config.Scalar(s.Text)
}

// name returns the name of a repository as images.yaml writes it below a registry.
func name(r config.Repository, host string) string {
	if same, err := config.ParseRepository(r.Path, host); err == nil && same == r {
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
