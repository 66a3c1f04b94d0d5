package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"tagline/config"
	"tagline/reconcile"
	"tagline/reconcile/trash"
)

// noTrash is the value of --trash that turns the trash off.
const noTrash = "off"

func (a *app) trashFlag(c *cobra.Command, does string) {
	c.Flags().StringVar(&a.trashDir, "trash", "", does+" (default: tagline/trash in the user's cache folder)")
	_ = c.MarkFlagDirname("trash")
}

var (
	errEmptyTrash = errors.New("--trash is empty; name a folder, leave the flag out, or give " + noTrash)
	errNoTrash    = errors.New("there is no folder for the trash, since neither HOME nor XDG_CACHE_HOME is set; name one with --trash DIR, or delete for good with --trash " + noTrash)
)

// trashFolder returns the folder of the trash, "" if it is turned off. It does not
// depend on --cache-dir, which restore does not have.
func (a *app) trashFolder() (string, error) {
	switch {
	case a.trashDir == noTrash:
		return "", nil
	case a.trashDir != "":
		return a.trashDir, nil
	}
	user, err := os.UserCacheDir()
	if err != nil {
		return "", errNoTrash
	}
	return filepath.Join(user, "tagline", "trash"), nil
}

// trashExists returns an error if the folder of the trash does not exist and should.
// Only the default folder need not exist before a run has deleted something, and then
// at least the home folder does.
func (a *app) trashExists(dir string) error {
	missing := func(dir string) bool {
		_, err := os.Stat(dir)
		return errors.Is(err, fs.ErrNotExist)
	}
	switch home, err := os.UserHomeDir(); {
	case !missing(dir):
		return nil
	case a.trashDir != "":
		return fmt.Errorf("the trash %s does not exist; name the folder that apply had with --trash DIR", dir)
	case err == nil && strings.HasPrefix(dir, home) && missing(home):
		return fmt.Errorf("the trash %s does not exist, and neither does the home folder %s; name the folder that apply had with --trash DIR", dir, home)
	}
	return nil
}

// trash opens the trash for a run of this id. It is nil if the trash is turned off. If
// there is no folder for it, every deletion fails: nothing is deleted for good unless
// the user says so.
func (a *app) trash(run string) (keep reconcile.Trash, done func()) {
	dir, err := a.trashFolder()
	switch {
	case err != nil:
		return unkept{err}, func() {}
	case dir == "":
		return nil, func() {}
	}
	t := trash.Open(dir, run, ciJob())
	return t, func() {
		if err := t.Close(); err != nil {
			a.warn("%v; what is too old in it stays", err)
		}
	}
}

// checkTrash warns in a dry run if apply could not keep what it deletes.
func (a *app) checkTrash() {
	dir, err := a.trashFolder()
	if err == nil && dir != "" {
		err = trash.Check(dir)
	}
	if err != nil {
		a.warn("apply would delete nothing here: %v", err)
	}
}

// unkept is a trash without a folder.
type unkept struct{ err error }

// Keep implements [reconcile.Trash].
func (u unkept) Keep(config.Repository, []reconcile.Kept) error { return u.err }

// Deleted implements [reconcile.Trash].
func (unkept) Deleted(config.Repository) {}

// afterTrash reports the files of the trash that can't be read. They may hold what
// was asked for, so the command fails.
func (a *app) afterTrash(err error, damaged []error) error {
	for _, problem := range damaged {
		_, _ = fmt.Fprintln(a.stderr, message(problem))
	}
	if code := exitCode(0); len(damaged) > 0 && (err == nil || errors.As(err, &code)) {
		return exitCode(exitFailed)
	}
	return err
}
