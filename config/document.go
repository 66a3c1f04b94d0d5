package config

import (
	"bytes"
	"unicode"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"tagline/config/findings"
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
	r := &reader{file: file}
	documents, _ := r.documents(data, maxDocuments+1)
	if len(documents) > maxDocuments {
		r.report(documents[maxDocuments], findings.MultipleDocuments, "file has more than %d documents", maxDocuments)
	}
	roots := make([]*yaml.Node, 0, len(documents))
	for _, d := range documents {
		if !isNull(d.Content[0]) {
			roots = append(roots, d.Content[0])
		}
	}
	return roots, r.findings.err()
}

// document returns the root of the one YAML document in data. If there is none
// to walk, it is nil and a finding says why.
func (r *reader) document(data []byte) *yaml.Node {
	documents, ok := r.documents(data, 2)
	switch {
	case !ok:
		return nil
	case len(documents) == 0 || isNull(documents[0].Content[0]):
		r.reportFile(findings.EmptyFile, "file is empty; the least it can say is %s", example)
		return nil
	case len(documents) > 1:
		r.report(documents[1], findings.MultipleDocuments, `file has a second document; expected one, without a "---" after its start`)
	}
	root := documents[0].Content[0]
	r.screen(root, 1)
	return root
}

// documents decodes at most so many documents. If data is not text or not YAML,
// ok is false and a finding says why.
func (r *reader) documents(data []byte, most int) (documents []*yaml.Node, ok bool) {
	if len(data) > MaxBytes {
		r.reportFile(findings.TooLarge, "file has more than %d bytes (5 MiB)", MaxBytes)
		return nil, false
	}
	// Neither a byte order mark nor the CR of a CRLF moves what comes after.
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	if !r.isText(data) {
		return nil, false
	}
	documents, read, err := decode(data, most)
	if err != nil {
		r.syntax(err, data, read)
		return nil, false
	}
	return documents, true
}

// isText reports whether data can be read as characters. If not, the first
// problem is a finding: it may cause all the others.
func (r *reader) isText(data []byte) bool {
	control := bytes.IndexFunc(data, isControl)
	switch {
	case bytes.HasPrefix(data, []byte("\xff\xfe")), bytes.HasPrefix(data, []byte("\xfe\xff")), bytes.HasPrefix(data, []byte("\x00\x00\xfe\xff")):
		r.reportFile(findings.Encoding, "file is UTF-16 or UTF-32; save it as UTF-8")
	case bytes.IndexByte(data, 0) >= 0:
		r.reportFile(findings.Encoding, "file has a NUL in it; save it as UTF-8 text")
	case !utf8.Valid(data):
		r.reportFile(findings.Encoding, "file is not valid UTF-8; save it as UTF-8")
	case control >= 0:
		char, _ := utf8.DecodeRune(data[control:])
		line := 1 + bytes.Count(data[:control], []byte("\n"))
		column := 1 + utf8.RuneCount(data[bytes.LastIndexByte(data[:control], '\n')+1:control])
		r.reportAt(Pos{r.file, line, column}, findings.Encoding, "character %U is not allowed; remove it", char)
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
