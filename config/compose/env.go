package compose

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/types"

	"tagline/config"
	"tagline/config/findings"
)

// readDefaultEnv reads the .env file of a folder, if it has one.
func (p *project) readDefaultEnv(folder string, env, found types.Mapping) {
	path := filepath.Join(folder, ".env")
	if info, err := p.root.Stat(path); errors.Is(err, fs.ErrNotExist) || err == nil && info.IsDir() {
		return
	}
	p.readEnv(path, env, found)
}

// readEnv adds the variables of a file to those found before. Each statement is
// parsed by itself, so that what it refers to is looked up here, and counted.
func (p *project) readEnv(path string, env, found types.Mapping) {
	data, problem := p.read(path, maxEnvBytes)
	if problem != nil {
		p.add(problem)
		return
	}
	content := strings.TrimPrefix(strings.ReplaceAll(string(data), "\r\n", "\n"), "\ufeff")
	statement, open := "", false
	at := config.Pos{File: p.shown(path), Line: 1, Column: 1}
	lines := strings.Split(content, "\n")
	if !p.spend(len(lines)) {
		return
	}
	for i, line := range lines {
		last := i+1 == len(lines)
		if statement += line + "\n"; open && !last && !strings.ContainsAny(line, `"'`) {
			continue
		}
		if err := p.check(statement); err != nil {
			p.report(at, findings.TooMuch, "%v", err)
			return
		}
		if strings.Count(statement, "$") > maxReferences && strings.ContainsAny(statement, `"'`) {
			p.report(at, findings.TooMuch, "line in quotes has more than %d variables", maxReferences)
			return
		}
		parsed, err := dotenv.ParseWithLookup(strings.NewReader(statement), func(name string) (string, bool) {
			value, ok := env[name]
			if !ok {
				value, ok = found[name]
			}
			p.spent += len(value) + 1
			return value, ok
		})
		if open = err != nil && strings.Contains(err.Error(), "unterminated quoted value"); open && !last {
			p.spent += len(statement) // it is parsed again
			continue
		}
		if err != nil {
			p.report(at, findings.InvalidCompose, "not a valid line of variables; expected NAME=value")
			return
		}
		for name, value := range parsed {
			if len(value) > maxVariable {
				p.report(at, findings.TooMuch, "variable %s has %d bytes; at most %d are read", quote(name), len(value), maxVariable)
				return
			}
			found[name] = value
		}
		statement, at.Line = "", i+2
	}
}
