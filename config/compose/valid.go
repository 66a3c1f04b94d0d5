package compose

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/interpolation"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/template"
	"github.com/compose-spec/compose-go/v2/tree"
	"github.com/compose-spec/compose-go/v2/types"
	"gopkg.in/yaml.v3"

	"tagline/config"
	"tagline/config/findings"
)

// maxProblems is how many problems of one project are told.
const maxProblems = 20

// part is a value of a document, small enough for one problem.
type part struct {
	path   []string
	value  any
	hidden bool // it has something of the process environment in it
}

// valid reports whether compose-go takes a document, or some services of it.
func (p *project) valid(s *scope, root *yaml.Node) bool {
	before := len(p.errs)
	var parts []part
	for key, value := range pairs(root) {
		if key.Value != "include" || items(value) != nil {
			parts = p.split(s, parts, value, key.Value)
		}
	}
	if len(p.errs) == before {
		p.blame(s, root, parts)
	}
	return len(p.errs) == before
}

// split adds the parts of a value: each key of a service, each other resource.
func (p *project) split(s *scope, parts []part, n *yaml.Node, path ...string) []part {
	depth := map[string]int{"services": 3, "jobs": 2, "networks": 2, "volumes": 2, "configs": 2, "secrets": 2, "models": 2}[path[0]]
	if len(path) < depth && len(n.Content) > 0 && n.Kind == yaml.MappingNode {
		for key, value := range pairs(n) {
			parts = p.split(s, parts, value, slices.Concat(path, []string{key.Value})...)
		}
		return parts
	}
	if n.Tag == "!reset" {
		return parts
	}
	p.revealed = false
	value := p.decode(s, n, tree.NewPath(path...))
	return append(parts, part{path, value, p.revealed})
}

// blame finds the parts that compose-go does not take, by halves.
func (p *project) blame(s *scope, root *yaml.Node, parts []part) {
	dict := map[string]any{}
	for _, part := range parts {
		at, last := dict, len(part.path)-1
		for _, key := range part.path[:last] {
			if at[key] == nil {
				at[key] = map[string]any{}
			}
			at = at[key].(map[string]any)
		}
		at[part.path[last]] = part.value
	}
	err := try(types.ConfigFile{Filename: s.shown, Config: dict})
	switch half := len(parts) / 2; {
	case err == nil, len(parts) == 0, len(p.errs) > maxProblems, later.MatchString(err.Error()) && half == 0:
		return
	case half > 0:
		p.blame(s, root, parts[:half])
		p.blame(s, root, parts[half:])
		return
	}
	said := strings.ReplaceAll(strings.Join(strings.Fields(err.Error()), " "), "validating "+s.shown+": ", "")
	in, _, _ := strings.Cut(said, " ")
	if m := unknownKey.FindStringSubmatch(said); m != nil {
		in = strings.TrimPrefix(m[1]+"."+m[2]+m[3], ".")
		said = fmt.Sprintf("%s is not a key of %s", quote(m[2]+m[3]), cmp.Or(m[1], "a compose file"))
	}
	path := parts[0].path
	if parts[0].hidden {
		in = strings.Join(path, ".")
		said = "docker compose refuses " + in + ", with the variables as they are set"
	}
	p.report(s.pos(deepest(root, path, in)), findings.InvalidCompose, "%s", said)
}

// deepest is the node at the end of a path, as far as it is in another one,
// which has dots.
func deepest(n *yaml.Node, path []string, dotted string) *yaml.Node {
	at := n
	if rest, ok := strings.CutPrefix(dotted, strings.Join(path, ".")+"."); ok {
		path = append(slices.Clone(path), strings.Split(rest, ".")...)
	} else if !strings.HasPrefix(dotted, path[0]) {
		dotted = strings.Join(path, ".")
	}
	for i, name := range path {
		if !strings.HasPrefix(dotted+".", strings.Join(path[:i+1], ".")+".") {
			break
		}
		key, value := entry(n, name)
		if index, err := strconv.Atoi(name); err == nil && key == nil && index < len(items(n)) {
			key, value = items(n)[index], items(n)[index]
		}
		if key == nil {
			break
		}
		at, n = key, value
	}
	return at
}

var (
	unknownKey = regexp.MustCompile(`^(.*?)(?:^| |\.)(?:additional properties '([^']+)'.* not allowed|([^.]+) false schema)$`)
	later      = regexp.MustCompile(`missing propert|must be set$`) // another file of the project may add it
)

// try has compose-go load a file by itself, without the files that it names.
func try(file types.ConfigFile) (err error) {
	defer func() {
		// compose-go asserts types that its schema check would refuse later.
		if r := recover(); r != nil {
			err = fmt.Errorf("compose-go can't read this: %v", r)
		}
	}()
	_, err = loader.LoadWithContext(context.Background(), types.ConfigDetails{ConfigFiles: []types.ConfigFile{file}}, func(o *loader.Options) {
		o.SetProjectName("project", true)
		o.Interpolate = &interpolation.Options{Substitute: func(text string, _ template.Mapping) (string, error) { return text, nil }}
		o.ResolvePaths = false
		o.SkipInclude, o.SkipExtends, o.SkipNormalization, o.SkipConsistencyCheck = true, true, true, true
		o.SkipResolveEnvironment, o.SkipResolveLabels = true, true
	})
	return err
}

var casts = loader.ToOptions(&types.ConfigDetails{}, nil).Interpolate.TypeCastMapping

// decode returns a value with the variables' values, of the type that its place
// asks for.
func (p *project) decode(s *scope, n *yaml.Node, path tree.Path) any {
	switch n.Kind {
	case yaml.MappingNode:
		dict := map[string]any{}
		for key, value := range pairs(n) {
			if value.Tag != "!reset" {
				dict[key.Value] = p.decode(s, value, path.Next(key.Value))
			}
		}
		return dict
	case yaml.SequenceNode:
		list := []any{}
		for _, item := range n.Content {
			if value := p.decode(s, item, path.Next(tree.PathMatchList)); value != nil || item.ShortTag() == "!!null" {
				list = append(list, value)
			}
		}
		return list
	}
	plain := *n
	if isTagged(n) {
		plain.Tag = ""
	}
	if plain.ShortTag() != "!!str" {
		var value any
		if err := plain.Decode(&value); err != nil {
			p.report(s.pos(n), findings.InvalidCompose, "%s is not a value of type %s", quote(n.Value), n.Tag)
		}
		return value
	}
	t := p.text(s, n)
	if strings.HasSuffix(string(path), ".ports.[]") && strings.Contains(t.Value, "-") {
		return nil // compose-go would make a map of each port
	}
	for pattern, cast := range casts {
		if path.Matches(pattern) {
			return p.cast(t, cast)
		}
	}
	return t.Value
}

// cast makes a text a number or a boolean. A variable without a value passes:
// the check may run where only the images' variables are set.
func (p *project) cast(t Text, cast interpolation.Cast) any {
	value, err := cast(t.Value)
	for _, other := range []string{"0", "false"} {
		if err != nil && len(t.Unset) > 0 {
			value, err = cast(other)
		}
	}
	switch {
	case err == nil:
		return value
	case t.Hidden:
		err = errors.New("not of the type that is expected here, with the variables as they are set")
	case errors.Is(err, strconv.ErrSyntax), errors.Is(err, strconv.ErrRange):
		err = errors.New("expected a number")
	}
	p.report(t.Pos, findings.InvalidCompose, "%s: %v", t.shown(), err)
	return nil
}

// text is what a scalar stands for.
func (p *project) text(s *scope, n *yaml.Node) Text {
	t, err := p.substitute(n.Value, s.env.Resolve)
	if err != nil {
		p.report(s.pos(n), findings.InvalidCompose, "%v", err)
	}
	t.Pos = s.pos(n)
	return t
}

// together makes one error of several, in the order of their places.
func together(errs []error) error {
	var findings []*config.Finding
	var others []error
	for _, err := range errs {
		if f, ok := err.(*config.Finding); ok { //nolint:errorlint // what is joined or wrapped is printed as it is
			findings = append(findings, f)
		} else {
			others = append(others, err)
		}
	}
	if findings = sorted(findings); len(findings) > maxProblems {
		findings[maxProblems].Message = fmt.Sprintf("and %d more problems", len(findings)-maxProblems)
		findings = findings[:maxProblems+1]
	}
	for _, f := range findings {
		others = append(others, f)
	}
	return errors.Join(others...)
}
