package main

import (
	"io"

	"github.com/spf13/cobra"

	"tagline/config"
	"tagline/policies"
)

// sized counts what is written.
type sized struct {
	to    io.Writer
	bytes int
}

func (s *sized) Write(p []byte) (int, error) {
	n, err := s.to.Write(p)
	s.bytes += n
	return n, err
}

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
			to := &sized{to: a.stdout}
			if err := cfg.WriteEffective(to, policies.Keys()); err != nil {
				return err
			}
			if to.bytes > config.MaxBytes {
				a.warn("the output has more than %d bytes (5 MiB), so it can't be read as one file; name some of the images", config.MaxBytes)
			}
			return nil
		},
	}
	a.fileFlag(c)
	a.registryFlag(c)
	return c
}
