package main

import (
	"bytes"
	"fmt"

	"github.com/spf13/cobra"

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
		RunE:              func(cmd *cobra.Command, args []string) error { return a.inspect(cmd, args[0], output) },
	}
	answerFlag(c, &output)
	a.fileFlag(c)
	a.connectionFlags(c)
	return c
}

// inspect does the work of the command, for REF.
func (a *app) inspect(cmd *cobra.Command, name, output string) error {
	to, err := a.openAnswer(output)
	if err != nil {
		return err
	}
	ref, err := a.reference(name, cmd.Flags().Changed("file"))
	if err != nil {
		return err
	}
	client := a.client()
	defer client.Close()
	in, failed := reconcile.Inspect(cmd.Context(), client, ref.Repository, ref.Reference())
	if in.Digest == "" {
		return failed
	}
	text := new(bytes.Buffer)
	if to.json {
		text = bytes.NewBuffer(report.InspectionJSON(in))
	} else if err := report.Inspection(text, in); err != nil {
		return err
	}
	if err := to.write(text.Bytes()); err != nil {
		return err
	}
	return failed
}
