package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"tagline/config/findings"
)

// Bounds of an images.yaml. Ten thousand aliases take half a MiB.
const (
	MaxBytes = 5 << 20 // a caller need not read more than one byte above it
	maxDepth = 100
	// maxDocuments is for files other than images.yaml, which is one document.
	maxDocuments = 100
)

// example is the least that a file can say.
const example = "{registry: localhost:5000, images: {my-image: {aliases: {latest: 10.10}}}}"

// ReadYAML reads any YAML file and returns the roots of its documents, for
// packages that look into files other than images.yaml. It allows what
// images.yaml does not, such as anchors. A file of comments alone has no
// documents.
//
// The error is as that of [Parse].
func ReadYAML(file string, data []byte) ([]*yaml.Node, error) {
	w := &walk{file: file}
	documents, _ := w.documents(data, maxDocuments+1)
	if len(documents) > maxDocuments {
		w.report(documents[maxDocuments], findings.MultipleDocuments, "file has more than %d documents", maxDocuments)
	}
	roots := make([]*yaml.Node, 0, len(documents))
	for _, d := range documents {
		if !isNull(d.Content[0]) {
			roots = append(roots, d.Content[0])
		}
	}
	return roots, w.findings.err()
}

// document returns the root of the one YAML document in data. If there is none
// to walk, it is nil and a finding says why.
func (w *walk) document(data []byte) *yaml.Node {
	documents, ok := w.documents(data, 2)
	switch {
	case !ok:
		return nil
	case len(documents) == 0 || isNull(documents[0].Content[0]):
		w.reportFile(findings.EmptyFile, "file is empty; the least it can say is %s", example)
		return nil
	case len(documents) > 1:
		w.report(documents[1], findings.MultipleDocuments, `file has a second document; expected one, without a "---" after its start`)
	}
	root := documents[0].Content[0]
	w.screen(root, 1)
	return root
}

// documents decodes at most so many documents. If data is not text or not YAML,
// ok is false and a finding says why.
func (w *walk) documents(data []byte, most int) (documents []*yaml.Node, ok bool) {
	if len(data) > MaxBytes {
		w.reportFile(findings.TooLarge, "file has more than %d bytes (5 MiB)", MaxBytes)
		return nil, false
	}
	// Neither a byte order mark nor the CR of a CRLF moves what comes after.
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	if !w.isText(data) {
		return nil, false
	}
	documents, read, err := decode(data, most)
	if err != nil {
		w.syntax(err, data, read)
		return nil, false
	}
	return documents, true
}

// isText reports whether data can be read as characters. If not, the first
// problem is a finding: it may cause all the others.
func (w *walk) isText(data []byte) bool {
	control := bytes.IndexFunc(data, isControl)
	switch {
	case bytes.HasPrefix(data, []byte("\xff\xfe")), bytes.HasPrefix(data, []byte("\xfe\xff")), bytes.HasPrefix(data, []byte("\x00\x00\xfe\xff")):
		w.reportFile(findings.Encoding, "file is UTF-16 or UTF-32; save it as UTF-8")
	case bytes.IndexByte(data, 0) >= 0:
		w.reportFile(findings.Encoding, "file has a NUL in it; save it as UTF-8 text")
	case !utf8.Valid(data):
		w.reportFile(findings.Encoding, "file is not valid UTF-8; save it as UTF-8")
	case control >= 0:
		r, _ := utf8.DecodeRune(data[control:])
		line := 1 + bytes.Count(data[:control], []byte("\n"))
		column := 1 + utf8.RuneCount(data[bytes.LastIndexByte(data[:control], '\n')+1:control])
		w.reportAt(Pos{w.file, line, column}, findings.Encoding, "character %U is not allowed; remove it", r)
	default:
		return true
	}
	return false
}

// isControl reports whether a character has no place in a line of text, or ends
// a line in YAML 1.1 but not in editors.
func isControl(r rune) bool {
	switch r {
	case '\n', '\t':
		return false
	case '\u2028', '\u2029', '\ufeff', '\ufffe', '\uffff':
		return true
	}
	return unicode.IsControl(r)
}

// decode reads at most so many documents of data. read is how many lines yaml.v3
// asked for. If it failed, the problem is in the last of them or shortly before.
func decode(data []byte, most int) (documents []*yaml.Node, read int, err error) {
	lines := &lineReader{rest: data}
	decoder := yaml.NewDecoder(lines)
	for len(documents) < most {
		var n *yaml.Node
		if n, err = next(decoder); err != nil {
			break
		}
		documents = append(documents, n)
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	last := max(0, len(data)-len(lines.rest)-1)
	return documents, 1 + bytes.Count(data[:last], []byte("\n")), err
}

// next reads a document. yaml.v3 has a history of panics on malformed input:
// go-yaml/yaml#665, mikefarah/yq#2481.
func next(decoder *yaml.Decoder) (n *yaml.Node, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("yaml: %v", r)
		}
	}()
	n = new(yaml.Node)
	return n, decoder.Decode(n)
}

// lineReader returns at most a line per read, so that what is left shows how far
// its reader got.
type lineReader struct{ rest []byte }

func (l *lineReader) Read(p []byte) (int, error) {
	if len(l.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, l.rest)
	if end := bytes.IndexByte(p[:n], '\n'); end >= 0 {
		n = end + 1
	}
	l.rest = l.rest[n:]
	return n, nil
}
