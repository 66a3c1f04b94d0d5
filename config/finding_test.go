package config

import (
	"fmt"
	"strings"
	"testing"
)

// counted counts how often it is worked out.
type counted struct{ times *int }

func (c counted) text() string {
	*c.times++
	return "; ending"
}

// However many findings there are, only the messages that are told are worked out.
func TestEndings(t *testing.T) {
	times := 0
	var all found
	for line := range 10 * maxFindings {
		all.add(&Finding{Pos: Pos{Line: 10*maxFindings - line}, Message: "message", ending: counted{&times}})
	}
	if times > 0 {
		t.Errorf("%d endings were worked out before they were told", times)
	}
	for range 2 {
		told := all.told()
		if len(told) != maxFindings+1 || times != maxFindings {
			t.Fatalf("%d findings are told, and %d endings were worked out", len(told), times)
		}
		for i, f := range told[:maxFindings] {
			if f.Pos.Line != i+1 || f.Message != "message; ending" {
				t.Fatalf("finding %d is %v", i, f)
			}
		}
	}
}

func TestManyUnknownProfiles(t *testing.T) {
	var profiles, images strings.Builder
	const count = 3 * maxFindings
	for i := range count {
		fmt.Fprintf(&profiles, "  service-%d: {aliases: {1: 1.1}}\n", i)
		fmt.Fprintf(&images, "  app-%d: {use: servcie-%d}\n", i, i)
	}
	_, err := parseAll("registry: localhost:5000\nprofiles:\n" + profiles.String() + "images:\n" + images.String())
	if err == nil {
		t.Fatal("the file is valid")
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != maxFindings+1 {
		t.Fatalf("%d lines", len(lines))
	}
	for i, line := range lines[:maxFindings] {
		if want := fmt.Sprintf("profile \"servcie-%d\" does not exist; did you mean \"service-%d\"?", i, i); !strings.HasSuffix(line, want) {
			t.Errorf("got %q, want %q", line, want)
		}
	}
}
