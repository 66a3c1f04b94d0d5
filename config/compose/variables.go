package compose

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/template"
)

// What variables may take at most. Without a bound a .env file of a few lines,
// each of them twice the one before, would fill any memory.
const (
	maxText       = 4 << 10 // bytes of a text with variables in it
	maxVariable   = 64 << 10
	maxSubstitute = 4 << 20 // bytes that all variables of a project give
	maxReferences = 12      // variables of a line with quotes, which may be several statements
)

// variables are what all files of a project share.
type variables struct {
	process  map[string]string
	hidden   map[string]bool // those of .env files that have something of the process in them
	spent    int             // of maxSubstitute
	revealed bool            // the value of a hidden variable was used
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
	has := func(name, operator string) bool { return strings.Contains(text, "${"+name+operator) }
	marked, err := template.Substitute(text, func(name string) (string, bool) {
		value, ok := lookup(name)
		if v.spent += len(value) + 1; v.spent > maxSubstitute {
			return "", true
		}
		if v.hides(name) {
			t.Hidden, v.revealed = true, true
		}
		required := has(name, "?") && !ok || has(name, ":?") && value == ""
		if !required && (ok || has(name, "+") || has(name, ":+")) { // ${X:+text} is nothing where X is not set, and means it
			return value, ok
		}
		t.Unset = append(t.Unset, name)
		return mark(name), required
	})
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
