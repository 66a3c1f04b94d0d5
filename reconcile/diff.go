package reconcile

import (
	"context"

	"tagline/config"
	"tagline/reconcile/registry"
)

// Observe reads what [Diff] needs to know to plan the image, and no more. It
// plans in rounds: what the planner still asks is read, a batch a repository,
// until it asks nothing.
//
// Failures to read are part of the state. They fail the aliases they concern.
func Observe(ctx context.Context, readers registry.Readers, image config.Image) *State {
	return newState().observe(ctx, readers, image)
}

// ObserveDeep is [Observe] for a plan that also asks whether everything that an
// alias in sync lists still exists. [Observe] asks that of pushes alone. It
// costs a question for each entry, which no cache answers.
func ObserveDeep(ctx context.Context, readers registry.Readers, image config.Image) *State {
	state := newState()
	state.deep = true
	return state.observe(ctx, readers, image)
}

// ObserveReferrers is [ObserveDeep] for a plan that also has aliases in sync get what
// was attached to their images, in another repository, after they were copied. It
// costs four questions or more for each image.
func ObserveReferrers(ctx context.Context, readers registry.Readers, image config.Image) *State {
	state := newState()
	state.deep, state.late = true, true
	return state.observe(ctx, readers, image)
}

func (s *State) observe(ctx context.Context, readers registry.Readers, image config.Image) *State {
	_, note := s.plan(ctx, readers, image)
	readers.Reader(image.Repository).Memory().Note(note)
	return s
}

// plan reads until the image can be planned. note notes for later runs what it found.
func (s *State) plan(ctx context.Context, readers registry.Readers, image config.Image) (plan Plan, note func(registry.Record)) {
	for _, alias := range image.Aliases {
		for _, source := range alias.Sources {
			s.cheap[source.Repository] = readers.Reader(source.Repository).Listed()
		}
	}
	s.noted = readers.Reader(image.Repository).Memory().Record()
	var p *planner
	s.settle(ctx, readers, image.Repository, func(v *view) {
		p = newPlanner(image, v)
		plan = p.plan()
		p.shortcut.weigh()
	})
	p.shortcut.remember(readers)
	return plan, p.note
}

// Diff is the plan for one image: what its aliases should be, compared with what
// they are. It is pure: no I/O, no clock, the same plan for the same image and
// state. What the state does not know fails the alias that needs it.
//
//	tag exists  alias should be   plan
//	no          a digest          push
//	yes         that digest       in sync
//	yes         another digest    push, with what changes per platform
//	yes         absent            delete the tag
//	no          absent            in sync
//	either      not allowed       violation, the tag is left alone
//	either      not known         error, the tag is left alone
//	not known   anything          error, the tag is left alone
//	yes         the same images   left alone, if it would lose a signature: see detached.go
func Diff(image config.Image, state *State) Plan {
	return newPlanner(image, newView(state, image.Repository)).plan()
}

func (p *planner) plan() Plan {
	plan := Plan{Image: p.image.Name, Repository: p.home}
	decisions := make([]decision, len(p.image.Aliases))
	for i, alias := range p.image.Aliases {
		decisions[i] = p.verdict(alias).withoutContent()
	}
	p.checkDeserted(decisions)
	for i, alias := range p.image.Aliases {
		d := decisions[i]
		for _, k := range d.regained {
			plan.addRequired(k)
		}
		plan.Warnings = append(plan.Warnings, d.warnings...)
		plan.Choices = append(plan.Choices, d.choices...)
		switch {
		case d.push != nil:
			plan.Pushes = append(plan.Pushes, *d.push)
		case d.remove != nil:
			plan.DeleteTags = append(plan.DeleteTags, *d.remove)
		case d.leftAlone && !d.any():
			plan.LeftAlone = append(plan.LeftAlone, alias.Tag)
		case !d.any():
			plan.InSync = append(plan.InSync, alias.Tag)
		}
		plan.Violations = append(plan.Violations, d.violations...)
		for _, err := range d.failures {
			plan.Errors = append(plan.Errors, Failure{Alias: alias.Tag, Message: reason(err), Cause: registry.Cause(err)})
		}
		if d.open {
			plan.Errors = append(plan.Errors, Failure{Alias: alias.Tag, Message: errUnknown.Error()})
		}
	}
	p.putBackLeft(&plan)
	if after := p.sweep(&plan); after != nil {
		p.requireLeft(&plan, knownOf(*after))
	} else {
		p.requireLeft(&plan, p.knownOf(plan, decisions))
	}
	plan.Violations, plan.Warnings = ofProfile(p.image, plan.Violations), ofProfile(p.image, plan.Warnings)
	return plan
}
