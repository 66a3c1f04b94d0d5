package compose

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/template"
	"github.com/compose-spec/compose-go/v2/types"
	"gopkg.in/yaml.v3"

	"tagline/config"
	"tagline/config/findings"
)

// text is what a scalar stands for.
func (p *project) text(s *scope, n *yaml.Node) Text {
	t, err := p.substitute(n.Value, s.env.Resolve)
	if err != nil {
		p.report(s.pos(n), findings.InvalidCompose, "%v", err)
	}
	t.Pos = s.pos(n)
	return t
}

var unsetMark = regexp.MustCompile("\x00([^\x00]*)\x00")

// substitute puts the variables' values into a text. What is not set and has
// no default is a mark in the text's marked form.
func (p *project) substitute(text string, lookup template.Mapping) (Text, error) {
	t := Text{Written: text, Value: text, marked: text}
	if !strings.Contains(text, "$") || !p.spend(cost(text)) {
		return t, nil
	}
	has := func(name, operator string) bool { return strings.Contains(text, "${"+name+operator) }
	marked, err := template.Substitute(text, func(name string) (string, bool) {
		value, ok := p.counted(name, lookup)
		t.Hidden = t.Hidden || value != ""
		required := has(name, "?") && !ok || has(name, ":?") && value == ""
		if !required && (ok || has(name, "+") || has(name, ":+")) { // ${X:+text} is nothing where X is not set, and means it
			return value, ok
		}
		return "\x00" + name + "\x00", required
	})
	if invalid := (*template.InvalidTemplateError)(nil); errors.As(err, &invalid) {
		return Text{}, fmt.Errorf("%q has a variable that is none; write ${NAME}, or $$ for a dollar sign", text)
	} else if err != nil {
		return Text{}, fmt.Errorf("%q: %w", text, err)
	}
	for _, mark := range unsetMark.FindAllStringSubmatch(marked, -1) {
		t.Unset = append(t.Unset, mark[1])
	}
	slices.Sort(t.Unset)
	t.Unset = slices.Compact(t.Unset)
	t.marked, t.Value = marked, unsetMark.ReplaceAllString(marked, "")
	return t, nil
}

// cost is the work of putting variables into a text. compose-go reads the rest of
// the text again for each variable, and dotenv makes a dollar sign of "\0044".
func cost(text string) int {
	variables := strings.Count(text, "$") + strings.Count(text, `\`)
	return 1 + len(text)*min(variables, 1000)/bytesOfWork
}

// counted looks a variable up. Without a bound a .env file of a few lines, each of
// them twice the one before, would fill any memory.
func (p *project) counted(name string, lookup template.Mapping) (string, bool) {
	value, ok := lookup(name)
	if !p.spend(1 + len(value)/bytesOfWork) {
		return "", true
	}
	return value, ok
}

// defaultEnv is the .env file of a folder, if it has one.
func (p *project) defaultEnv(folder string) []string {
	path := filepath.Join(folder, ".env")
	if info, err := p.root.Stat(path); errors.Is(err, fs.ErrNotExist) || err == nil && info.IsDir() {
		return nil
	}
	return []string{path}
}

// withEnv returns variables with those of files, which override none of them.
func (p *project) withEnv(env types.Mapping, files []string) types.Mapping {
	found := types.Mapping{}
	for _, path := range files {
		p.readEnv(path, env, found)
	}
	all := env.Clone()
	all.Merge(found)
	return all
}

// readEnv adds the variables of a file to those found before. Each statement is
// parsed by itself, so that what it refers to is looked up here, and counted.
func (p *project) readEnv(path string, env, found types.Mapping) {
	data, ok := p.read(path)
	if !ok {
		return
	}
	lookup := func(name string) (string, bool) {
		if value, ok := env[name]; ok {
			return value, true
		}
		value, ok := found[name]
		return value, ok
	}
	content := strings.TrimPrefix(strings.ReplaceAll(string(data), "\r\n", "\n"), "\ufeff")
	at := config.Pos{File: p.shown(path), Line: 1, Column: 1}
	statement := ""
	lines := strings.Split(content, "\n")
	for i, line := range lines {
		statement += line + "\n"
		if !p.spend(cost(statement) + len(statement)/bytesOfWork) {
			return
		}
		set, err := p.parse(statement, lookup)
		if err != nil && strings.Contains(err.Error(), "unterminated quoted value") && i+1 < len(lines) {
			continue
		}
		if err != nil {
			p.report(at, findings.InvalidCompose, "not a valid line of variables; expected NAME=value")
			return
		}
		maps.Copy(found, set)
		statement, at.Line = "", i+2
	}
}

// parse returns the variables of a statement. There may be several, and dotenv would
// use the values of the first ones in the others without a bound. So those are empty
// there, unless they are known from elsewhere.
func (p *project) parse(statement string, lookup template.Mapping) (set map[string]string, err error) {
	if strings.ContainsAny(statement, "=:") {
		set, err = dotenv.ParseWithLookup(strings.NewReader(statement), func(name string) (string, bool) {
			value, _ := p.counted(name, lookup)
			return value, true
		})
		if err != nil {
			return nil, err
		}
	}
	own := set
	return dotenv.ParseWithLookup(strings.NewReader(statement), func(name string) (string, bool) {
		value, ok := p.counted(name, lookup)
		_, is := own[name]
		return value, ok || is
	})
}
