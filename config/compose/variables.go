package compose

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/template"
	"gopkg.in/yaml.v3"

	"tagline/config/findings"
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
	spent int // of maxSubstitute
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

var unsetMark = regexp.MustCompile("\x00([^\x00]*)\x00")

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
	has := func(name, operator string) bool { return strings.Contains(text, "${"+name+operator) }
	marked, err := template.Substitute(text, func(name string) (string, bool) {
		value, ok := lookup(name)
		if v.spent += len(value) + 1; v.spent > maxSubstitute {
			return "", true
		}
		t.Hidden = t.Hidden || value != ""
		required := has(name, "?") && !ok || has(name, ":?") && value == ""
		if !required && (ok || has(name, "+") || has(name, ":+")) { // ${X:+text} is nothing where X is not set, and means it
			return value, ok
		}
		return "\x00" + name + "\x00", required
	})
	if invalid := (*template.InvalidTemplateError)(nil); errors.As(err, &invalid) {
		return Text{}, fmt.Errorf("%s has a variable that is none; write ${NAME}, or $$ for a dollar sign", quote(text))
	} else if err != nil {
		return Text{}, fmt.Errorf("%s: %w", quote(text), err)
	}
	for _, mark := range unsetMark.FindAllStringSubmatch(marked, -1) {
		t.Unset = append(t.Unset, mark[1])
	}
	slices.Sort(t.Unset)
	t.Unset = slices.Compact(t.Unset)
	t.marked, t.Value = marked, unsetMark.ReplaceAllString(marked, "")
	return t, v.check("")
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
