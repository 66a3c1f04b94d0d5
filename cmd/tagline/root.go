package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"tagline/config"
	"tagline/policies"
	"tagline/reconcile"
	"tagline/reconcile/ecr"
	"tagline/reconcile/kinds"
	"tagline/reconcile/oci"
	"tagline/reconcile/oci/transport"
	"tagline/reconcile/report"
)

// app is what the commands share: the streams and the common flags.
type app struct {
	once           func(name string) ([]byte, error) // see [readOnce]
	stdout, stderr io.Writer

	files        []string
	registry     string
	registryFrom string // the flag or the variable
	images       []string
	imagesFrom   string // what names images, if it is not --image
	outputs      []string
	insecure     []string
	concurrency  int
	ecrPushRate  float64
	color        string
	quiet        bool
	verbose      int
	logFormat    string
	deletions    reconcile.Limit
	deep         bool
	shallow      bool // --deep=false, by hand
	cacheDir     string
	trashDir     string
	journalFile  string
	progress     atomic.Pointer[progress]   // of the run that is under way, if one is
	said         map[string]config.Registry // of images.yaml, once it is loaded
}

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
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return a.checkFlags(cmd)
		},
		// Find refuses an unknown command, unless it is empty or comes after "--".
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return noCommand(cmd, args[0])
			}
			return cmd.Help()
		},
		Version: versionText(),
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetFlagErrorFunc(flagError)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetArgs(args)
	flags := root.PersistentFlags()
	flags.StringVar(&a.color, "color", "auto", "colour the report: `WHEN` is auto, always or never")
	flags.BoolVarP(&a.quiet, "quiet", "q", false, "report problems alone")
	flags.CountVarP(&a.verbose, "verbose", "v", "report what is in sync too, and whole digests; -vv logs every request")
	flags.StringVar(&a.logFormat, "log-format", "text", "`FORMAT` of the log on stderr: text or json")
	_ = root.RegisterFlagCompletionFunc("color", cobra.FixedCompletions([]string{"auto", "always", "never"}, cobra.ShellCompDirectiveNoFileComp))
	_ = root.RegisterFlagCompletionFunc("log-format", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
	root.AddCommand(a.applyCommand(), a.checkCommand(), a.configCommand(), a.inspectCommand(), a.initCommand(), a.demoCommand(), a.restoreCommand(), a.historyCommand(), a.pageCommand(), a.reportCommand(), a.statusCommand(), a.explainCommand(), a.schemaCommand(), a.manCommand(), a.versionCommand())
	root.InitDefaultCompletionCmd(args...)
	if completion, _, err := root.Find([]string{"completion"}); err == nil {
		// With Args it refuses an unknown shell. cobra alone would print its help,
		// and that would end up in a shell profile.
		completion.Args = func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return noCommand(cmd, args[0])
			}
			return nil
		}
		completion.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		for _, shell := range completion.Commands() {
			shell.Args = noArguments
		}
	}
	root.InitDefaultHelpCmd()
	if help, _, err := root.Find([]string{"help"}); err == nil {
		help.Run, help.RunE = nil, helpOn // cobra's own never fails
	}
	return root
}

func helpOn(cmd *cobra.Command, args []string) error {
	topic, rest, _ := cmd.Root().Find(args)
	if len(rest) > 0 {
		return noCommand(topic, rest[0])
	}
	topic.InitDefaultHelpFlag()
	topic.InitDefaultVersionFlag()
	return topic.Help()
}

// defaultFile is what is read without -f.
const defaultFile = "images.yaml"

// fileFlag and the functions below add the flags that not every command has.
func (a *app) fileFlag(c *cobra.Command) {
	c.Flags().StringArrayVarP(&a.files, "file", "f", []string{defaultFile}, "`FILE` to read, or a folder with such files, or - for stdin; the first is the root file (repeatable)")
	_ = c.MarkFlagFilename("file", "yaml", "yml")
}

func (a *app) registryFlag(c *cobra.Command) {
	c.Flags().StringVar(&a.registry, "registry", "",
		"`HOST` for images that name none, instead of the file's registry (or set TAGLINE_REGISTRY)")
}

func (a *app) connectionFlags(c *cobra.Command) {
	a.registryFlag(c)
	c.Flags().StringArrayVar(&a.insecure, "insecure-registry", nil, "accept any certificate of this `HOST[:PORT]`, and plain http if it speaks no https, as Docker's insecure-registries does; no CIDR; plain http on loopback needs no flag (repeatable)")
	c.Flags().IntVar(&a.concurrency, "concurrency", oci.DefaultConcurrency, "requests in flight per registry host, unless images.yaml says another number for the host")
}

func (a *app) imageFlag(c *cobra.Command) {
	c.Flags().StringArrayVar(&a.images, "image", nil, "only the image of this `NAME`, as images.yaml spells it or with its host (repeatable)")
	_ = c.RegisterFlagCompletionFunc("image", a.completeImage)
}

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

// load reads images.yaml, and keeps the images that --image asks for and that keep
// does; nil for all.
func (a *app) load(keep func(config.Image) bool) (*config.Config, error) {
	var wanted []named
	for _, asked := range a.images {
		wanted = append(wanted, nameOf(asked))
	}
	cfg, err := config.Load(a.files, config.Options{
		Registry: a.registry, RegistryFrom: a.registryFrom, Policies: policies.Keys(), Once: a.once,
		Keep: func(image config.Image) bool {
			return (keep == nil || keep(image)) && (len(wanted) == 0 || slices.ContainsFunc(wanted, func(is named) bool {
				return is(image.Name, image.Repository)
			}))
		},
	})
	switch at := (*fs.PathError)(nil); {
	case errors.Is(err, fs.ErrNotExist) && slices.Equal(a.files, []string{defaultFile}):
		return nil, fmt.Errorf("%w; name another file with --file, or draft one: tagline init REPOSITORY -o %s", err, defaultFile)
	case errors.As(err, &at):
		return nil, fmt.Errorf("%w; name another file with --file", err)
	case err != nil:
		return nil, err
	}
	a.said = cfg.Registries
	for i, name := range a.images {
		if !slices.ContainsFunc(cfg.Listed, func(l config.Listed) bool { return wanted[i](l.Name, l.Repository) }) {
			return nil, fmt.Errorf("%s %q is not in %s, which has %s", cmp.Or(a.imagesFrom, "--image"), name, a.source(), some(name, cfg.Listed))
		}
	}
	return cfg, nil
}

// loadUntil is load that an interruption ends at once, for commands that write
// nothing. What it leaves running ends with the process.
func (a *app) loadUntil(ctx context.Context, keep func(config.Image) bool) (*config.Config, error) {
	type result struct {
		cfg *config.Config
		err error
	}
	loaded := make(chan result, 1)
	go func() {
		cfg, err := a.load(keep)
		loaded <- result{cfg, err}
	}()
	select {
	case r := <-loaded:
		return r.cfg, r.err
	case <-ctx.Done():
		return nil, errors.New("the run was interrupted")
	}
}

// named reports whether a text names an image.
type named func(name string, repository config.Repository) bool

// nameOf returns what a text such as --image names: an image by its name in
// images.yaml, or by its repository, whichever name of the host that has.
func nameOf(text string) named {
	repository, err := config.ParseRepository(text, "")
	place := repository.Place()
	return func(name string, of config.Repository) bool {
		return text == name || err == nil && of.Path == place.Path && of.Place() == place
	}
}

// some names the images, or of many the one that is nearest to a name.
func some(name string, images []config.Listed) string {
	var names []string
	for _, l := range images {
		names = append(names, l.Name)
	}
	switch near := config.Closest(name, names); {
	case len(names) <= 20:
		return strings.Join(names, ", ")
	case near != "":
		return fmt.Sprintf("%s; did you mean %q?", report.Count(len(names), "image"), near)
	}
	return report.Count(len(names), "image")
}

// source names what -f does, for messages.
func (a *app) source() string {
	names := slices.Clone(a.files)
	for i, name := range names {
		if name == config.Stdin {
			names[i] = "stdin"
		}
	}
	return strings.Join(names, ", ")
}

// patience is how long tagline waits for registries. Tests shorten it.
var patience transport.Patience

// client returns a client that reads the registries of the images: ECR through
// the AWS API, all others over HTTP.
func (a *app) client(images ...config.Image) *kinds.Client {
	options := ecr.Options{
		OCI: oci.Options{
			Concurrency: a.concurrency,
			Insecure:    a.insecure,
			UserAgent:   "tagline/" + version,
			Logger:      a.logger(),
			Patience:    patience,
		},
		PushRate: a.ecrPushRate,
	}
	for _, image := range images {
		options.Repositories = append(options.Repositories, image.Repository)
	}
	return kinds.New(options, a.registries())
}

// registries is what images.yaml says of hosts. A command that needs no
// images.yaml still reads it, if it is there, for this.
func (a *app) registries() map[string]config.Registry {
	if a.said == nil && len(a.files) > 0 {
		none := func(config.Image) bool { return false }
		if _, err := a.load(none); err != nil {
			level := slog.LevelWarn // it may say how to log in
			if errors.Is(err, fs.ErrNotExist) {
				level = slog.LevelDebug
			}
			a.logger().Log(context.Background(), level, "images.yaml says nothing of registries", "reason", err.Error())
		}
	}
	return a.said
}

// logger logs warnings to stderr, as JSON also what a run does, and with -vv every
// request.
func (a *app) logger() *slog.Logger {
	level := slog.LevelWarn
	if a.logFormat == "json" {
		level = slog.LevelInfo // with what a run did
	}
	switch {
	case a.quiet:
		level = slog.LevelError
	case a.verbose > 1:
		level = slog.LevelDebug
	}
	opts := &slog.HandlerOptions{Level: level}
	if a.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(above{a}, opts))
	}
	return slog.New(slog.NewTextHandler(above{a}, opts))
}

// colored decides for one stream (https://no-color.org).
func (a *app) colored(w io.Writer) bool {
	switch {
	case a.color != "auto":
		return a.color == "always"
	case os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb":
		return false
	}
	return isTerminal(w)
}

// width returns what COLUMNS says of stdout, or the width of a terminal, in
// characters. It is 0 for what is no terminal.
func (a *app) width(w io.Writer) int {
	if columns, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && columns > 0 && w == a.stdout {
		return max(columns, report.LeastWidth)
	}
	if f, ok := w.(*os.File); ok {
		if columns, _, err := term.GetSize(int(f.Fd())); err == nil && columns > 0 {
			return max(columns, report.LeastWidth)
		}
	}
	return 0
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
