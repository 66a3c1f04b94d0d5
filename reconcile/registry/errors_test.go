package registry_test

import (
	"errors"
	"fmt"
	"testing"

	"tagline/reconcile/registry"
)

func TestLine(t *testing.T) {
	a, b := errors.New("a is gone"), errors.New("b is gone")
	const ended, indented = "a is gone\r\n", "\n\tof b: b\n"
	for want, err := range map[string]error{
		"a is gone":                 a,
		"a is gone; b is gone":      errors.Join(a, b, a),
		"alias: a is gone":          fmt.Errorf("alias: %w", errors.Join(a)),
		"b is gone; a is gone":      errors.Join(b, errors.Join(a, b)),
		"x: a is gone; b is gone":   fmt.Errorf("x: %w", errors.Join(a, b)),
		"a is gone; of b: b":        errors.Join(errors.New(ended), errors.New(indented)),
		"not found; 404: not found": errors.Join(registry.ErrNotFound, fmt.Errorf("404: %w", registry.ErrNotFound)),
	} {
		if got := registry.Line(err); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
