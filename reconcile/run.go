package reconcile

import (
	"context"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/semaphore"

	"tagline/config"
	"tagline/policies"
	"tagline/reconcile/registry"
)

// What a run holds in memory is bounded, however large images.yaml is: by the
// images under way, and by those whose report waits for an earlier one. The
// backends bound their requests themselves, per host.
const (
	imagesAtOnce    = 16 // most repositories are small and have one request at a time
	imagesUnwritten = 4 * imagesAtOnce
	aliasesAtOnce   = 5000 // of all these images; an image with more goes alone
)

// Job is what a run does, and with what.
type Job struct {
	Readers registry.Readers
	Writers registry.Writers           // nil for a dry run, which ends with the plan
	Trash   Trash                      // keeps what is deleted; nil if nothing is to be kept
	Limit   Limit                      // of deletions
	Deep    Deepness                   // how far to look for what is missing
	Saved   map[config.Repository]Plan // plans to apply as they are; nil to make new ones
	Carried bool                       // have plans say what aliases name now, too
	Former  bool                       // look for former aliases, also where the run changes nothing; see [Plan.Former]
	// Recorded are tags that tagline moved, with what they named then, by a record of
	// its own and by [config.Repository.Place]. Those that are former aliases are told.
	Recorded map[config.Repository][]TagDigest
	Planned  func(config.Image) // is told when nothing more is read for a plan; may be nil
	Applied  func(Plan, Result) // is told what was done to each image, at once and from several goroutines; may be nil
	// Begun is told when an image's turn comes, and what it returns, when the image is
	// done. Several images are under way at once. It may be nil.
	Begun func(config.Image) (ended func())
}

// Deepness says when a run asks whether everything that aliases in sync list
// still exists; see [ObserveDeep].
type Deepness int

// When a run looks deep.
const (
	DeepForDeletions Deepness = iota // for images from which tagline deletes; see [Deletes]
	DeepAlways
	DeepNever
)

// Run is the story of one image: observe, diff, guard, apply. Without writers it
// ends with the plan, and the result is zero.
func Run(ctx context.Context, job Job, image config.Image) (Plan, Result) {
	if job.Begun != nil {
		defer job.Begun(image)()
	}
	if job.Saved != nil {
		plan := Guard(job.Saved[image.Repository], job.Limit)
		left := job.leave(image, plan)
		job.planned(image)
		result := ApplySaved(ctx, job.Readers, job.writer(image.Repository, plan), image, plan, job.Limit)
		job.applied(plan, result)
		left(ctx, result)
		return plan.with(result, image), result
	}
	observe := Observe
	switch {
	case job.Deep == DeepAlways:
		observe = ObserveReferrers
	case job.Deep == DeepForDeletions && Deletes(image):
		observe = ObserveDeep
	}
	state := observe(ctx, job.Readers, image)
	plan := Guard(Diff(image, state), job.Limit)
	if job.Carried {
		plan.Carried = state.carried(ctx, job.Readers, image, plan)
	}
	look := job.Former || job.Writers != nil && plan.renames()
	state.leftovers(ctx, job.Readers, image, &plan, look, job.Recorded[image.Repository.Place()])
	if job.Writers == nil {
		job.planned(image)
		return plan, Result{}
	}
	left := job.leave(image, plan)
	job.planned(image)
	result := Apply(ctx, job.writer(image.Repository, plan), plan)
	job.applied(plan, result)
	left(ctx, result)
	return plan.with(result, image), result
}

func (job Job) planned(image config.Image) {
	if job.Planned != nil {
		job.Planned(image)
	}
}

func (job Job) applied(plan Plan, result Result) {
	if job.Applied != nil {
		job.Applied(plan, result)
	}
}

// leave notes what tags are about to leave: since when it waits for grace, and what
// the registry may drop. If the run is killed or something fails, the next run knows
// the one and looks for the other. left forgets what was put back, and what two runs
// could not put back: a manifest without its blobs would fail every run.
func (job Job) leave(image config.Image, plan Plan) (left func(context.Context, Result)) {
	memory := job.Readers.Reader(image.Repository).Memory()
	before, settled, waits := memory.Record().Leaving, map[string]bool{}, plan.waits(image)
	for _, k := range plan.Required {
		if !k.Lost {
			settled[k.Digest] = true
		}
	}
	if len(settled)+len(waits) > 0 {
		memory.Note(func(r registry.Record) {
			maps.Copy(r.Leaving, settled)
			maps.Copy(r.Waiting, waits)
		})
	}
	if len(before)+len(settled) == 0 {
		return func(context.Context, Result) {}
	}
	return func(ctx context.Context, result Result) {
		if ctx.Err() == nil && len(plan.Errors) == 0 {
			maps.Copy(settled, before)
		}
		for i, k := range plan.Required {
			if result.Ensured[i].Err != nil && !k.Lost {
				delete(settled, k.Digest)
			}
		}
		memory.Note(func(r registry.Record) {
			maps.DeleteFunc(r.Leaving, func(digest string, _ bool) bool { return settled[digest] })
		})
	}
}

// waits returns what has to wait for grace from now on: what the plan takes a tag
// from, or strands, and does not delete. A tag that does not move after all keeps it,
// and the next sweep forgets that it waits.
func (p Plan) waits(image config.Image) map[string]time.Time {
	waits := map[string]time.Time{}
	if policies.HoldsReplaced(policies.Of(image.Policies)) {
		now := time.Now() // the registry's clock is not far off, or a sweep says so
		for _, l := range p.departures() {
			waits[l.digest] = now
		}
		for _, digest := range p.Stranded {
			waits[digest] = now
		}
		for _, d := range p.DeleteManifests {
			delete(waits, d.Digest)
		}
	}
	return waits
}

// with returns a plan with the warnings that only carrying it out could give.
func (p Plan) with(result Result, image config.Image) Plan {
	aliases := byTag(image)
	for _, w := range result.Warned {
		if w.Pos = image.Pos; w.Alias != "" {
			w.Pos = aliases[w.Alias].Pos
		}
	}
	p.Warnings = slices.Concat(p.Warnings, ofProfile(image, slices.Clone(result.Warned)))
	return p
}

// writer is what carries out a plan.
func (job Job) writer(of config.Repository, plan Plan) registry.Writer {
	w := job.Writers.Writer(of)
	if job.Trash == nil {
		return w
	}
	return KeepFirst(w, job.Readers.Reader(of), job.Trash, of, plan)
}

// RunAll runs a job for many images at once. It calls done for each, one after
// the other and in the order of the images.
func RunAll(ctx context.Context, job Job, images []config.Image, done func(Plan, Result)) {
	job.Readers = registry.Once(job.Readers, images)
	type outcome struct {
		plan   Plan
		result Result
	}
	slots, window := make(chan struct{}, imagesAtOnce), make(chan chan outcome, imagesUnwritten)
	held := semaphore.NewWeighted(aliasesAtOnce) // taken in the order of images, until they are done
	go func() {
		defer close(window)
		for _, image := range images {
			_ = held.Acquire(context.WithoutCancel(ctx), weight(image)) // an interrupted run reports every image
			result := make(chan outcome, 1)
			window <- result
			slots <- struct{}{}
			go func() {
				defer func() { <-slots }()
				plan, r := Run(ctx, job, image)
				result <- outcome{plan, r}
			}()
		}
	}()
	i := 0
	for result := range window {
		o := <-result
		done(o.plan, o.result)
		held.Release(weight(images[i]))
		i++
	}
}

// weight is what an image takes up of aliasesAtOnce.
func weight(image config.Image) int64 { return int64(min(len(image.Aliases), aliasesAtOnce)) }
