package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tagline/config/findings"
)

// TestReference compares the page of the commands with the commands: it has every
// one of them with every flag. With -update it writes the page.
func TestReference(t *testing.T) {
	want := reference(newRoot(io.Discard, io.Discard, nil))
	if n := strings.Count(want, "\n### "); n < 9 {
		t.Fatalf("only %d commands found", n)
	}
	generated(t, "README.md", want)
}

// TestFindingsPage compares the table of findings on the page of the policies
// with package findings. With -update it writes the page.
func TestFindingsPage(t *testing.T) {
	var b strings.Builder
	b.WriteString("\n| id | about | severity | it means | what to do |\n| --- | --- | --- | --- | --- |\n")
	for _, k := range findings.All {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", k.ID, k.Group, k.Severity, cell(k.Means), cell(k.Do))
	}
	b.WriteString("\n")
	generated(t, "../../policies/README.md", b.String())
}

const (
	generatedBegin = "<!-- Generated: go test ./cmd/tagline -run 'TestReference|TestFindingsPage' -update -->\n"
	generatedEnd   = "<!-- The end of what is generated. -->"
)

// generated compares the generated part of a page with what it should be.
func generated(t *testing.T, page, want string) {
	t.Helper()
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(data), generatedBegin)
	have, after, ok2 := strings.Cut(rest, generatedEnd)
	if !ok || !ok2 {
		t.Fatalf("%s lacks %q or %q", page, generatedBegin, generatedEnd)
	}
	switch {
	case have == want:
	case *update:
		if err := os.WriteFile(page, []byte(before+generatedBegin+want+generatedEnd+after), 0o600); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s is out of date; run: go test ./cmd/tagline -run %s -update\n%s", page, t.Name(), firstDifference(have, want))
	}
}

// firstDifference is the first line in which two texts differ.
func firstDifference(have, want string) string {
	a, b := strings.Split(have, "\n"), strings.Split(want, "\n")
	for i := 0; i < min(len(a), len(b)); i++ {
		if a[i] != b[i] {
			return fmt.Sprintf("it has  %s\nand not %s", a[i], b[i])
		}
	}
	return fmt.Sprintf("it has %d lines, not %d", len(a), len(b))
}

// reference describes every command below root in Markdown.
func reference(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString("\n| command | does |\n| --- | --- |\n")
	for _, c := range root.Commands() {
		fmt.Fprintf(&b, "| [`%s`](#%s) | %s |\n", c.CommandPath(), strings.ReplaceAll(c.CommandPath(), " ", "-"), cell(c.Short))
	}
	b.WriteString("\nEvery command has these flags, and `--help`. Without a command, `--version` prints the version.\n\n")
	flagTable(&b, root.PersistentFlags())
	for _, c := range root.Commands() {
		describe(&b, c)
	}
	b.WriteString("\n")
	return b.String()
}

// describe writes the section of a command. The commands below it get a line
// each.
func describe(b *strings.Builder, c *cobra.Command) {
	// The page explains the exit codes once, for all commands.
	long, _, _ := strings.Cut(cmp.Or(strings.TrimSpace(c.Long), c.Short+"."), "\n\nExit codes:\n")
	fmt.Fprintf(b, "\n### %s\n\n```text\n%s\n```\n\n%s", c.CommandPath(), c.UseLine(), paragraphs(long))
	if flags := c.LocalNonPersistentFlags(); len(shown(flags)) > 0 {
		b.WriteString("\n")
		flagTable(b, flags)
	}
	if c.Example != "" {
		fmt.Fprintf(b, "\nExamples:\n\n```text\n%s\n```\n", unindent(c.Example))
	}
	if c.HasSubCommands() {
		b.WriteString("\n| command | does | flags |\n| --- | --- | --- |\n")
	}
	for _, below := range c.Commands() {
		var flags []string
		for _, f := range shown(below.LocalNonPersistentFlags()) {
			flags = append(flags, fmt.Sprintf("`--%s`: %s", f.Name, cell(f.Usage)))
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", below.CommandPath(), cell(below.Short), strings.Join(flags, "; "))
	}
}

// paragraphs makes indented lines a block, and leaves the others alone.
func paragraphs(text string) string {
	var b strings.Builder
	inBlock := false
	for line := range strings.Lines(text + "\n") {
		indented := strings.HasPrefix(line, "  ") || strings.HasPrefix(line, "\t")
		if indented && !inBlock {
			if !strings.HasSuffix(b.String(), "\n\n") {
				b.WriteString("\n")
			}
			b.WriteString("```text\n")
		}
		if !indented && inBlock {
			b.WriteString("```\n")
		}
		inBlock = indented
		b.WriteString(strings.TrimPrefix(strings.TrimPrefix(line, "\t"), "  "))
	}
	if inBlock {
		b.WriteString("```\n")
	}
	return b.String()
}

func unindent(text string) string {
	return strings.TrimPrefix(strings.ReplaceAll(text, "\n  ", "\n"), "  ")
}

// shown returns the flags that a page lists. Every command has --help.
func shown(flags *pflag.FlagSet) []*pflag.Flag {
	var all []*pflag.Flag
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Name != "help" && f.Name != "version" {
			all = append(all, f)
		}
	})
	return all
}

func flagTable(b *strings.Builder, flags *pflag.FlagSet) {
	b.WriteString("| flag | meaning | default |\n| --- | --- | --- |\n")
	for _, f := range shown(flags) {
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		value, usage := pflag.UnquoteUsage(f)
		if value != "" && f.Value.Type() != "count" {
			name += " " + value
		}
		initial := ""
		if !slices.Contains([]string{"", "[]", "false"}, f.DefValue) && f.Value.Type() != "count" {
			initial = "`" + f.DefValue + "`"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", name, cell(usage), initial)
	}
}

// cell keeps a text from ending the cell of a table that it is in.
func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
