package main

import (
	"github.com/spf13/cobra"

	"tagline/policies"
)

func (a *app) configCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "config [IMAGE...]",
		Short: "Print what images.yaml comes to, line by line with its origin",
		Long: `Print what images.yaml comes to, line by line with its origin.

The output is an images.yaml without profiles: each image has its policies and
its aliases itself. A comment on each line names the file, the line and the
profile that it is from. A policy with its default is a comment as a whole.

With images, only those are printed. Their names are as for --image.`,
		Example: `  tagline config my-image
  tagline config > flat.yaml`,
		ValidArgsFunction: func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
			a.images = args
			return a.completeImage(cmd, args, begun)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			a.images, a.imagesFrom = args, "image"
			cfg, err := a.loadUntil(cmd.Context(), nil)
			if err != nil {
				return err
			}
			a.tell(cfg.Warnings)
			return cfg.WriteEffective(a.stdout, policies.Keys())
		},
	}
	a.fileFlag(c)
	a.registryFlag(c)
	return c
}
