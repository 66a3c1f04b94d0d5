package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"gopkg.in/yaml.v3"
)

// Bounds of an images.yaml. Ten thousand aliases take half a MiB.
const (
	MaxBytes = 5 << 20 // a caller need not read more than one byte above it
	maxDepth = 100
	// maxDocuments is for files other than images.yaml, which is one document.
	maxDocuments = 100
)

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
