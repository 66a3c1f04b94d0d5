package compose

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"tagline/config"
	"tagline/config/findings"
)

// Fix is an image that a compose file should have in place of another one.
type Fix struct {
	Pos      config.Pos
	From, To string
}

// fix proposes the alias to write for a tag, if there is only one that suits the
// service. What has variables is left to people.
func (c *check) fix(s Service, image config.Image, tag string) {
	candidates, _ := aliasesFor(image, tag)
	aliases, _ := suiting(s, image, candidates, tag)
	name, written := strings.CutSuffix(s.Image.Written, ":"+tag)
	if len(aliases) == 1 && written && !strings.Contains(s.Image.Written, "$") {
		c.result.Fixes = append(c.result.Fixes, Fix{s.Image.Pos, s.Image.Written, name + ":" + aliases[0].Tag})
	}
}

// Apply writes fixes into the files of a project and returns those that it has
// written. All else in a file stays as it is, byte for byte. What is not on one
// line as the fix has it, such as a folded text, is left alone.
func Apply(project string, fixes []Fix) (applied []Fix, err error) {
	full, err := filepath.Abs(Files(project)[0])
	if err != nil {
		return nil, err
	}
	dir, err := filepath.EvalSymlinks(workspace(full))
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	files := map[string][]Fix{}
	for _, f := range fixes {
		if !slices.Contains(files[f.Pos.File], f) { // services may share an image
			files[f.Pos.File] = append(files[f.Pos.File], f)
		}
	}
	for name, fixes := range files {
		written, err := applyTo(root, dir, name, fixes)
		if err != nil {
			return applied, errorf(config.Pos{File: name}, findings.UnreadableFile, "can't be written: %v", reason(err))
		}
		applied = append(applied, written...)
	}
	slices.SortFunc(applied, func(a, b Fix) int { return comparePos(a.Pos, b.Pos) })
	return applied, nil
}

func applyTo(root *os.Root, dir, name string, fixes []Fix) ([]Fix, error) {
	real, err := filepath.Abs(name)
	if err == nil {
		real, err = filepath.EvalSymlinks(real) // the link stays one
	}
	if err != nil {
		return nil, err
	}
	path, err := filepath.Rel(dir, real)
	if err != nil {
		return nil, err
	}
	before, err := root.ReadFile(path)
	if err != nil {
		return nil, err
	}
	mark := []byte("\ufeff") // places do not count it
	lines := bytes.SplitAfter(bytes.TrimPrefix(before, mark), []byte("\n"))
	slices.SortFunc(fixes, func(a, b Fix) int { return comparePos(b.Pos, a.Pos) }) // a fix moves what is behind it
	var applied []Fix
	for _, f := range fixes {
		if line, ok := f.in(lines); ok {
			lines[f.Pos.Line-1] = line
			applied = append(applied, f)
		}
	}
	after := bytes.Join(lines, nil)
	if bytes.HasPrefix(before, mark) {
		after = append(mark, after...)
	}
	if len(applied) == 0 {
		return nil, nil
	}
	if !changesOnly(before, after, applied) {
		return nil, errors.New("the file can't be changed in place; nothing is written")
	}
	return applied, replace(root, path, after)
}

// in returns the line of a fix with the fix in it.
func (f Fix) in(lines [][]byte) ([]byte, bool) {
	if f.Pos.Line > len(lines) {
		return nil, false
	}
	line := []rune(string(lines[f.Pos.Line-1]))
	if f.Pos.Column > len(line) {
		return nil, false
	}
	before, rest := string(line[:f.Pos.Column-1]), string(line[f.Pos.Column-1:])
	// Anchors and tags come first, then perhaps a quote.
	scalar := regexp.MustCompile(`^((?:[&!][^\s,\[\]{}]*\s+)*(?:"|'|))` + regexp.QuoteMeta(f.From) + `((?:"|'|)(?:[\s,}\]]|$))`)
	at := scalar.FindStringSubmatchIndex(rest)
	if at == nil {
		return nil, false
	}
	return []byte(before + rest[:at[3]] + f.To + rest[at[4]:]), true
}

// changesOnly reports whether the values of two files differ by fixes alone.
func changesOnly(before, after []byte, fixes []Fix) bool {
	old, err1 := config.ReadYAML("", before)
	now, err2 := config.ReadYAML("", after)
	left := slices.Clone(fixes)
	var same func(a, b *yaml.Node) bool
	same = func(a, b *yaml.Node) bool {
		if a.Value != b.Value {
			i := slices.IndexFunc(left, func(f Fix) bool { return f.From == a.Value && f.To == b.Value && f.Pos.Line == a.Line })
			if i < 0 {
				return false
			}
			left = slices.Delete(left, i, i+1)
		}
		return a.Kind == b.Kind && a.Tag == b.Tag && slices.EqualFunc(a.Content, b.Content, same)
	}
	return err1 == nil && err2 == nil && slices.EqualFunc(old, now, same) && len(left) == 0
}

// replace writes a file whole or not at all.
func replace(root *os.Root, path string, data []byte) (err error) {
	info, err := root.Stat(path)
	if err != nil {
		return err
	}
	temporary := fmt.Sprintf("%s.tagline-%d", path, os.Getpid())
	f, err := root.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fs.FileMode(0o600))
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(info.Mode().Perm()), f.Sync(), f.Close())
	if err == nil {
		err = root.Rename(temporary, path)
	}
	if err != nil {
		_ = root.Remove(temporary)
	}
	return err
}
