package config

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"
)

// AddImages returns an images.yaml with more images behind its own. entries are lines
// of YAML without indentation. All that the file has stays as it is, byte for byte.
//
// It is for a file that [Parse] accepts, and what it returns is to be parsed again: it
// looks at lines.
func AddImages(data []byte, entries string) ([]byte, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(data, &document); err != nil {
		return nil, err
	}
	switch {
	case len(document.Content) == 0 || document.Content[0].Kind != yaml.MappingNode:
		return nil, errors.New("it is no map of keys")
	case document.Content[0].Style&yaml.FlowStyle != 0:
		return nil, errors.New("it is a map in braces; write each key on a line of its own")
	}
	newline := "\n"
	if bytes.Contains(data, []byte("\r\n")) {
		newline = "\r\n"
	}
	if len(data) > 0 && !bytes.HasSuffix(data, []byte("\n")) {
		data = append(bytes.Clone(data), newline...)
	}
	lines := bytes.SplitAfter(data, []byte("\n"))
	lines = lines[:len(lines)-1] // what is after the last line end
	column, after, head := 2, len(lines), newline+"images:"+newline
	top := document.Content[0]
	for i := 0; i+1 < len(top.Content); i += 2 {
		key, value := top.Content[i], top.Content[i+1]
		switch {
		case key.Value != "images":
			continue
		case value.Kind == yaml.ScalarNode && value.Tag == "!!null" && value.Value == "":
			column, after, head = key.Column+1, key.Line, ""
		case value.Kind == yaml.MappingNode && len(value.Content) == 0 && value.Line == key.Line && bytes.HasPrefix(lines[key.Line-1], []byte("images: {}")):
			column, after, head = key.Column+1, key.Line, ""
			lines[key.Line-1] = bytes.Replace(lines[key.Line-1], []byte(" {}"), nil, 1)
		case value.Kind != yaml.MappingNode || value.Style&yaml.FlowStyle != 0:
			return nil, fmt.Errorf("its images in line %d are a map in braces; write each on a line of its own below \"images:\"", key.Line)
		default:
			column, head = value.Column-1, newline
			after = lastLine(value)
			for n := after; n < len(lines); n++ { // the rest of the last image, such as its comments
				text := bytes.TrimRight(lines[n], "\r\n")
				if indent := len(text) - len(bytes.TrimLeft(text, " ")); len(text) > indent && indent <= column {
					break
				} else if len(text) > indent {
					after = n + 1
				}
			}
		}
	}
	var out bytes.Buffer
	for _, line := range lines[:after] {
		out.Write(line)
	}
	out.WriteString(head)
	for line := range strings.Lines(entries) {
		if line = strings.TrimRight(line, "\n"); line != "" {
			out.WriteString(strings.Repeat(" ", column) + line)
		}
		out.WriteString(newline)
	}
	for _, line := range lines[after:] {
		out.Write(line)
	}
	return out.Bytes(), nil
}

// lastLine returns the highest line in which a node begins.
func lastLine(n *yaml.Node) int {
	last := n.Line
	for _, child := range n.Content {
		last = max(last, lastLine(child))
	}
	return last
}
