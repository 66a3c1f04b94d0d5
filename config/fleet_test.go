package config_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"tagline/config"
	"tagline/policies"
)

// testdata/fleet is what a platform team may keep: forty services of four teams, in
// three environments. Written out, with an alias for each service and environment,
// it would be one flat file for each environment.
func TestFleet(t *testing.T) {
	t.Chdir("testdata/fleet")
	var got strings.Builder
	row := func(what string, files int, text []byte) {
		fmt.Fprintf(&got, "%-18s %2d files %5d lines %6d bytes\n", what, files, bytes.Count(text, []byte("\n")), len(text))
	}
	var tree, flat []byte
	files := 0
	for _, pattern := range []string{"*/images.yaml", "teams/*/*.yaml"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			tree = append(tree, data...)
			files++
		}
	}
	row("tree", files, tree)
	environments := []string{"dev", "staging", "prod"}
	for _, environment := range environments {
		options := config.Options{Policies: policies.Keys()}
		cfg, err := config.Load([]string{environment, "teams"}, options)
		if err != nil {
			t.Fatal(err)
		}
		if len(cfg.Warnings) > 0 {
			t.Errorf("%s: it warns: %v", environment, cfg.Warnings)
		}
		var b bytes.Buffer
		if err := cfg.WriteEffective(&b, policies.Keys()); err != nil {
			t.Fatal(err)
		}
		bare := byHand(b.Bytes())
		again, err := config.Parse("flat.yaml", bare, options)
		if err != nil {
			t.Fatal(err)
		}
		if len(again.Listed) != len(cfg.Listed) || again.Aliases() != cfg.Aliases() {
			t.Errorf("%s: %d images and %d aliases, flat %d and %d", environment, len(cfg.Listed), cfg.Aliases(), len(again.Listed), again.Aliases())
		}
		row("flat "+environment, 1, bare)
		fmt.Fprintf(&got, "%18s %d images, %d aliases\n", "", len(cfg.Listed), cfg.Aliases())
		flat = append(flat, bare...)
	}
	row("flat, together", len(environments), flat)
	want, err := os.ReadFile("../fleet.txt")
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got.String(), want)
	}
}

// byHand returns the output of config as it would be written by hand: without
// comments, and with the policies that most images have once, for all of them.
func byHand(file []byte) []byte {
	var b bytes.Buffer
	for line := range bytes.Lines(file) {
		line, _, _ = bytes.Cut(line, []byte("# "))
		if line = bytes.TrimRight(line, " \n"); len(line) > 0 {
			b.Write(append(line, '\n'))
		}
	}
	counts := map[string]int{}
	shared := ""
	for _, block := range blocks.FindAllString(b.String(), -1) {
		if counts[block]++; counts[block] > counts[shared] {
			shared = block
		}
	}
	top, images, _ := strings.Cut(b.String(), "images:\n")
	return []byte(top + strings.ReplaceAll(shared, "\n    ", "\n")[4:] + "images:\n" + strings.ReplaceAll(images, shared, ""))
}

// blocks finds the policies of the images.
var blocks = regexp.MustCompile(`(?m)^    policies:\n(?:      .*\n)+`)
