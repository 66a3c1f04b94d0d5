package config

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"tagline/config/findings"
)

// syntax reports an error of yaml.v3 at the right line. read is how many lines
// yaml.v3 had asked for when it failed.
//
// The "line N: " of its messages is seldom that line. For a problem of its
// scanner it is. For one of its parser N is the line before the one where the
// map, the list or the bracket around the problem begins. In the first line
// it is missing (yaml.v3 v3.0.1, parser.fail in decode.go).
func (r *reader) syntax(err error, data []byte, read int) {
	line, problem := splitError(err)
	switch {
	case strings.HasPrefix(problem, "exceeded max depth"):
		r.reportAt(r.startOf(data, line), findings.TooDeep, "maps and lists are nested more than %d deep", maxDepth)
		return
	case strings.HasPrefix(problem, "found character"), strings.HasPrefix(problem, "found a tab"):
		for n := line; n <= read; n++ {
			if column := tabIn(lineAt(data, n)); column > 0 {
				r.reportAt(Pos{r.file, n, column}, findings.Syntax, "indentation has a tab; indent with spaces")
				return
			}
		}
	case problem == "did not find expected alphabetic or numeric character":
		text := lineAt(data, line)
		if at := barePattern.FindSubmatchIndex(text); at != nil {
			sign := string(text[at[2]:at[3]])
			starts := map[string]string{"*": "alias", "&": "anchor"}[sign]
			column := 1 + utf8.RuneCount(text[:at[2]])
			r.reportAt(Pos{r.file, line, column}, findings.Syntax, "%s starts a YAML %s; put it in quotes", quote(sign), starts)
			return
		}
	case strings.HasPrefix(problem, "did not find expected ',' or"):
		line++
	case problem == "did not find expected key", problem == "did not find expected '-' indicator",
		problem == "did not find expected node content", problem == "did not find expected <document start>",
		problem == "found undefined tag handle", strings.HasPrefix(problem, "unknown anchor"):
		line = failingLine(data, read, problem)
	}
	r.reportAt(r.startOf(data, line), findings.Syntax, "file is not YAML: %s%s", problem, advice(problem))
}

// barePattern finds the sign of a YAML alias or anchor that has no name.
var barePattern = regexp.MustCompile(`(?:^|[\s\[{,])([*&])(?:[^0-9A-Za-z_-]|$)`)

// advice returns what usually fixes a problem that yaml.v3 names.
func advice(problem string) string {
	switch problem {
	case "did not find expected key", "did not find expected '-' indicator":
		return "; compare the indentation with the lines above, and look for text after a closing quote or bracket"
	case "did not find expected ',' or ']'", "did not find expected ',' or '}'":
		return "; a bracket is not closed, or a comma is missing"
	case "found unexpected end of stream":
		return "; a quote is not closed"
	case "mapping values are not allowed in this context":
		return `; quote a value that has ": " in it, or compare the indentation with the lines above`
	case "found character that cannot start any token":
		return "; quote a value that begins with @, % or a backtick"
	}
	return ""
}

// splitError splits an error of yaml.v3 into its line and the rest.
func splitError(err error) (line int, problem string) {
	problem = strings.TrimPrefix(err.Error(), "yaml: ")
	if rest, found := strings.CutPrefix(problem, "line "); found {
		if number, rest, found := strings.Cut(rest, ": "); found {
			if line, err := strconv.Atoi(number); err == nil {
				return line, rest
			}
		}
	}
	return 1, problem
}

// failingLine finds the line of a problem within the lines read: the line
// without which the problem is gone. The parser reads at most a token past the
// problem, so few lines have to be tried.
func failingLine(data []byte, read int, problem string) int {
	lines := bytes.SplitAfterN(data, []byte("\n"), read+1)
	lines = lines[:min(read, len(lines))]
	for tries := 0; tries < 3 && len(lines) > 1; {
		last := bytes.TrimSpace(lines[len(lines)-1])
		if len(last) > 0 && last[0] != '#' {
			_, _, err := decode(bytes.Join(lines[:len(lines)-1], nil), maxDocuments)
			if err == nil || !strings.HasSuffix(err.Error(), problem) {
				break
			}
			tries++
		}
		lines = lines[:len(lines)-1]
	}
	return len(lines)
}

// startOf returns the position of the first character in a line, or in the last
// line if there are fewer.
func (r *reader) startOf(data []byte, line int) Pos {
	line = min(line, bytes.Count(bytes.TrimSuffix(data, []byte("\n")), []byte("\n"))+1)
	text := lineAt(data, line)
	return Pos{r.file, line, 1 + len(text) - len(bytes.TrimLeft(text, " \t"))}
}

// lineAt returns the text of a line, counted from 1.
func lineAt(data []byte, line int) []byte {
	for range line - 1 {
		_, data, _ = bytes.Cut(data, []byte("\n"))
	}
	text, _, _ := bytes.Cut(data, []byte("\n"))
	return text
}

// tabIn returns the column of the first tab in a line's indentation, or 0.
func tabIn(line []byte) int {
	indent := len(line) - len(bytes.TrimLeft(line, " \t"))
	return 1 + bytes.IndexByte(line[:indent], '\t')
}
