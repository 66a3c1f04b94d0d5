package main

import (
	"io"
	"regexp"
	"strings"
	"testing"
)

// Commands in the text of a page, or in a block that is not run, are commands of
// tagline with arguments and flags that it accepts. The bare name of a command is
// enough in a sentence.
func TestCommandsInText(t *testing.T) {
	expression := regexp.MustCompile(`\$\{\{[^}]*\}\}`) // of a workflow
	inText := regexp.MustCompile("`tagline ([^`]+)`")
	inBlock := regexp.MustCompile(`(?m)^ *(?:- )?(?:run: )?tagline ([^\n#|>;&]+)`)
	found := 0
	for name, text := range pages(t) {
		var lines []string
		for _, block := range fenced.FindAllStringSubmatch(text, -1) {
			if block[1] == "console" || block[1] == "text" {
				continue
			}
			for _, match := range inBlock.FindAllStringSubmatch(block[2], -1) {
				lines = append(lines, match[1])
			}
		}
		for _, match := range inText.FindAllStringSubmatch(prose(text), -1) {
			lines = append(lines, match[1])
		}
		found += len(lines)
		for _, line := range lines {
			args := strings.Fields(expression.ReplaceAllString(line, "0"))
			if c, rest, err := newRoot(io.Discard, io.Discard, nil).Find(args); err == nil && c.HasParent() && len(rest) == 0 {
				continue
			}
			if err := accepts(args); err != nil {
				t.Errorf("%s: tagline %s: %v", name, line, err)
			}
		}
	}
	if found < 20 {
		t.Errorf("only %d commands found", found)
	}
}

// accepts parses a command line, and runs nothing.
func accepts(args []string) error {
	command, rest, err := newRoot(io.Discard, io.Discard, nil).Find(args)
	if err != nil {
		return err
	}
	if err := command.ParseFlags(rest); err != nil {
		return err
	}
	return command.ValidateArgs(command.Flags().Args())
}
