package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"tagline/reconcile/report"
)

func (a *app) checkCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "check",
		Short: "Check images.yaml, without asking any registry",
		Args:  cobra.NoArgs,
		RunE: a.reporting(func(_ *cobra.Command, out *outputs) error {
			cfg, err := a.load()
			if err != nil {
				return err
			}
			out.config(cfg)
			for _, w := range cfg.Warnings {
				_, _ = fmt.Fprintln(a.stderr, report.Printable(w.Error()))
			}
			if a.quiet {
				return nil
			}
			aliases := 0
			for _, image := range cfg.Images {
				aliases += len(image.Aliases)
			}
			_, err = fmt.Fprintf(out.textTo, "%s is valid: %s, %s.\n", a.file, report.Count(len(cfg.Images), "image"), report.Count(aliases, "alias"))
			return err
		}),
	}
	a.fileFlag(c)
	a.registryFlag(c)
	a.outputFlag(c)
	return c
}
