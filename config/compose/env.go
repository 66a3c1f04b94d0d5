package compose

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/template"
	"github.com/compose-spec/compose-go/v2/types"

	"tagline/config"
	"tagline/config/findings"
)

// readDefaultEnv reads the .env file of a folder, if it has one.
func (p *project) readDefaultEnv(folder string, lookup template.Mapping) (types.Mapping, *config.Finding) {
	path := filepath.Join(folder, ".env")
	if info, err := p.root.Stat(path); errors.Is(err, fs.ErrNotExist) || err == nil && info.IsDir() {
		return nil, nil
	}
	return p.readEnv(path, lookup)
}

// readEnv reads a file of variables. Each statement is parsed by itself, so that
// what it refers to is looked up here, and counted.
func (p *project) readEnv(path string, lookup template.Mapping) (types.Mapping, *config.Finding) {
	data, problem := p.read(path, maxEnvBytes)
	if problem != nil {
		return nil, problem
	}
	found, hidden := types.Mapping{}, false
	content := strings.TrimPrefix(strings.ReplaceAll(string(data), "\r\n", "\n"), "\ufeff")
	statement, open := "", false
	at := config.Pos{File: p.shown(path), Line: 1, Column: 1}
	lines := strings.Split(content, "\n")
	for i, line := range lines {
		last := i+1 == len(lines)
		if statement += line + "\n"; open && !last && !strings.ContainsAny(line, `"'`) {
			continue
		}
		if err := p.check(statement); err != nil {
			return nil, errorf(at, findings.TooMuch, "%v", err)
		}
		if strings.Count(statement, "$") > maxReferences && strings.ContainsAny(statement, `"'`) {
			return nil, errorf(at, findings.TooMuch, "line in quotes has more than %d variables", maxReferences)
		}
		hidden = false
		parsed, err := dotenv.ParseWithLookup(strings.NewReader(statement), func(name string) (string, bool) {
			hidden = hidden || p.hides(name)
			for _, lookup := range []template.Mapping{lookup, found.Resolve, p.longest.Resolve} {
				if value, ok := lookup(name); ok {
					p.spent += len(value) + 1
					return value, true
				}
			}
			return "", false
		})
		if open = err != nil && strings.Contains(err.Error(), "unterminated quoted value"); open && !last {
			p.spent += len(statement) // it is parsed again
			continue
		}
		if err != nil {
			why := strings.TrimPrefix(err.Error(), "line 1: ")
			if hidden {
				why = "it has variables in it that don't fit"
			}
			return nil, errorf(at, findings.InvalidCompose, "not a valid line of variables: %s", why)
		}
		for name, value := range parsed {
			if len(value) > maxVariable {
				return nil, errorf(at, findings.TooMuch, "variable %s has %d bytes; at most %d are read", quote(name), len(value), maxVariable)
			}
			found[name] = value
			p.hidden[name] = p.hidden[name] || hidden
		}
		statement, at.Line = "", i+2
	}
	for name, value := range found {
		if len(value) > len(p.longest[name]) {
			p.longest[name] = value
		}
	}
	return found, nil
}
