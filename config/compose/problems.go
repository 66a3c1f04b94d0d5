package compose

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/interpolation"
	"github.com/compose-spec/compose-go/v2/schema"
	"gopkg.in/yaml.v3"

	"tagline/config"
	"tagline/config/findings"
)

// maxProblems is how many problems of one project are told.
const maxProblems = 20

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

// problems gives the errors of compose-go their places.
//
// compose-go stops at the first value that its schema refuses, so each value is
// held against the schema again, alone.
func (p *project) problems(err error) error {
	var found []error
	for _, e := range leaves(err) {
		if m := (*misplaced)(nil); errors.As(e, &m) {
			found = append(found, errorf(p.where(m.text), m.id, "%s", m.message))
		}
	}
	if len(found) > 0 {
		return together(found)
	}
	said := err.Error()
	if p.revealed {
		if _, again := p.load(true); again == nil || again.Error() != said {
			return errorf(config.Pos{File: p.shown(p.main[0])}, findings.InvalidCompose, "docker compose refuses this project, with the variables as they are set")
		}
	}
	for _, s := range p.order {
		found = append(found, p.invalid(s)...)
	}
	if len(found) > 0 {
		return together(found)
	}
	return p.guess(said)
}

// leaves are the errors that one is made of.
func leaves(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error }) //nolint:errorlint // each level is looked into
	if !ok {
		return []error{err}
	}
	var all []error
	for _, each := range joined.Unwrap() {
		all = append(all, leaves(each)...)
	}
	return all
}

// invalid holds each key of a file, and each of a service, against the schema.
// Of a file that is extended only the services count that are used.
func (p *project) invalid(s *source) (found []error) {
	opts := p.interpolation(s.env.lookup)
	check := func(at *yaml.Node, value *yaml.Node, path ...string) bool {
		var model any
		if value != nil && value.Decode(&model) != nil {
			return true
		}
		for _, key := range slices.Backward(path) {
			model = map[string]any{key: model}
		}
		values, err := interpolation.Interpolate(model.(map[string]any), *opts)
		if err != nil {
			return true
		}
		if err := schema.Validate(values); err != nil {
			below, rest := "", err.Error()
			after, here := strings.CutPrefix(rest, strings.Join(path, "."))
			if here {
				below, rest, _ = strings.Cut(strings.TrimPrefix(after, "."), " ")
			}
			said := strings.Trim(strings.Join(path, ".")+"."+below, ".") + " " + rest
			if unsupported := (*json.UnsupportedTypeError)(nil); errors.As(err, &unsupported) {
				said = strings.Join(path, ".") + " has a key that isn't text; put it in quotes"
			} else if key := len(path) - 1; !here || rest == "false schema" { // it is about the parent: the key isn't in the schema
				said = fmt.Sprintf("%s is not a key of %s", quote(path[key]), cmp.Or(strings.Join(path[:key], "."), "a compose file"))
			}
			found = append(found, errorf(s.pos(deeper(at, value, below)), findings.InvalidCompose, "%s", unmarked(said)))
			return false
		}
		return true
	}
	for _, d := range s.documents {
		for _, each := range entries(d.root) {
			if name := target(each[0]).Value; !s.extended && (name != "services" || target(each[1]).Kind != yaml.MappingNode) {
				check(each[0], target(each[1]), name)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(d.services)) {
			service := d.services[name]
			empty := &yaml.Node{Kind: yaml.MappingNode}
			switch {
			case s.extended && !p.used[service.value], !check(service.key, empty, "services", name):
			case target(service.value).Kind != yaml.MappingNode:
				check(service.key, target(service.value), "services", name)
			default:
				for _, each := range entries(service.value) {
					check(each[0], target(each[1]), "services", name, target(each[0]).Value)
				}
			}
		}
	}
	return found
}

// deeper is the node of a path below a value, as far as it leads.
func deeper(at, value *yaml.Node, path string) *yaml.Node {
	for _, part := range strings.Split(path, ".") {
		if value == nil {
			break
		}
		value = target(value)
		i, err := strconv.Atoi(part)
		switch all := items(value); {
		case err == nil && i < len(all):
			at, value = all[i], all[i]
		case value.Kind == yaml.MappingNode:
			found := false
			for _, each := range entries(value) {
				if target(each[0]).Value == part {
					at, value, found = each[0], each[1], true
				}
			}
			if !found {
				return at
			}
		default:
			return at
		}
	}
	return at
}

var (
	marks       = regexp.MustCompile(`(\x00|\\x00|\\u0000)\d+`)
	serviceName = regexp.MustCompile(`services?[. \[]"?([A-Za-z0-9_-]+)`)
)

// unmarked takes the marks of images and platforms out of a message.
func unmarked(s string) string { return marks.ReplaceAllString(s, "") }

// guess finds the place of a problem by the file and the service in its
// message.
func (p *project) guess(said string) error {
	at := p.order[0]
	for _, s := range p.order {
		if strings.Contains(said, p.full(s.path)) {
			at = s
			said = strings.NewReplacer("validating "+p.full(s.path)+": ", "", p.full(s.path), s.shown).Replace(said)
			break
		}
	}
	said = strings.ReplaceAll(said, p.dir+string(filepath.Separator), "")
	pos := config.Pos{File: at.shown}
	if m := serviceName.FindStringSubmatch(said); m != nil {
		for _, s := range append([]*source{at}, p.order...) {
			for _, d := range s.documents {
				if service, ok := d.services[m[1]]; ok {
					return errorf(s.pos(service.key), findings.InvalidCompose, "%s", oneLine(said))
				}
			}
		}
	}
	return errorf(pos, findings.InvalidCompose, "%s", oneLine(said))
}

func oneLine(s string) string { return unmarked(strings.Join(strings.Fields(s), " ")) }

// where is the first place of a text in the project's files.
func (p *project) where(text string) config.Pos {
	for _, s := range p.order {
		for _, d := range s.documents {
			if n := find(d.root, text); n != nil {
				return s.pos(n)
			}
		}
	}
	return config.Pos{File: p.shown(p.main[0])}
}

func find(n *yaml.Node, text string) *yaml.Node {
	if n.Kind == yaml.ScalarNode && n.Value == text {
		return n
	}
	for _, each := range n.Content {
		if found := find(each, text); found != nil {
			return found
		}
	}
	return nil
}

// place is where the image or the platform of a service is written. Its mark
// tells what is written, and the services that it extends where.
func (p *project) place(name, part, written string) config.Pos {
	names := []string{name}
	for i := 0; i < len(names); i++ {
		for _, s := range p.order {
			for _, d := range slices.Backward(s.documents) {
				service, ok := d.services[names[i]]
				if !ok {
					continue
				}
				if n := child(service.value, part); n != nil && target(n).Value == written {
					return s.pos(target(n))
				}
				base := child(service.value, "extends")
				if base != nil && target(base).Kind == yaml.MappingNode {
					base = child(base, "service")
				}
				if base != nil && !slices.Contains(names, target(base).Value) && len(names) <= maxDepth {
					names = append(names, target(base).Value)
				}
			}
		}
	}
	return p.where(written)
}
