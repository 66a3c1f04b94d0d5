package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// An answer that could not be made leaves the file as it is.
func TestAnswerThatFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "status.txt")
	if err := os.WriteFile(path, []byte("before"), 0o600); err != nil {
		t.Fatal(err)
	}
	to, err := (&app{}).openAnswer("text=" + path)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		err  error
		want string
	}{{errors.New("no answer"), "before"}, {nil, "after"}} {
		if err := to.give([]byte("after"), test.err); !errors.Is(err, test.err) {
			t.Errorf("got %v, want %v", err, test.err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != test.want {
			t.Errorf("the file has %q, %v, want %q", got, err, test.want)
		}
	}
}
