package report

import (
	"slices"
	"strings"
	"testing"
)

// A cell that is too long for its column moves no other row.
func TestAlign(t *testing.T) {
	tag, source := strings.Repeat("t", 128), strings.Repeat("s", 72)
	for _, test := range []struct {
		name string
		rows [][]string
		want []string
	}{
		{"short", [][]string{{"1", "amd64", "a"}, {"latest", "arm", "b"}}, []string{"1       amd64  a", "latest  arm    b"}},
		{"a long tag", [][]string{{tag, "amd64", "a"}, {"1", "arm", "b"}}, []string{tag, "   amd64  a", "1  arm    b"}},
		{"a long tag with one more cell", [][]string{{tag, "in sync"}, {"1", "in sync"}}, []string{tag + "  in sync", "1  in sync"}},
		{"a long tag alone", [][]string{{tag}, {"1", "in sync"}}, []string{tag, "1  in sync"}},
		{"a long source", [][]string{{"1", "amd64", source, "a", "(new)"}, {"1", "amd64", "1.0", "b", "(new)"}}, []string{"1  amd64  " + source, "               a  (new)", "1  amd64  1.0  b  (new)"}},
		{"both", [][]string{{tag, "amd64", source, "a", "(new)"}, {"1", "amd64", "1.0", "b", "(new)"}}, []string{tag, "   amd64  " + source, "               a  (new)", "1  amd64  1.0  b  (new)"}},
		{"a digest in the table", [][]string{{"1", one, "a"}, {"2", "x", "b"}}, []string{"1  " + one + "  a", "2  x" + strings.Repeat(" ", 72) + "b"}},
		{"a long text at the end", [][]string{{"1", source + source}, {"latest", "b"}}, []string{"1       " + source + source, "latest  b"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var rows []row
			for _, cells := range test.rows {
				rows = append(rows, row{mark: "+", cells: cells})
			}
			var got []string
			for _, r := range align(rows) {
				got = append(got, r.line())
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
}
