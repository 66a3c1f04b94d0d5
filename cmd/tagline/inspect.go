package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"tagline/config"
	"tagline/reconcile"
	"tagline/reconcile/report"
)

func (a *app) inspectCommand() *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:   "inspect REF",
		Short: "Show what a tag is: platforms, sources, attestations, referrers, owner",
		Long: `Show what a tag is: platforms, sources, attestations, referrers, owner, and the
tags that cosign keeps for it.

REF is repository:tag or repository@digest. A repository without a host is an
image of images.yaml by its name there, or is on the --registry.`,
		Example: `  tagline inspect my-image:10
  tagline inspect localhost:5000/my-image:10`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("inspect wants one REF, such as my-image:10, not %d", len(args))
			}
			return nil
		},
		ValidArgsFunction: a.completeReference,
		RunE: func(cmd *cobra.Command, args []string) error {
			format, path, _ := strings.Cut(output, "=")
			if format != "text" && format != "json" {
				return fmt.Errorf("--output is %q, not text or json", format)
			}
			write := func(data []byte) error { _, err := a.stdout.Write(data); return err }
			if path != "" && path != "-" {
				var err error
				if write, err = fileWriter(path); err != nil {
					return fmt.Errorf("--output %s: %w", output, err)
				}
			}
			repository, reference, err := a.reference(args[0], cmd.Flags().Changed("file"))
			if err != nil {
				return err
			}
			client := a.client()
			defer client.Close()
			in, failed := reconcile.Inspect(cmd.Context(), client, repository, reference)
			if in.Digest == "" {
				return failed
			}
			text := new(bytes.Buffer)
			if format == "json" {
				text = bytes.NewBuffer(report.InspectionJSON(in))
			} else if err := report.Inspection(text, in); err != nil {
				return err
			}
			if err := write(text.Bytes()); err != nil {
				return err
			}
			return failed
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "text", "report as `FORMAT[=PATH]`, on stdout without a path or with -: text or json")
	a.fileFlag(c)
	a.connectionFlags(c)
	return c
}

// reference resolves REF. Without a host in it and without --registry, the
// registry is the one of images.yaml. If -f names an images.yaml, it must exist
// in any case.
func (a *app) reference(text string, named bool) (config.Repository, string, error) {
	ref, err := config.ParseReference(text, a.registry)
	if err == nil && !named {
		return ref.Repository, ref.Reference(), nil
	}
	cfg, unread := a.load()
	switch {
	case errors.Is(unread, fs.ErrNotExist) && !named:
		return config.Repository{}, "", err
	case unread != nil:
		return config.Repository{}, "", unread
	}
	ref, err = config.ParseReference(text, cfg.Registry)
	return ref.Repository, ref.Reference(), err
}
