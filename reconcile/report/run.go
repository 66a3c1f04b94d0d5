package report

import (
	"cmp"
	"fmt"
	"path"
	"path/filepath"
	"slices"

	"tagline/config"
	"tagline/config/findings"
	"tagline/reconcile"
	"tagline/reconcile/registry"
)

// Run is a whole run, for the formats that need it at once: JSON, Markdown,
// GitHub, SARIF and GitLab.
type Run struct {
	Version         string // of tagline
	ConfigSHA256    string // that of config.Config, "" if it is not valid
	DryRun          bool   // nothing was applied, so there are no results
	ExitCode        int
	Images          []config.Image // for the positions of aliases
	Listed, Aliases int            // how many images and aliases there are in all
	Repositories    []Repository
	Findings        []*config.Finding // of images.yaml and compose files
	Failures        []string          // why the run stopped
	Shard           *Shard            // nil for a whole run
	// Folder is the folder of the findings' files inside the checkout that a
	// forge shows; "" means its root.
	Folder string
	Forge  Forge // for links

	images map[config.Repository]config.Image // Images, once they are looked for
}

// Repository is the plan for one repository, and its result.
type Repository struct {
	reconcile.Plan
	reconcile.Result
}

// problems returns everything in a run that needs attention, worst first:
// failures, violations, warnings. The ID of a failure is its outcome, and its
// position is that of its alias in images.yaml.
func (r *Run) problems() []*config.Finding {
	all := slices.Clone(r.Findings)
	for _, message := range r.Failures {
		all = append(all, &config.Finding{ID: findings.Failed, Message: message})
	}
	for _, repository := range r.Repositories {
		all = append(all, repository.Violations...)
		all = append(all, repository.Warnings...)
		fail := func(tag string, id findings.ID, message string) {
			all = append(all, &config.Finding{
				ID: id, Alias: tag, Pos: r.place(repository.Repository, tag),
				Message: fmt.Sprintf("tag %q of %s: %s", tag, repository.Image, message),
			})
		}
		for i, o := range repository.Removed { // often many for one reason
			if o.Err != nil && (i == 0 || !alike(o.Err, repository.Removed[i-1].Err)) {
				all = append(all, &config.Finding{
					ID: findings.ID(OutcomeOf(o.Err)), Pos: r.place(repository.Repository, ""),
					Message: fmt.Sprintf("manifest %s of %s: %s", o.Tag, repository.Image, registry.Line(o.Err)),
				})
			}
		}
		for i, o := range repository.Ensured {
			if o.Err != nil {
				all = append(all, &config.Finding{
					ID: findings.ID(OutcomeOf(o.Err)), Pos: r.place(repository.Repository, ""),
					Message: fmt.Sprintf("manifest %s of %s: %s: %s", o.Tag, repository.Image, whyRequired(repository.Required[i]), registry.Line(o.Err)),
				})
			}
		}
		for _, e := range repository.Errors {
			fail(e.Alias, findings.Failed, e.Message)
		}
		for _, o := range slices.Concat(repository.Pushed, repository.Deleted) {
			if o.Err != nil {
				fail(o.Tag, findings.ID(OutcomeOf(o.Err)), registry.Line(o.Err))
			}
		}
	}
	slices.SortStableFunc(all, func(a, b *config.Finding) int { return cmp.Compare(rank(a), rank(b)) })
	return all
}

// rank sorts problems, worst first.
func rank(f *config.Finding) int {
	switch {
	case f.Warning:
		return 2
	case f.ID == findings.Failed || f.ID == findings.Stale:
		return 0
	}
	return 1
}

// judged returns the findings of a run: problems of a file, or of the images
// that it names. A failure to reach a registry is not a finding.
func (r *Run) judged() []*config.Finding {
	all := slices.Clone(r.Findings)
	for _, repository := range r.Repositories {
		all = append(append(all, repository.Violations...), repository.Warnings...)
	}
	return all
}

// place returns the position of an alias in images.yaml, or else of its image.
func (r *Run) place(repository config.Repository, tag string) config.Pos {
	if at := r.aliasPlace(repository, tag); at != (config.Pos{}) {
		return at
	}
	return r.declared(repository).Pos
}

// aliasPlace returns the position of an alias in images.yaml, if it is there.
func (r *Run) aliasPlace(repository config.Repository, tag string) config.Pos {
	for _, alias := range r.declared(repository).Aliases {
		if alias.Tag == tag {
			return alias.Pos
		}
	}
	return config.Pos{}
}

// declared returns what images.yaml says of a repository.
func (r *Run) declared(repository config.Repository) config.Image {
	if r.images == nil {
		r.images = map[config.Repository]config.Image{}
		for _, image := range r.Images {
			r.images[image.Repository] = image
		}
	}
	return r.images[repository]
}

// file returns the name by which a forge knows a finding's file.
func (r *Run) file(name string) string {
	if name = filepath.ToSlash(name); path.IsAbs(name) {
		return name
	}
	return path.Join(r.Folder, name)
}

// totals counts what a run did, or would do.
func (r *Run) totals() totals {
	var n totals
	for _, repository := range r.Repositories {
		n.add(repository.Plan, repository.Result)
	}
	return n
}
