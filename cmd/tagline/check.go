package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"tagline/config"
	"tagline/config/compose"
	"tagline/reconcile/report"
)

// checkFlags are the flags that check alone has.
type checkFlags struct {
	compose []string // projects
	fix     bool
}

func (a *app) checkCommand() *cobra.Command {
	flags := &checkFlags{}
	formats := formatNames("metrics") // they are of requests, and there are none
	c := &cobra.Command{
		Use:   "check",
		Short: "Check images.yaml, and compose files against it, without asking any registry",
		Long: `Check images.yaml, and compose files against it, without asking any registry.

With --compose, each service's image is checked if its repository is in
images.yaml. It must be an alias there that has the service's platform or,
without one, all platforms that the policy requires. Findings lead to exit code 3.

Without a FILE, --compose takes that of the current folder, such as compose.yaml.
A folder stands for the file in it, and FOLDER/... for all compose files below.

Each FILE is a project. Files of one project are joined with ":", as in
COMPOSE_FILE; the later override the earlier. A file with a default name, such
as compose.yml, brings compose.override.yml beside it, as docker compose does
if no file is named.

With --fix, a tag that one alias alone takes images from, or follows, is replaced
with that alias in the compose file, unless the text has variables in it.

Variables come from the environment and from .env, as for docker compose.
"include" and "extends" are followed within the git work tree of the file.
Without one, that is within the current folder if the file is below it, or else
within the file's own folder. Nothing is fetched.`,
		Example: `  tagline check
  tagline check --compose
  tagline check --compose compose.yml deploy/compose.yml
  tagline check --compose ./...
  tagline check --compose compose.yml:compose.prod.yml`,
		Args: func(cmd *cobra.Command, args []string) error {
			switch none := noArguments(cmd, args); {
			case none != nil && len(flags.compose) == 0:
				return none
			case slices.ContainsFunc(slices.Concat(flags.compose, args), namesNoFile):
				return errors.New("--compose is empty; name a file")
			case flags.fix && len(flags.compose) == 0:
				return errors.New("--fix changes compose files; name them with --compose")
			}
			return nil
		},
		RunE: a.reporting(formats, composeFiles, func(cmd *cobra.Command, out *outputs) error { return a.check(cmd, out, flags) }),
	}
	a.fileFlag(c)
	a.registryFlag(c)
	a.outputFlag(c, formats)
	c.Flags().StringArrayVar(&flags.compose, "compose", nil, "check compose files against images.yaml: that of the current folder, or each `FILE` that follows (FILE:FILE is one project)")
	c.Flags().BoolVar(&flags.fix, "fix", false, "write the alias into compose files where a tag leaves one choice")
	c.Flags().Lookup("compose").NoOptDefVal = thisFolder
	_ = c.MarkFlagFilename("compose", "yaml", "yml")
	return c
}

// check does the work of the command.
func (a *app) check(cmd *cobra.Command, out *outputs, flags *checkFlags) error {
	cfg, err := a.loadUntil(cmd.Context(), func(config.Image) bool { return len(flags.compose) > 0 })
	if err != nil {
		return err
	}
	out.config(cfg)
	a.tell(cfg.Warnings)
	if len(flags.compose) > 0 {
		projects, err := composeProjects(cmd)
		if err != nil {
			return err
		}
		return a.checkCompose(cfg, projects, flags.fix, out)
	}
	if a.quiet {
		return nil
	}
	_, err = fmt.Fprintf(out.textTo, "%s%s, %s.\n", a.valid(cfg), report.Count(len(cfg.Listed), "image"), report.Count(cfg.Aliases(), "alias"))
	return err
}

// valid says that what -f names is valid, and how many files that is.
func (a *app) valid(cfg *config.Config) string {
	switch {
	case len(a.files) > 1:
		return fmt.Sprintf("%s are valid: %s, ", a.source(), report.Count(cfg.Files, "file"))
	case cfg.Files > 1:
		return fmt.Sprintf("%s is valid: %s, ", a.source(), report.Count(cfg.Files, "file"))
	}
	return a.source() + " is valid: "
}

// namesNoFile reports whether a project, or one of its files, has no name.
func namesNoFile(project string) bool { return slices.Contains(compose.Files(project), "") }
