package main

import (
	"context"
	"fmt"

	"tagline/config"
	"tagline/reconcile"
	"tagline/reconcile/kinds"
	"tagline/reconcile/registry"
)

// threeRuns shows the main job: the plan, the run, and a second run with nothing
// to do. Each has a client of its own, like the commands that it shows.
func (a *app) threeRuns(ctx context.Context, images []config.Image) error {
	run := func(title string, write bool) error {
		a.say("\n%s", title)
		client := a.client(images...)
		defer client.Close()
		var writers registry.Writers
		if write {
			writers = kinds.NewWriters(client)
		}
		done, err := a.reconcile(ctx, job{
			Job:    reconcile.Job{Readers: client, Writers: writers},
			images: images, out: &outputs{text: a.newText(a.stdout, !write)}, client: client,
		})
		if err != nil {
			return err
		}
		return done.exit(false)
	}
	if err := run("1. tagline apply --dry-run", false); err != nil {
		return err
	}
	if err := run("2. tagline apply", true); err != nil {
		return err
	}
	return run("3. tagline apply, once more", true)
}

// say writes a line of the story. A closed stdout shows in the next report.
func (a *app) say(format string, args ...any) {
	_, _ = fmt.Fprintf(a.stdout, format+"\n", args...)
}
