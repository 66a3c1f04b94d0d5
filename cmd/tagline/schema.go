package main

import (
	"github.com/spf13/cobra"

	"tagline/config"
)

func (a *app) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of images.yaml, for editors",
		Long: `Print the JSON Schema of images.yaml, for editors.

The YAML language server, which most editors use, takes it from a line at the
top of images.yaml:

  # yaml-language-server: $schema=./images.schema.json`,
		Example: `  tagline schema > images.schema.json`,
		Args:    noArguments,
		RunE: func(*cobra.Command, []string) error {
			_, err := a.stdout.Write(config.Schema)
			return err
		},
	}
}
