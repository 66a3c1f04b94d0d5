package compose

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/template"

	"tagline/config"
	"tagline/config/findings"
)

// What variables may take at most. Without a bound a .env file of a few lines,
// each of them twice the one before, would fill any memory.
const (
	maxText       = 4 << 10 // bytes of a text with variables in it
	maxVariable   = 64 << 10
	maxSubstitute = 4 << 20 // bytes that all variables of a project give
	maxRequired   = 20      // required variables of one text
)

// environment is the variables of a level: those of the process, then those of
// .env files. It never changes once a level has it.
type environment struct{ values map[string]string }

func (e *environment) lookup(name string) (string, bool) {
	value, ok := e.values[name]
	return value, ok
}

// variables are what all levels share.
type variables struct {
	process  map[string]string
	hidden   map[string]bool // those of .env files that have something of the process in them
	spent    int             // of maxSubstitute
	conceal  bool            // hidden variables have a made-up value
	revealed bool            // a hidden variable was asked for
}

// hides reports whether the value of a variable must not get into a log: a
// stranger's compose file can name any, and the process has secrets in some.
func (v *variables) hides(name string) bool {
	_, process := v.process[name]
	return process || v.hidden[name]
}

func (v *variables) check(text string) error {
	switch {
	case strings.Contains(text, "$") && len(text) > maxText:
		return fmt.Errorf("text with variables in it has %d bytes; at most %d are read", len(text), maxText)
	case v.spent > maxSubstitute:
		return errors.New("the variables' values are too large")
	}
	return nil
}

// substitute puts the variables' values into a text. What is not set and has
// no default is a mark in the text's marked form.
func (v *variables) substitute(text string, lookup template.Mapping) (Text, error) {
	t := Text{Written: text, Value: text, marked: text}
	if !strings.Contains(text, "$") {
		return t, nil
	}
	if err := v.check(text); err != nil {
		return Text{}, err
	}
	mark := func(name string) string { return "\x00" + name + "\x00" }
	required := map[string]bool{} // ${NAME:?message} without a value: the mark is one
	marked, err := "", error(nil)
	for range maxRequired {
		marked, err = template.Substitute(text, func(name string) (string, bool) {
			value, ok := lookup(name)
			if v.spent += len(value) + 1; v.spent > maxSubstitute {
				return "", true
			}
			if v.hides(name) {
				t.Hidden, v.revealed = true, true
				if v.conceal && ok {
					value = "x"
				}
			}
			switch {
			case required[name]:
			case ok, strings.Contains(text, "${"+name+"+"), strings.Contains(text, "${"+name+":+"):
				return value, ok // ${X:+text} is nothing where X is not set, and means it
			}
			t.Unset = append(t.Unset, name)
			return mark(name), required[name]
		})
		missing := (*template.MissingRequiredError)(nil)
		if !errors.As(err, &missing) {
			break
		}
		if t.Hidden { // the message may have variables too
			missing.Reason = ""
		}
		t.Problem = cmp.Or(t.Problem, missing.Error())
		required[missing.Variable] = true
	}
	if invalid := (*template.InvalidTemplateError)(nil); errors.As(err, &invalid) {
		return Text{}, fmt.Errorf("%s has a variable that is none; write ${NAME}, or $$ for a dollar sign", quote(text))
	} else if err != nil {
		return Text{}, fmt.Errorf("%s: %w", quote(text), err)
	}
	// A default takes the mark's place.
	t.Unset = slices.DeleteFunc(t.Unset, func(name string) bool { return !strings.Contains(marked, mark(name)) })
	slices.Sort(t.Unset)
	t.Unset = slices.Compact(t.Unset)
	t.marked, t.Value = marked, marked
	for _, name := range t.Unset {
		t.Value = strings.ReplaceAll(t.Value, mark(name), "")
	}
	return t, v.check("")
}

// parseEnv reads a .env file. Each variable is parsed by itself, so that what
// it refers to is looked up here, and counted.
func (v *variables) parseEnv(shown, content string, env *environment) (map[string]string, error) {
	found := map[string]string{}
	hidden := false // the statement at hand
	lookup := func(name string) (string, bool) {
		hidden = hidden || v.hides(name)
		value, ok := env.lookup(name)
		if !ok {
			value, ok = found[name]
		}
		v.spent += len(value) + 1
		return value, ok
	}
	content = strings.TrimPrefix(strings.ReplaceAll(content, "\r\n", "\n"), "\ufeff")
	lines := strings.Split(content, "\n")
	for i := 0; i < len(lines); i++ {
		at := config.Pos{File: shown, Line: i + 1, Column: 1}
		statement := lines[i] + "\n"
		for open := openQuote(lines[i]); open != 0 && i+1 < len(lines); {
			i++
			statement += lines[i] + "\n"
			if closes(lines[i], open) {
				break
			}
		}
		if err := v.check(statement); err != nil {
			return nil, errorf(at, findings.TooMuch, "%v", err)
		}
		hidden = false
		parsed, err := dotenv.ParseWithLookup(strings.NewReader(statement), lookup)
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
			v.hidden[name] = v.hidden[name] || hidden
		}
		if err := v.check(""); err != nil {
			return nil, errorf(at, findings.TooMuch, "%v", err)
		}
	}
	return found, nil
}

// openQuote is the quote that a line's value begins with and does not close, or
// 0: the value goes on in the next line.
func openQuote(line string) byte {
	line = strings.TrimSpace(line)
	i := strings.IndexAny(line, "=:")
	if i < 0 || line[0] == '#' {
		return 0
	}
	value := strings.TrimSpace(line[i+1:])
	if value == "" || value[0] != '"' && value[0] != '\'' || closes(value[1:], value[0]) {
		return 0
	}
	return value[0]
}

// closes reports whether a text has the quote, not escaped.
func closes(text string, quote byte) bool {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case quote:
			return true
		}
	}
	return false
}
