package config

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// WriteEffective writes what a configuration comes to: an images.yaml without
// profiles, where each image has its policies and aliases itself. A comment on
// each line says where it is from. A default stands in a comment as a whole,
// since some policies mean more where they are written out.
//
// Parse reads it as the same images, unless it is larger than MaxBytes.
func (c *Config) WriteEffective(to io.Writer, policies []PolicyKey) error {
	w := bufio.NewWriter(to)
	var top lines
	if c.Registry != "" {
		top.add(0, "registry: "+Scalar(c.Registry), origin(c.HostPos, ""))
	}
	if len(c.Registries) > 0 {
		top.add(0, "registries:", "")
		for _, host := range slices.Sorted(maps.Keys(c.Registries)) {
			top.add(1, Scalar(host)+": "+c.Registries[host].yaml(), origin(c.registriesAt[host], ""))
		}
	}
	top.add(0, "images:", "")
	top.write(w)
	for _, image := range c.Images {
		var of lines
		of.add(1, Scalar(image.Name)+":", origin(image.Pos, ""))
		of.policies(image.Policies, policies, c.Locked)
		if len(image.Aliases) > 0 {
			of.add(2, "aliases:", "")
		}
		for _, alias := range image.Aliases {
			of.alias(alias)
		}
		of.write(w)
	}
	return w.Flush()
}

// lines are those of one image, or of what is before the images.
type lines []line

type line struct{ text, comment string }

func (l *lines) add(depth int, text, comment string) {
	*l = append(*l, line{strings.Repeat("  ", depth) + text, comment})
}

// widest is where comments stand at most. Behind a longer line, they follow it.
const widest = 48

func (l lines) write(w *bufio.Writer) {
	width := 0
	for _, each := range l {
		if n := len(each.text); n <= widest {
			width = max(width, n)
		}
	}
	for _, each := range l {
		if each.comment != "" {
			each.text = fmt.Sprintf("%-*s  # %s", width, each.text, each.comment)
		}
		_, _ = w.WriteString(each.text + "\n") // Flush has the error
	}
}

func (l *lines) policies(all Settings, keys []PolicyKey, locked map[string]Pos) {
	written := func(key PolicyKey) bool { return all[key.Name].Pos.Line > 0 }
	if slices.ContainsFunc(keys, written) {
		l.add(2, "policies:", "")
	} else {
		l.add(2, "# policies:", "") // so that it can be uncommented with what follows
	}
	for _, key := range keys {
		s := all[key.Name]
		value := Scalar(s.Value)
		if key.Kind == PlatformList {
			var names []string
			for _, p := range s.Platforms {
				names = append(names, Scalar(p.Short()))
			}
			if value = "[" + strings.Join(names, ", ") + "]"; len(names) == 0 {
				value = "none"
			}
		}
		text, from := "# "+key.Name+": "+value, "default"
		if written(key) {
			text, from = key.Name+": "+value, origin(s.Pos, s.Profile)
		}
		if at, ok := locked[key.Name]; ok {
			from += ", locked by " + origin(at, "")
		}
		l.add(3, text, from)
	}
}

func (l *lines) alias(alias Alias) {
	key := Scalar(alias.Tag) + ":"
	from := origin(alias.Pos, alias.Profile)
	switch {
	case alias.Absent:
		l.add(3, key+" "+absent, from)
	case len(alias.Sources) == 1 && alias.Sources[0].Platform == Platform{}:
		l.add(3, key+" "+alias.Sources[0].yaml(), from)
	default:
		l.add(3, key, from)
		for _, s := range alias.Sources {
			l.add(4, Scalar(s.Platform.Short())+": "+s.yaml(), origin(s.Pos, alias.Profile))
		}
	}
}

// yaml returns what is said of a registry as images.yaml can spell it.
func (r Registry) yaml() string {
	var all []string
	for _, key := range []struct{ name, value string }{
		{"kind", string(r.Kind)}, {"aws-profile", r.AWSProfile}, {"role-arn", r.RoleARN}, {"external-id", r.ExternalID}, {"region", r.Region},
	} {
		if key.value != "" {
			all = append(all, key.name+": "+Scalar(key.value))
		}
	}
	if r.Concurrency > 0 {
		all = append(all, "concurrency: "+strconv.Itoa(r.Concurrency))
	}
	return "{" + strings.Join(all, ", ") + "}"
}

// yaml returns a source as images.yaml can spell it.
func (s Source) yaml() string {
	n := s.Newest
	if n == nil {
		return Scalar(s.Text)
	}
	text := "{newest: " + strconv.Quote(n.Range.Text)
	for _, key := range []struct{ name, value string }{
		{"tags", n.Tags.Text}, {"variant", n.Variant}, {"downgrade", n.Downgrade.Value},
	} {
		if key.value != "" {
			text += ", " + key.name + ": " + Scalar(key.value)
		}
	}
	if n.Prereleases {
		text += ", prereleases: true"
	}
	if n.Whole {
		text += ", whole: true"
	}
	if n.Calendar {
		text += ", versioning: calendar"
	}
	return text + "}"
}

// origin returns the comment for what is at a place.
func origin(pos Pos, profile string) string {
	text := pos.File
	if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		text = strconv.Quote(text)
	}
	if pos.Line > 0 {
		text += ":" + strconv.Itoa(pos.Line)
	}
	if profile != "" {
		text += ", profile " + profile
	}
	return text
}
