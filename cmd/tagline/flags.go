package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tagline/config"
)

// flagError says what is wrong with a flag in tagline's own words. Those of pflag
// are about the functions that parse.
func flagError(cmd *cobra.Command, err error) error {
	var value *pflag.InvalidValueError
	var missing *pflag.ValueRequiredError
	var unknown *pflag.NotExistError
	switch {
	case errors.As(err, &value):
		err = fmt.Errorf("--%s: expected %s, found %q", value.GetFlag().Name, expected(value), value.GetValue())
	case errors.As(err, &missing):
		err = fmt.Errorf("--%s: expected a value after it", missing.GetFlag().Name)
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() == "":
		err = fmt.Errorf("unknown flag --%s", unknown.GetSpecifiedName())
		var known []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
		meant := flagsElsewhere[unknown.GetSpecifiedName()]
		if flag, _, _ := strings.Cut(meant, " "); cmd.Flags().Lookup(flag) == nil {
			meant = config.Closest(unknown.GetSpecifiedName(), known)
		}
		if meant != "" {
			return fmt.Errorf("%w; did you mean --%s?", err, meant)
		}
	}
	return fmt.Errorf("%w; see %q", err, cmd.CommandPath()+" --help")
}

// flagsElsewhere are flags of other tools, and what they are here.
var flagsElsewhere = map[string]string{
	"check": "dry-run", "diff": "dry-run", "noop": "dry-run", "preview": "dry-run", "what-if": "dry-run", "simulate": "dry-run",
	"json": "output json", "format": "output", "config": "file", "exit-code": "detailed-exitcode", "insecure": "insecure-registry", "only": "image",
}

// expected is what a flag takes.
func expected(e *pflag.InvalidValueError) string {
	switch {
	case errors.Is(e, strconv.ErrRange):
		return "a smaller number"
	case e.GetFlag().Value.Type() == "bool":
		return "true or false"
	case e.GetFlag().Value.Type() == "float64":
		return "a number"
	}
	return "a whole number"
}

// oneOf refuses a flag together with any of the others. The shell does not
// complete them together either.
func oneOf(c *cobra.Command, why, flag string, others ...string) {
	for _, other := range others {
		c.MarkFlagsMutuallyExclusive(flag, other)
	}
	c.PreRunE = func(cmd *cobra.Command, _ []string) error { // before cobra does, in other words
		for _, other := range others {
			if cmd.Flags().Changed(flag) && cmd.Flags().Changed(other) {
				return fmt.Errorf("--%s and --%s can't go together: %s", flag, other, why)
			}
		}
		return nil
	}
}
