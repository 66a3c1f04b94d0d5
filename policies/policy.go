package policies

import (
	"fmt"
	"time"

	"tagline/config"
)

// Policy is one policy. Each of its values in images.yaml is a T here.
type Policy[T any] struct {
	Name   string // its key in images.yaml
	Doc    string // one line, for editors
	Values Values[T]
	// Deletes is the value, as images.yaml spells it, that deletes something in the
	// repository, aliases or not. It is "" if there is none.
	Deletes string
	// Strict says which values are stricter than others. If images.yaml locks the
	// policy, only these can override the locked one.
	Strict Strictness[T]
	// Apply returns what the policy makes of the alias, and what it has against
	// it. It changes no entry that it is given, and does no I/O. A policy of the
	// repository as a whole has none.
	Apply func(T, Alias) (Alias, []Finding)
}

// Rules are the policies of one image, decoded: the value of a policy is, for
// example, Grace.Of(rules). The zero Rules have every default.
type Rules struct {
	settings config.Settings
	values   map[string]any // by the policy's name
}

// Of returns the policy's value.
func (p Policy[T]) Of(r Rules) T {
	if v, ok := r.values[p.Name].(T); ok {
		return v
	}
	return p.Values.decode(config.Setting{})
}

// Over returns the policy's value where something sets it for itself. The zero
// setting does not.
func (p Policy[T]) Over(r Rules, own config.Setting) T {
	if own.Pos.Line == 0 {
		return p.Of(r)
	}
	return p.Values.decode(own)
}

// Pos returns where images.yaml sets the policy. It is zero for a default.
func (p Policy[T]) Pos(r Rules) config.Pos { return r.settings[p.Name].Pos }

// Written reports whether images.yaml sets the policy, if only to its default.
func (p Policy[T]) Written(r Rules) bool { return p.Pos(r).Line > 0 }

// Key returns how images.yaml spells the policy.
func (p Policy[T]) Key() config.PolicyKey {
	key := p.Values.key()
	key.Name, key.Doc, key.Deletes, key.Stricter = p.Name, p.Doc, p.Deletes, p.Strict.Words
	key.Holds = func(least, value config.Setting) bool {
		return p.Strict.Holds(p.Values.decode(least), p.Values.decode(value))
	}
	return key
}

// Strictness orders the values of a policy, as far as they have an order. A value
// is stricter than another if it forbids more, or deletes less.
type Strictness[T any] struct {
	Words string                  // which values are stricter, for messages; "" if none is
	Holds func(least, own T) bool // reports whether a value is at least as strict
}

// same is for policies whose values have no order: each lets something through that
// the other does not.
func same[T comparable]() Strictness[T] {
	return Strictness[T]{Holds: func(least, own T) bool { return least == own }}
}

// orFalse is for policies of two values, the stricter of which is false.
func orFalse(word string) Strictness[bool] {
	return Strictness[bool]{word, func(least, own bool) bool { return !own || least }}
}

// policy is a Policy of any type.
type policy interface {
	Key() config.PolicyKey
	decode(config.Setting) any
	apply(Rules, Alias) (Alias, []Finding)
}

func (p Policy[T]) decode(s config.Setting) any { return p.Values.decode(s) }

func (p Policy[T]) apply(r Rules, a Alias) (Alias, []Finding) { return p.Apply(p.Of(r), a) }

// Values is what a policy can be set to.
type Values[T any] interface {
	key() config.PolicyKey   // without name and doc
	decode(config.Setting) T // the zero Setting is the default
}

// words are values that images.yaml spells as one word each. The first is the
// default.
type words[T any] []word[T]

type word[T any] struct {
	text  string
	value T
}

func (w words[T]) key() config.PolicyKey {
	key := config.PolicyKey{Kind: config.Choice, Default: w[0].text}
	for _, each := range w {
		key.Values = append(key.Values, each.text)
	}
	return key
}

// decode knows every word that is let through by [config.Parse].
func (w words[T]) decode(s config.Setting) T {
	for _, each := range w {
		if each.text == s.Value {
			return each.value
		}
	}
	return w[0].value
}

// platformList is a list of platforms, by default empty.
type platformList struct{}

func (platformList) key() config.PolicyKey { return config.PolicyKey{Kind: config.PlatformList} }

func (platformList) decode(s config.Setting) []config.Platform { return s.Platforms }

// duration is a length of time, by default this many hours.
type duration struct{ hours int }

func (d duration) key() config.PolicyKey {
	return config.PolicyKey{Kind: config.Duration, Default: fmt.Sprintf("%dh", d.hours)}
}

func (d duration) decode(s config.Setting) time.Duration {
	if s.Value == "" {
		return time.Duration(d.hours) * time.Hour
	}
	return s.Duration
}
