package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"tagline/config"
	"tagline/reconcile"
	"tagline/reconcile/journal"
	"tagline/reconcile/report"
)

func (a *app) journalFlag(c *cobra.Command) {
	c.Flags().StringVar(&a.journalFile, "journal", "", "add a line to this `FILE` for each tag that is moved, made or deleted, for history")
	_ = c.MarkFlagFilename("journal", "jsonl")
}

// recording is a run's journal. It is nil if there is none.
type recording struct {
	*app
	to     *journal.Writer
	mu     sync.Mutex
	failed error
	lost   int  // moves that are not in the journal
	broken bool // it can't be written
}

// record opens the journal of a run. A run goes on without one that can't be
// written, and fails if there was something to write. outputs are the flags of the
// reports.
func (a *app) record(cmd *cobra.Command, run string, outputs ...string) (*recording, error) {
	switch {
	case !cmd.Flags().Changed("journal"):
		return nil, nil
	case a.journalFile == "":
		return nil, errors.New("--journal is empty; name a file, or leave the flag out")
	}
	for _, flag := range outputs {
		if _, path, found := strings.Cut(flag, "="); found && absolute(path) == absolute(a.journalFile) {
			return nil, fmt.Errorf("--output %s would replace the journal; name another file", flag)
		}
	}
	r := &recording{app: a, to: journal.NewWriter(a.journalFile, run, doer())}
	if err := journal.Check(a.journalFile); err != nil {
		a.warn("%v; what the run moves will be in no journal", err)
		r.broken = true
	}
	return r, nil
}

// aliases returns the tags that were aliases by the journal, as far as there is one.
func (r *recording) aliases(images []config.Image) map[config.Repository][]reconcile.TagDigest {
	if r == nil || r.broken {
		return nil
	}
	all, err := formerAliases([]string{r.journalFile}, images)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.warn("%v; aliases that only the journal knows are not told", err)
	}
	return all
}

// add records moves. It is safe for concurrent use.
func (r *recording) add(moves []journal.Move) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.to.Append(moves); err != nil {
		r.failed, r.lost = cmp.Or(r.failed, err), r.lost+len(moves)
	}
}

// close says what is not in the journal, and returns the error to end the command
// with, given that of the run.
func (r *recording) close(err error) error {
	if r == nil || r.failed == nil {
		return err
	}
	_, _ = fmt.Fprintln(r.stderr, message(fmt.Errorf("%w; the registry has changed all the same, and the journal lacks %s", r.failed, report.Count(r.lost, "move"))))
	if code := exitCode(0); err == nil || errors.As(err, &code) {
		return exitCode(exitFailed)
	}
	return err
}

// doer says who runs this: the CI job and its commit, or else the user.
func doer() journal.By {
	if url := ciJob(); url != "" {
		return journal.By{URL: url, Commit: ciCommit()}
	}
	by := journal.By{}
	if u, err := user.Current(); err == nil {
		by.User = u.Username
	}
	if host, err := os.Hostname(); err == nil {
		by.User += "@" + host
	}
	return by
}
