package compose

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/interpolation"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/template"
	"github.com/compose-spec/compose-go/v2/tree"
	"github.com/compose-spec/compose-go/v2/types"
	"gopkg.in/yaml.v3"

	"tagline/config/findings"
)

// part is a value of a document: a key of a service, or another resource. A problem
// that compose-go finds in it has the place of its key.
type part struct {
	path   []string
	key    *yaml.Node
	value  any
	hidden bool // it has the value of a variable in it
}

// valid reports whether compose-go takes a document, or the part of one at a path.
func (p *project) valid(s *scope, n *yaml.Node, path ...string) bool {
	if !p.spend(workOfFile) {
		return false
	}
	before := len(p.errs)
	parts := p.split(s, nil, n, n, path)
	if len(p.errs) == before {
		p.blame(s, parts)
	}
	return len(p.errs) == before
}

// split adds the parts of a value.
func (p *project) split(s *scope, parts []part, key, n *yaml.Node, path []string) []part {
	depth := 1
	if len(path) > 0 {
		depth = map[string]int{"services": 3, "jobs": 2, "networks": 2, "volumes": 2, "configs": 2, "secrets": 2, "models": 2}[path[0]]
	}
	if len(path) < depth && n.Kind == yaml.MappingNode && len(n.Content) > 0 {
		for key, value := range pairs(n) {
			parts = p.split(s, parts, key, value, slices.Concat(path, []string{key.Value}))
		}
		return parts
	}
	if len(path) == 0 || n.Tag == "!reset" || path[0] == "include" && items(n) == nil {
		return parts
	}
	added := part{path: path, key: key}
	added.value = p.decode(s, n, &added.hidden)
	return append(parts, added)
}

// blame finds the parts that compose-go does not take, by halves.
func (p *project) blame(s *scope, parts []part) {
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
	err := try(dict)
	switch half := len(parts) / 2; {
	case err == nil, len(p.errs) >= maxProblems:
	case half > 0:
		if p.spend(len(parts)) {
			p.blame(s, parts[:half])
			p.blame(s, parts[half:])
		}
	case len(parts) > 0 && !later.MatchString(err.Error()):
		p.refuse(s, parts[0], err)
	}
}

// later finds problems that another file of the project may solve.
var later = regexp.MustCompile(`missing propert|must be set$`)

// refuse reports a part that compose-go does not take.
func (p *project) refuse(s *scope, of part, err error) {
	said := strings.TrimPrefix(strings.Join(strings.Fields(err.Error()), " "), "validating "+documentName+": ")
	if at, unknown := strings.CutSuffix(said, " false schema"); unknown {
		dot := strings.LastIndexByte(at, '.')
		said = fmt.Sprintf("%q is not a key of %s", at[dot+1:], at[:max(dot, 0)])
	}
	if of.hidden {
		said = "docker compose refuses " + strings.Join(of.path, ".") + ", with the variables as they are set"
	}
	p.report(s.pos(of.key), findings.InvalidCompose, "%s", said)
}

// documentName is what compose-go calls a document. It opens no file of that name.
const documentName = "document"

// try has compose-go load a document by itself, without the files that it names.
func try(dict map[string]any) (err error) {
	defer func() {
		// compose-go asserts types that its schema check would refuse later.
		if r := recover(); r != nil {
			err = fmt.Errorf("compose-go can't read this: %v", r)
		}
	}()
	file := types.ConfigFile{Filename: documentName, Config: dict}
	_, err = loader.LoadWithContext(context.Background(), types.ConfigDetails{ConfigFiles: []types.ConfigFile{file}}, func(o *loader.Options) {
		o.SetProjectName("project", true)
		// Variables have their values already. This makes a copy, too: compose-go changes what it gets.
		o.Interpolate = &interpolation.Options{TypeCastMapping: casts, Substitute: func(text string, _ template.Mapping) (string, error) { return text, nil }}
		o.ResolvePaths = false
		o.SkipInclude, o.SkipExtends, o.SkipNormalization, o.SkipConsistencyCheck = true, true, true, true
		o.SkipResolveEnvironment, o.SkipResolveLabels = true, true
	})
	return err
}

// casts make numbers and booleans of texts, by their paths.
var casts = func() map[tree.Path]interpolation.Cast {
	all := map[tree.Path]interpolation.Cast{}
	for path, cast := range loader.ToOptions(&types.ConfigDetails{}, nil).Interpolate.TypeCastMapping {
		all[path] = func(text string) (any, error) {
			if text != "" {
				return cast(text)
			}
			// The check may run where only the variables of images are set.
			if zero, err := cast("0"); err == nil {
				return zero, nil
			}
			return cast("false")
		}
	}
	port := func(text string) (any, error) {
		if strings.Contains(text, "-") { // compose-go would make a map of each port of a range
			return "80", nil
		}
		return text, nil
	}
	all["services.*.ports.[]"], all["jobs.*.ports.[]"] = port, port
	return all
}()

// decode returns a value with the variables' values, and sets hidden if there are any.
func (p *project) decode(s *scope, n *yaml.Node, hidden *bool) any {
	switch n.Kind {
	case yaml.MappingNode:
		dict := map[string]any{}
		for key, value := range pairs(n) {
			if value.Tag != "!reset" {
				dict[key.Value] = p.decode(s, value, hidden)
			}
		}
		return dict
	case yaml.SequenceNode:
		list := []any{}
		for _, item := range n.Content {
			list = append(list, p.decode(s, item, hidden))
		}
		return list
	}
	plain := *n
	if isTagged(n) {
		plain.Tag = ""
	}
	var value any
	if plain.ShortTag() != "!!str" && plain.Decode(&value) == nil { // "!!bool maybe" is a text
		return value
	}
	t := p.text(s, n)
	*hidden = *hidden || t.Hidden
	return t.Value
}
