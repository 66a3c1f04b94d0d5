package journal

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"tagline/config"
)

// maxLine exceeds every line that tagline writes.
const maxLine = 16 << 20

// Suffix is that of the files of a folder that are journals.
const Suffix = ".jsonl"

// Files returns the files of journals. A folder stands for all files below it with
// the [Suffix]. The error names all paths that can't be read.
func Files(paths []string) ([]string, error) {
	var files []string
	var unread []error
	for _, path := range paths {
		if info, err := os.Stat(path); err != nil {
			unread = append(unread, failure(path, err))
			continue
		} else if !info.IsDir() {
			files = append(files, path)
			continue
		}
		err := filepath.WalkDir(path, func(name string, entry fs.DirEntry, err error) error {
			if err == nil && entry.Type().IsRegular() && strings.HasSuffix(name, Suffix) {
				files = append(files, name)
			}
			return err
		})
		unread = append(unread, failure(path, err))
	}
	return files, errors.Join(unread...)
}

// Skipped is a line that can't be read.
type Skipped struct {
	File   string
	Line   int
	Reason string
}

func (s Skipped) String() string { return fmt.Sprintf("%s:%d: %s", s.File, s.Line, s.Reason) }

// number is a major version.
var number = regexp.MustCompile(`^[0-9]+$`)

// Read returns the wanted moves of all files, oldest first. Parts of a journal may
// have lines in common; each counts once. A line that was torn or is foreign is
// skipped. One of a major version of the format that is not known is an error: it may
// be a move, and no history is true without it.
func Read(files []string, wanted func(Move) bool) (moves []Move, skipped []Skipped, err error) {
	type what struct {
		run        string
		repository config.Repository
		tag        string
		before     string
		after      string
	}
	seen := map[what]bool{}
	for _, file := range files {
		not, err := readFile(file, func(m Move) {
			key := what{m.Run, m.Repository, m.Tag, m.Old, m.New}
			if wanted(m) && !seen[key] {
				seen[key] = true
				moves = append(moves, m)
			}
		})
		if err != nil {
			return nil, nil, failure(file, err)
		}
		skipped = append(skipped, not...)
	}
	slices.SortStableFunc(moves, func(a, b Move) int { return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Run, b.Run)) })
	return moves, skipped, nil
}

func readFile(name string, each func(Move)) (skipped []Skipped, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	r := bufio.NewReaderSize(f, 1<<16)
	for n := 1; ; n++ {
		text, long, err := readLine(r)
		switch {
		case errors.Is(err, io.EOF):
			return skipped, nil
		case err != nil:
			return nil, err
		case long:
			skipped = append(skipped, Skipped{name, n, fmt.Sprintf("it is longer than %d MiB", maxLine>>20)})
			continue
		}
		reasons, err := parts(text, each)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		for _, reason := range reasons {
			skipped = append(skipped, Skipped{name, n, reason})
		}
	}
}

// readLine returns the next line, and whether it is too long to keep. The error is
// io.EOF after the last line.
func readLine(r *bufio.Reader) (text []byte, long bool, err error) {
	for {
		part, more, err := r.ReadLine()
		if err != nil {
			return nil, false, err
		}
		if long = long || len(text)+len(part) > maxLine; !long {
			text = append(text, part...)
		}
		if !more {
			return text, long, nil
		}
	}
}

// parts reads a line. Parts of a journal that were joined with a torn line between
// them leave a line that follows the torn one without a break. The error is
// [errVersion].
func parts(text []byte, each func(Move)) (reasons []string, err error) {
	for text = bytes.TrimSpace(text); len(text) > 0; {
		part := text
		m, err := parse(text)
		if err != nil {
			// Within a line quotes are escaped, so this is not found there.
			if next := bytes.Index(text[1:], []byte(beginning)); next >= 0 {
				part = text[:1+next]
				m, err = parse(part)
			}
		}
		switch {
		case errors.Is(err, errVersion):
			return nil, err
		case err != nil:
			reasons = append(reasons, err.Error())
		default:
			each(m)
		}
		text = bytes.TrimSpace(text[len(part):])
	}
	return reasons, nil
}

var errVersion = errors.New("this version of tagline reads 1.x")

func parse(text []byte) (Move, error) {
	var l line
	if !bytes.HasPrefix(text, []byte(beginning+"1.")) { // its other fields may have other types
		var format struct{ Journal string }
		if err := json.Unmarshal(text, &format); err == nil {
			if major, _, _ := strings.Cut(format.Journal, "."); major != "1" && number.MatchString(major) {
				return Move{}, fmt.Errorf("its format is %q, and %w; use a newer one", format.Journal, errVersion)
			}
		}
	}
	var about *json.SyntaxError
	switch err := json.Unmarshal(text, &l); {
	case errors.As(err, &about):
		return Move{}, fmt.Errorf("it is torn, or not a line of a journal: %w", err)
	case err != nil || l.Journal == "":
		return Move{}, errors.New("it is not a line of a journal")
	}
	if major, _, _ := strings.Cut(l.Journal, "."); major != "1" {
		return Move{}, fmt.Errorf("its format is %q, which no version of tagline writes", l.Journal)
	}
	repository, err := config.ParseRepository(l.Repository, "")
	m := Move{
		Time: l.Time.UTC(), Run: l.Run, By: l.By, Repository: repository, Tag: l.Tag, Action: l.Action, Old: value(l.Old), New: value(l.New),
		Reason: l.Reason, Platforms: l.Platforms,
	}
	switch {
	case err != nil || repository.String() != l.Repository:
		return Move{}, fmt.Errorf("%q is no repository", l.Repository)
	case config.CheckTag(l.Tag) != nil:
		return Move{}, fmt.Errorf("%q is no tag", l.Tag)
	case m.Time.IsZero():
		return Move{}, errors.New("it has no time")
	case l.Run == "":
		return Move{}, errors.New("it has no run")
	case !slices.Contains([]string{Pushed, Deleted, Restored}, l.Action):
		return Move{}, fmt.Errorf("its action is %q, which this version of tagline does not know", l.Action)
	case m.New == "" && l.Action != Deleted:
		return Move{}, errors.New("it has no new digest")
	}
	all := []string{m.Old, m.New}
	for _, p := range m.Platforms {
		all = append(all, p.Digest, p.SourceDigest, p.OldDigest)
	}
	for _, text := range all {
		if d := digest.Digest(text); d != "" && (d.Validate() != nil || d.Algorithm() != digest.SHA256) {
			return Move{}, fmt.Errorf("%q is no digest", text)
		}
	}
	return m, nil
}

func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
