package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A file that would be passed over for the case of its ending is reported, and not
// silently left out.
func TestUpperCaseEnding(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"images.yaml", "services.YAML"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("images: {}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, problems := find([]string{dir})
	if problems.all != 1 || !strings.Contains(problems.first[0].Error(), "services.YAML: error[unreadable-file]: files of a folder end in .yaml or .yml, in lower case") {
		t.Errorf("%v", problems.first)
	}
}

// A place is one line, whatever the name of the file.
func TestPosIsOneLine(t *testing.T) {
	for _, test := range []struct {
		name string
		pos  Pos
		want string
	}{
		{"plain", Pos{"a b.yaml", 1, 2}, "a b.yaml:1:2"},
		{"a line break", Pos{"a\nb.yaml", 1, 2}, `"a\nb.yaml":1:2`},
		{"an escape without a line", Pos{"a\x1bb.yaml", 0, 0}, `"a\x1bb.yaml"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := test.pos.String(); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}
