package main

import (
	"context"
	"errors"
	"fmt"

	"tagline/config"
	"tagline/reconcile"
)

// survey makes the plan of a dry run for each image, with what its aliases carry and
// what else the job asks for, in their order. unread is the first problem in reading
// them.
func (a *app) survey(ctx context.Context, images []config.Image, job reconcile.Job, add func(config.Image, reconcile.Plan)) (unread, err error) {
	client := a.client(images...)
	defer client.Close()
	store := a.cache()
	defer store.Close()
	progress := a.startProgress(len(images), client)
	defer progress.stop()
	job.Readers, job.Planned, job.Begun = store.Readers(client, images), store.Release, progress.begin
	job.Limit, job.Deep, job.Carried = reconcile.Limit{Max: reconcile.DefaultMaxDeletions}, reconcile.DeepNever, true
	n := 0 // plans come in the order of the images
	reconcile.RunAll(ctx, job, images, func(plan reconcile.Plan, _ reconcile.Result) {
		progress.done()
		for _, e := range plan.Errors {
			if unread == nil {
				unread = fmt.Errorf("%s: %s", plan.Image, e.Message)
			}
		}
		add(images[n], plan)
		n++
	})
	if ctx.Err() != nil {
		return unread, errors.New("the run was interrupted")
	}
	return unread, nil
}
