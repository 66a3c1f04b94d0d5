package main

import (
	"bytes"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"tagline/reconcile/journal"
	"tagline/reconcile/report"
)

// historyFlags are the flags that history alone has.
type historyFlags struct {
	at, output string
	journals   []string // files, or folders of them
}

func (a *app) historyCommand() *cobra.Command {
	flags := &historyFlags{}
	c := &cobra.Command{
		Use:   "history REPOSITORY:TAG --journal FILE...",
		Short: "Show what a tag named over time, who moved it, and how to go back",
		Long: `Show what a tag named over time, who moved it, and how to go back.

The journals are the files that apply and restore had as their --journal. Several are
read as one, in any order, and a line that two of them have counts once.
No registry is asked. A repository without a host is an image of images.yaml by its
name there, or is on the --registry.

A date is the whole day, in UTC, and a time without a fraction is the whole second.
history ends with what to write into images.yaml to go back: to what the tag named
then, or without --at to what it named before its last move. The tag's old digest gives
the very same bytes, as long as the registry has them. Versions and the digests of
images give the same images, but perhaps in another index.`,
		Example: `  tagline history my-image:10 --journal journal.jsonl
  tagline history my-image:10 --at 2026-01-02 --journal journal.jsonl
  tagline history my-image:10 --at "2026-01-02 03:04:05 UTC" --journal journal.jsonl
  tagline history my-image:10 --at 7d --journal parts/`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("history wants one REPOSITORY:TAG, such as my-image:10, not %d", len(args))
			}
			return nil
		},
		ValidArgsFunction: a.completeReference,
		RunE:              func(cmd *cobra.Command, args []string) error { return a.history(cmd, args[0], flags) },
	}
	c.Flags().StringVar(&flags.at, "at", "", "only what it named `WHEN`: on 2026-01-02, at \"2026-01-02 03:04:05 UTC\", or 7d or 2h30m ago")
	a.journalsFlag(c, &flags.journals)
	answerFlag(c, &flags.output)
	a.fileFlag(c)
	a.registryFlag(c)
	return c
}

// history does the work of the command, for REPOSITORY:TAG.
func (a *app) history(cmd *cobra.Command, name string, flags *historyFlags) error {
	opts, err := parseAt(flags.at, cmd.Flags().Changed("at"), time.Now())
	if err != nil {
		return err
	}
	to, err := a.openAnswer(flags.output)
	if err != nil {
		return err
	}
	ref, err := a.reference(name, cmd.Flags().Changed("file"))
	if err != nil {
		return err
	}
	if ref.Tag == "" {
		return fmt.Errorf("%s names no tag; a digest never changes", name)
	}
	moves, skipped, err := a.readJournals(flags.journals, func(m journal.Move) bool { return m.Repository.Place() == ref.Repository.Place() })
	if err != nil {
		return err
	}
	h := journal.NewLog(moves).History(ref.Repository, ref.Tag)
	if len(h.States) == 0 {
		has := "the journal has"
		if len(flags.journals) > 1 {
			has = "the journals have"
		}
		return fmt.Errorf("%s no move of %s:%s", has, ref.Repository, ref.Tag)
	}
	if to.json {
		return to.write(report.HistoryJSON(h, opts, skipped))
	}
	var out bytes.Buffer
	text := report.NewText(&out, report.TextOptions{Verbose: a.verbose > 0, Color: !to.toFile && a.colored(a.stdout)})
	err = text.History(h, opts)
	return to.give(out.Bytes(), err)
}

func parseAt(text string, given bool, now time.Time) (report.HistoryOptions, error) {
	if !given {
		return report.HistoryOptions{}, nil
	}
	from, to, ok := parseTime(text, now)
	if !ok {
		return report.HistoryOptions{}, notTime("--at", text)
	}
	return report.HistoryOptions{At: text, From: from, To: to}, nil
}
