package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"tagline/config"
)

// newRoot returns the command that has all others.
func newRoot(stdout, stderr io.Writer, args []string) *cobra.Command {
	a := &app{stdout: stdout, stderr: stderr, once: readOnce()}
	root := &cobra.Command{
		Use:   "tagline",
		Short: "Keep a container registry's stable tags true to images.yaml",
		Long: `Keep a container registry's stable tags true to images.yaml.

images.yaml says which alias tags a registry should carry and from which tags
each platform comes. tagline reads the registry, plans what is missing, and
pushes it, or with --dry-run only reports it.

Exit codes:
  0  done, or in sync; a dry run with changes too
  1  something failed (an invalid images.yaml too), or was applied only in part
  2  only with apply --detailed-exitcode: changes are pending, or were made
  3  nothing failed, but the registry's content or a policy forbids something`,
		SilenceUsage:      true,
		SilenceErrors:     true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return a.checkFlags(cmd) },
		// Find refuses an unknown command, unless it is empty or comes after "--".
		RunE:    helpAlone,
		Version: versionText(),
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetFlagErrorFunc(flagError)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetArgs(args)
	a.globalFlags(root)
	root.AddCommand(a.applyCommand(), a.checkCommand(), a.configCommand(), a.inspectCommand(), a.initCommand(), a.demoCommand(), a.restoreCommand(), a.historyCommand(), a.pageCommand(), a.reportCommand(), a.statusCommand(), a.explainCommand(), a.schemaCommand(), a.manCommand(), a.versionCommand())
	addCompletion(root, args)
	root.InitDefaultHelpCmd()
	if help, _, err := root.Find([]string{"help"}); err == nil {
		help.Run, help.RunE = nil, helpOn // cobra's own never fails
	}
	return root
}

// globalFlags are the flags that every command has.
func (a *app) globalFlags(root *cobra.Command) {
	flags := root.PersistentFlags()
	flags.StringVar(&a.color, "color", "auto", "colour the report: `WHEN` is auto, always or never")
	flags.BoolVarP(&a.quiet, "quiet", "q", false, "report problems alone")
	flags.CountVarP(&a.verbose, "verbose", "v", "report what is in sync too, and whole digests; -vv logs every request")
	flags.StringVar(&a.logFormat, "log-format", "text", "`FORMAT` of the log on stderr: text or json")
	_ = root.RegisterFlagCompletionFunc("color", cobra.FixedCompletions([]string{"auto", "always", "never"}, cobra.ShellCompDirectiveNoFileComp))
	_ = root.RegisterFlagCompletionFunc("log-format", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
}

// addCompletion adds cobra's command for completion, which refuses an unknown shell
// here. cobra alone would print its help, and that would end up in a shell profile.
func addCompletion(root *cobra.Command, args []string) {
	root.InitDefaultCompletionCmd(args...)
	completion, _, err := root.Find([]string{"completion"})
	if err != nil {
		return
	}
	completion.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return noCommand(cmd, args[0])
		}
		return nil
	}
	completion.RunE = helpAlone
	for _, shell := range completion.Commands() {
		shell.Args = noArguments
	}
}

// helpOn is the help command, for the command that the arguments name.
func helpOn(cmd *cobra.Command, args []string) error {
	topic, rest, _ := cmd.Root().Find(args)
	if len(rest) > 0 {
		return noCommand(topic, rest[0])
	}
	topic.InitDefaultHelpFlag()
	topic.InitDefaultVersionFlag()
	return topic.Help()
}

// checkFlags checks the flags that several commands have, and takes the registry from
// the environment if no flag names it.
func (a *app) checkFlags(cmd *cobra.Command) error {
	a.registryFrom = "--registry"
	switch given := cmd.Flags().Changed("registry"); {
	case given && a.registry == "":
		return errors.New("--registry is empty; name a host, or leave the flag out")
	case !given:
		a.registry, a.registryFrom = os.Getenv("TAGLINE_REGISTRY"), "TAGLINE_REGISTRY"
	}
	for _, host := range a.insecure {
		if _, err := netip.ParsePrefix(host); err == nil {
			return fmt.Errorf("--insecure-registry: %q is a network; name each registry in it, as HOST[:PORT]", host)
		}
		if _, err := config.ParseHost(host); err != nil {
			return fmt.Errorf("--insecure-registry: %w", err)
		}
	}
	if !slices.Contains([]string{"auto", "always", "never"}, a.color) {
		return fmt.Errorf("--color is %q, not auto, always or never", a.color)
	}
	if a.quiet && a.verbose > 0 {
		return errors.New("--quiet and --verbose contradict each other; give one of them")
	}
	if !slices.Contains([]string{"text", "json"}, a.logFormat) {
		return fmt.Errorf("--log-format is %q, not text or json", a.logFormat)
	}
	if cmd.Flags().Changed("ecr-push-rate") && !(a.ecrPushRate > 0 && a.ecrPushRate <= 1000) {
		return fmt.Errorf("--ecr-push-rate is %v, not more than 0 and at most 1000", a.ecrPushRate)
	}
	if a.concurrency < 1 || a.concurrency > 1000 {
		return fmt.Errorf("--concurrency is %d, not 1 to 1000", a.concurrency)
	}
	return nil
}
