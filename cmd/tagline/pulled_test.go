package main

import (
	"crypto/sha256"
	"fmt"
	"regexp"
	"slices"

	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/rogpeppe/go-internal/testscript"
)

// aDigest finds digests in manifests and in what scripts print.
var aDigest = regexp.MustCompile(`sha256:[0-9a-f]{64}`)

// printDigests prints a line for each digest that a tag leads to: its own, and
// those in its index. It reads the registry without any of tagline's code.
func printDigests(ts *testscript.TestScript, host string, args []string, options ...crane.Option) error {
	for _, tag := range args[1:] {
		body, err := crane.Manifest(host+"/"+args[0]+":"+tag, options...)
		if err != nil {
			return err
		}
		inside := aDigest.FindAllString(string(body), -1)
		slices.Sort(inside)
		for _, digest := range append([]string{digestOf(body)}, slices.Compact(inside)...) {
			if _, err := fmt.Fprintln(ts.Stdout(), tag, digest); err != nil {
				return err
			}
		}
	}
	return nil
}

// printGone prints how many of the digests in a file can't be pulled.
func printGone(ts *testscript.TestScript, host string, args []string, options ...crane.Option) error {
	all := aDigest.FindAllString(ts.ReadFile(args[1]), -1)
	gone := 0
	for _, digest := range all {
		if body, err := crane.Manifest(host+"/"+args[0]+"@"+digest, options...); err != nil || digestOf(body) != digest {
			gone++
		}
	}
	_, err := fmt.Fprintf(ts.Stdout(), "%d of %d are gone\n", gone, len(all))
	return err
}

func digestOf(body []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(body)) }
