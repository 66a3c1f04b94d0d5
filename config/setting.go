package config

import (
	"strings"
	"time"
)

// PolicyKey is how images.yaml spells one policy. Package policies has the
// list of them and what each does.
type PolicyKey struct {
	Name    string
	Doc     string // one line
	Kind    Kind
	Values  []string // of a Choice
	Default string   // of a Choice or a Duration
	Deletes string   // the value of a Choice that deletes something in the repository, "" for none
	// Holds reports whether a value is at least as strict as another.
	Holds    func(least, value Setting) bool
	Stricter string // which values are stricter, in words; "" if none is
}

// Kind is the form of a policy's value.
type Kind int

// The forms.
const (
	Choice       Kind = iota // one word out of PolicyKey.Values
	PlatformList             // a list of platforms, not empty
	Duration                 // as ParseDuration reads it
)

// Settings holds a value for every policy, the defaults included, by name.
type Settings map[string]Setting

// Setting is the value of one policy for one image.
type Setting struct {
	Value     string        // the text, of a Choice or a Duration
	Platforms []Platform    // of a PlatformList, in the order of [Platform.Compare]
	Duration  time.Duration // of a Duration
	Pos       Pos           // of the value; zero for a default
	Profile   string        // the name of the profile that has it, "" if the file or the image has it itself
}

// String returns the value as images.yaml spells it.
func (s Setting) String() string {
	if s.Value != "" {
		return quote(s.Value)
	}
	var names []string
	for _, p := range s.Platforms {
		names = append(names, p.String())
	}
	return "[" + strings.Join(names, ", ") + "]"
}
