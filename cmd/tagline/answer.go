package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// answerFormats are those of a command that prints one answer.
var answerFormats = []string{"text", "json"}

func answerFlag(c *cobra.Command, flag *string) {
	c.Flags().StringVarP(flag, "output", "o", "text", "report as `FORMAT[=PATH]`, on stdout without a path or with -: "+strings.Join(answerFormats, " or "))
	_ = c.RegisterFlagCompletionFunc("output", completeOutput(answerFormats))
}

// answer is where a command prints its one answer.
type answer struct {
	json, toFile bool
	write        func([]byte) error
}

// give writes an answer. One that could not be made replaces no file.
func (to answer) give(data []byte, err error) error {
	if err != nil {
		return err
	}
	return to.write(data)
}

// openAnswer checks that the path can be written, before any registry is asked.
func (a *app) openAnswer(flag string) (answer, error) {
	name, path, err := parseOutput(flag, answerFormats)
	if err != nil {
		return answer{}, err
	}
	to := answer{json: name == "json", toFile: path != "", write: func(data []byte) error { _, err := a.stdout.Write(data); return err }}
	if to.toFile {
		if to.write, err = fileWriter(path); err != nil {
			return answer{}, fmt.Errorf("--output %s: %w", flag, err)
		}
	}
	return to, nil
}
