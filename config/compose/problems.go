package compose

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

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

// problems returns the findings of the project, or gives the error of compose-go
// its place.
func (p *project) problems(err error) error {
	if len(p.errs) > 0 {
		return together(p.errs)
	}
	if p.revealed {
		// What compose-go says with other values has no secret in it.
		masked := map[string]string{}
		for name := range p.process {
			masked[name] = "x"
		}
		again := newProject(p.root, p.dir, p.given, masked)
		if _, same := again.load(); same == nil || same.Error() != err.Error() {
			return errorf(config.Pos{File: p.given[0]}, findings.InvalidCompose, "docker compose refuses this project, with the variables as they are set")
		}
	}
	return p.guess(err.Error())
}

var (
	marks       = regexp.MustCompile(`(\x00|\\x00|\\u0000)\d+`)
	serviceName = regexp.MustCompile(`(?:services?[. \[]"?|Circular reference: )([A-Za-z0-9_-]+)`)
	valuePath   = regexp.MustCompile(`services\.[^ :]+`)
	unknownKey  = regexp.MustCompile(`^(.*?)(?:^| |\.)(?:additional properties '([^']+)'.* not allowed|([^.]+) false schema)$`)
)

// guess finds the place of a problem by the file and the service in its message.
func (p *project) guess(said string) error {
	files := slices.Clone(p.order)
	for i, s := range files {
		if full := p.full(s.path); strings.Contains(said, full) {
			files[0], files[i] = files[i], files[0]
			said = strings.NewReplacer("validating "+full+": ", "", full, s.shown).Replace(said)
			break
		}
	}
	said = strings.ReplaceAll(said, p.dir+string(filepath.Separator), "")
	said = marks.ReplaceAllString(strings.Join(strings.Fields(said), " "), "")
	first, _, _ := strings.Cut(said, " ")
	path := strings.Split(cmp.Or(valuePath.FindString(said), first), ".")
	if m := unknownKey.FindStringSubmatch(said); m != nil {
		path = append(strings.Split(m[1], "."), m[2]+m[3])
		said = fmt.Sprintf("%s is not a key of %s", quote(m[2]+m[3]), cmp.Or(m[1], "a compose file"))
	} else if m := serviceName.FindStringSubmatch(said); m != nil && path[0] != "services" {
		path = []string{"services", m[1]}
	}
	if path[0] == "" {
		path = path[1:]
	}
	pos, most := config.Pos{File: files[0].shown}, 0
	try := func(path []string) {
		for _, s := range files {
			for _, d := range s.documents {
				if n, depth := deepest(d.root, path); depth > most {
					pos, most = s.pos(n), depth
				}
			}
		}
	}
	if try(path); len(path) > 2 && path[0] == "services" {
		for _, name := range p.bases(path[1]) {
			path[1] = name
			try(path)
		}
	}
	return errorf(pos, findings.InvalidCompose, "%s", said)
}

// deepest is the node that a path leads to, and how far it does.
func deepest(n *yaml.Node, path []string) (at *yaml.Node, depth int) {
	for _, part := range path {
		key, value := entry(n, part)
		if i, err := strconv.Atoi(part); err == nil && key == nil && i < len(items(n)) {
			key, value = items(n)[i], items(n)[i]
		}
		if key == nil {
			break
		}
		at, n, depth = key, value, depth+1
	}
	return at, depth
}

// bases are the names of a service and of those that it extends.
func (p *project) bases(name string) []string {
	names := []string{name}
	for i := 0; i < len(names) && len(names) <= maxDepth; i++ {
		for _, s := range p.order {
			for _, d := range s.documents {
				if base, _ := base(d.services[names[i]].value); base != "" && !slices.Contains(names, base) {
					names = append(names, base)
				}
			}
		}
	}
	return names
}

// place is where a marked value of a service is written: below the keys of path,
// alone or in a list. The mark tells what is written, and the services that it
// extends where.
func (p *project) place(name, written string, path ...string) config.Pos {
	for _, name := range p.bases(name) {
		for _, s := range p.order {
			for _, d := range slices.Backward(s.documents) {
				n := d.services[name].value
				for _, key := range path {
					n = child(n, key)
				}
				for _, n := range items(n) {
					if target(n).Value == written {
						return s.pos(target(n))
					}
				}
			}
		}
	}
	return p.where(written)
}
