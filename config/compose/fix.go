package compose

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/renameio/v2/maybe"
	"gopkg.in/yaml.v3"

	"tagline/config"
	"tagline/config/findings"
)

// Fix is an image that a compose file should have in place of another one.
type Fix struct {
	Pos      config.Pos
	From, To string
}

// Apply writes fixes into compose files and returns those that it has
// written. All else in a file stays as it is, byte for byte. What is not on one
// line as the fix has it, such as a folded text, is left alone, and returned as left.
func Apply(fixes []Fix) (applied, left []Fix, err error) {
	files := map[string][]Fix{}
	for _, f := range fixes {
		files[f.Pos.File] = append(files[f.Pos.File], f)
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		written, not, err := applyTo(name, files[name])
		if err != nil {
			return applied, left, errorf(config.Pos{File: name}, findings.UnreadableFile, "can't be written: %v", reason(err))
		}
		applied, left = append(applied, written...), append(left, not...)
	}
	for _, all := range [][]Fix{applied, left} {
		slices.SortFunc(all, func(a, b Fix) int { return comparePos(a.Pos, b.Pos) })
	}
	return applied, left, nil
}

// applyTo writes a file whole or not at all. Of several fixes at a place, as of services
// that share it, the first counts.
func applyTo(name string, fixes []Fix) (applied, left []Fix, err error) {
	real, err := filepath.EvalSymlinks(name) // a link stays one
	if err != nil {
		return nil, nil, err
	}
	data, err := os.ReadFile(real)
	if err != nil {
		return nil, nil, err
	}
	slices.SortStableFunc(fixes, func(a, b Fix) int { return comparePos(b.Pos, a.Pos) }) // a fix moves what is behind it
	fixes = slices.CompactFunc(fixes, func(a, b Fix) bool { return a.Pos == b.Pos })
	for _, f := range fixes {
		if with, ok := f.in(data); ok {
			data = with
			applied = append(applied, f)
		} else {
			left = append(left, f)
		}
	}
	if len(applied) == 0 {
		return nil, left, nil
	}
	return applied, left, maybe.WriteFile(real, data, 0o666) // the mode stays as it is
}

// in returns a file with the fix in it, if it can be made in its line and changes
// nothing else.
func (f Fix) in(data []byte) ([]byte, bool) {
	lines := bytes.SplitAfter(data, []byte("\n"))
	if f.Pos.Line > len(lines) {
		return nil, false
	}
	line := []rune(string(lines[f.Pos.Line-1]))
	column := min(f.Pos.Column-1, len(line))
	before, rest := string(line[:column]), string(line[column:])
	lines[f.Pos.Line-1] = []byte(before + strings.Replace(rest, f.From, f.To, 1))
	with := bytes.Join(lines, nil)
	return with, f.isAll(data, with)
}

// isAll reports whether the fix is all that two files differ by.
func (f Fix) isAll(before, after []byte) bool {
	changed := 0
	var same func(a, b *yaml.Node) bool
	same = func(a, b *yaml.Node) bool {
		if a.Value != b.Value {
			at := config.Pos{File: f.Pos.File, Line: a.Line, Column: a.Column}
			if changed++; at != f.Pos || a.Value != f.From || b.Value != f.To {
				return false
			}
		}
		return a.Kind == b.Kind && a.Tag == b.Tag && slices.EqualFunc(a.Content, b.Content, same)
	}
	old, err := config.ReadYAML("", before)
	now, err2 := config.ReadYAML("", after)
	return err == nil && err2 == nil && slices.EqualFunc(old, now, same) && changed == 1
}
