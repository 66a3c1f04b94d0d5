package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// unknownCommand returns an error for a command that does not exist, nil if all
// do. cobra has one too, but it takes several lines.
func unknownCommand(root *cobra.Command, args []string) error {
	for i, arg := range args {
		// Find has no other error. It knows which flags take a value.
		if _, _, err := root.Find(args[:i+1]); err != nil {
			return noCommand(root, arg)
		}
	}
	return nil
}

// elsewhere are commands of other tools, and what they are here.
var elsewhere = map[string]string{
	"plan": "apply --dry-run", "diff": "apply --dry-run", "dry-run": "apply --dry-run", "preview": "apply --dry-run",
	"sync": "apply", "push": "apply", "run": "apply", "update": "apply",
	"ls": "status", "list": "status", "show": "inspect", "describe": "inspect", "get": "status",
	"validate": "check", "lint": "check", "import": "init", "create": "init", "log": "history", "rollback": "history", "undo": "restore",
	"prune": "apply", "clean": "apply", "gc": "apply",
}

// noCommand returns the error for an unknown subcommand.
func noCommand(of *cobra.Command, name string) error {
	of.SuggestionsMinimumDistance = 2 // cobra's default, which it sets too late for this
	near := of.SuggestionsFor(name)
	if meant := elsewhere[strings.ToLower(name)]; meant != "" && !of.HasParent() {
		near = []string{meant}
	}
	if name == "" || len(near) == 0 {
		return fmt.Errorf("unknown command %q for %q; see %q", name, of.CommandPath(), of.CommandPath()+" --help")
	}
	slices.Sort(near)
	for i := range near {
		near[i] = strconv.Quote(near[i])
	}
	return fmt.Errorf("unknown command %q for %q; did you mean %s?", name, of.CommandPath(), strings.Join(near, " or "))
}

// helpAlone is the RunE of a command that only has others: it prints its help.
func helpAlone(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return noCommand(cmd, args[0])
	}
	return cmd.Help()
}

// noArguments is the Args of a command that takes flags alone.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := ""
	if cmd.Flags().Lookup("file") != nil {
		hint = "; name another file with --file"
	}
	if cmd.Flags().Lookup("compose") != nil {
		hint += ", or compose files with --compose"
	}
	return fmt.Errorf("%s has no arguments, and was given %q%s", strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" "), args[0], hint)
}
