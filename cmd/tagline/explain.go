package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tagline/config"
	"tagline/config/findings"
)

func (a *app) explainCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "explain [ID]",
		Short: "Say what a finding means and what to do about it",
		Long: `Say what a finding means and what to do about it.

A finding has its ID in brackets: error[missing-source]. The ID can be given as it
is printed, with the brackets. Without an ID, all are listed.`,
		Example: `  tagline explain missing-source`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return fmt.Errorf("explain wants one ID, such as missing-source, not %d", len(args))
			}
			return nil
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return findingIDs(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return listFindings(a.stdout)
			}
			id := bracketed(args[0])
			kind, known := findings.Explain(findings.ID(id))
			if !known {
				return unknownFinding(id)
			}
			_, err := fmt.Fprintf(a.stdout, "%s (%s, %s)\n%s\n%s\n", kind.ID, kind.Severity, kind.Group, kind.Means, kind.Do)
			return err
		},
	}
}

// bracketed returns the ID in "error[ID]", or the text itself.
func bracketed(text string) string {
	severity, rest, is := strings.Cut(strings.TrimSuffix(text, ":"), "[")
	if id, closed := strings.CutSuffix(rest, "]"); is && closed && slices.Contains([]string{"", "error", "warning"}, severity) {
		return id
	}
	return text
}

func listFindings(w io.Writer) error {
	for _, kind := range findings.All {
		if _, err := fmt.Fprintf(w, "%-20s  %s\n", kind.ID, kind.Means); err != nil {
			return err
		}
	}
	return nil
}

func unknownFinding(id string) error {
	near := ""
	if closest := config.Closest(strings.ToLower(id), findingIDs()); closest != "" {
		near = fmt.Sprintf("; did you mean %s?", closest)
	}
	return fmt.Errorf("no finding has the ID %q%s", id, near)
}

func findingIDs() []string {
	var ids []string
	for _, kind := range findings.All {
		ids = append(ids, string(kind.ID))
	}
	return ids
}
