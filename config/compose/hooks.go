package compose

import (
	"errors"
	"maps"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/interpolation"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/template"
	"github.com/compose-spec/compose-go/v2/tree"
	"github.com/compose-spec/compose-go/v2/types"

	"tagline/config"
	"tagline/config/findings"
)

// interpolation gives compose-go our substitution of variables, and hooks at the
// paths whose values matter here.
func (p *project) interpolation(lookup interpolation.LookupValue) *interpolation.Options {
	casts := maps.Clone(loader.ToOptions(&types.ConfigDetails{}, nil).Interpolate.TypeCastMapping)
	for path, cast := range casts {
		casts[path] = p.lenient(cast)
	}
	for path, cast := range map[tree.Path]interpolation.Cast{
		"services.*.image":             p.mark,
		"services.*.platform":          p.mark,
		"services.*.build.tags.[]":     p.mark,
		"services.*.ports.[]":          p.portsOf,
		"jobs.*.ports.[]":              p.portsOf,
		"services.*.extends.file":      p.follow("extends"),
		"jobs.*.extends.file":          p.follow("extends"),
		"include.[]":                   p.follow("path"),
		"include.[].path":              p.follow("path"),
		"include.[].path.[]":           p.follow("path"),
		"include.[].project_directory": p.follow("project_directory"),
		"include.[].env_file":          p.follow("env_file"),
		"include.[].env_file.[]":       p.follow("env_file"),
	} {
		casts[path] = cast
	}
	return &interpolation.Options{LookupValue: lookup, TypeCastMapping: casts, Substitute: func(text string, lookup template.Mapping) (string, error) {
		p.settle(p.level)
		t, err := p.substitute(text, lookup)
		if err != nil {
			return "", p.fail(text, findings.InvalidCompose, "%v", err)
		}
		p.last, p.lookup = t, lookup
		return t.Value, nil
	}}
}

// fail reports a problem of a text of some file.
func (p *project) fail(text string, id findings.ID, format string, args ...any) error {
	p.report(p.where(text), id, format, args...)
	return errRefused
}

// where is the first place of a text in the project's files.
func (p *project) where(text string) config.Pos {
	for _, s := range p.order {
		if n := s.texts[text]; n != nil {
			return s.pos(n)
		}
	}
	return config.Pos{File: p.given[0]}
}

// mark adds to an image, a platform or a tag of a build a number that stays with it while
// compose-go merges files, and that tells what the value was made of.
func (p *project) mark(value string) (any, error) {
	if p.last.Written == "" {
		return value, nil
	}
	p.texts = append(p.texts, p.last)
	return value + "\x00" + strconv.Itoa(len(p.texts)-1), nil
}

// unmark returns the text that a marked value was made of, with its place.
func (p *project) unmark(service, part, value string) Text {
	i, err := strconv.Atoi(value[strings.LastIndexByte(value, 0)+1:])
	if err != nil || i >= len(p.texts) {
		return Text{}
	}
	t := p.texts[i]
	t.Pos = p.place(service, t.Written, strings.Split(part, ".")...)
	return t
}

// lenient lets a variable without a value pass where a number or a boolean is
// wanted: the check may run where only the images' variables are set.
func (p *project) lenient(cast interpolation.Cast) interpolation.Cast {
	return func(value string) (any, error) {
		v, err := cast(value)
		for _, other := range []string{"0", "false"} {
			if err != nil && len(p.last.Unset) > 0 {
				v, err = cast(other)
			}
		}
		switch {
		case err == nil:
			return v, nil
		case p.last.Hidden:
			err = errors.New("not of the type that is expected here, with the variables as they are set")
		case errors.Is(err, strconv.ErrSyntax), errors.Is(err, strconv.ErrRange):
			err = errors.New("expected a number")
		}
		return nil, p.fail(p.last.Written, findings.InvalidCompose, "%s: %v", p.last.shown(), err)
	}
}
