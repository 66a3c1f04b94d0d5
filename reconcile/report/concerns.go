package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"tagline/config"
	"tagline/config/findings"
	"tagline/reconcile"
	"tagline/reconcile/registry"
)

// concern is something that a reader has to look at, and what is wrong with it: a
// tag, some manifests, a whole image, or a line of a file.
type concern struct {
	image     string // "" for a line of a file, and for the run itself
	tag       string
	digest    string // of the first of the manifests
	manifests int
	state     state
	findings  []*config.Finding
	cause     cause // of its one finding
}

type state int

// The states of a concern, worst first.
const (
	isFailed  state = iota // something went wrong
	isBlocked              // the registry's content or a policy forbids it
	isWarned               // it is done, and may be regretted
)

// concerns returns what a run has to say, with all that is wrong with a tag in one
// concern, worst first. The headline of a Markdown report, its list, and the outputs
// of a step count these.
func (r *Run) concerns() []concern {
	var by [isWarned + 1][]concern
	add := func(c concern, f *config.Finding) {
		all := by[c.state]
		if n := len(all); n > 0 && c.image != "" && all[n-1].image == c.image && all[n-1].tag == c.tag && all[n-1].manifests+c.manifests == 0 {
			all[n-1].findings, all[n-1].cause = append(all[n-1].findings, f), cause{}
			return
		}
		c.findings = []*config.Finding{f}
		by[c.state] = append(all, c)
	}
	found := func(of Repository, f *config.Finding) {
		c := concern{image: of.Image, tag: f.Alias, state: isBlocked, cause: causeOfFinding(of.Repository, f)}
		if f.Warning {
			c.state = isWarned
		}
		add(c, f)
	}
	for _, message := range r.Failures {
		add(concern{state: isFailed}, &config.Finding{ID: findings.Failed, Message: message})
	}
	for _, f := range r.Findings {
		found(Repository{}, f)
	}
	for _, repository := range r.Repositories {
		for _, e := range repository.Errors {
			add(concern{image: repository.Image, tag: e.Alias, cause: causeOfFailure(repository.Repository, e)}, r.failure(repository, e.Alias, Failed, e.Message))
		}
		outcomes := func(all []reconcile.Outcome) {
			for _, o := range all {
				if o.Err != nil {
					add(concern{image: repository.Image, tag: o.Tag, state: stateOf(o.Err), cause: causeOfError(repository.Repository, o.Err)},
						r.failure(repository, o.Tag, OutcomeOf(o.Err), registry.Line(o.Err)))
				}
			}
		}
		outcomes(repository.Pushed)
		outcomes(repository.Deleted)
		for _, c := range r.manifests(repository) {
			by[c.state] = append(by[c.state], c)
		}
		for _, f := range byAlias(repository.Violations) {
			found(repository, f)
		}
		for _, f := range byAlias(repository.Warnings) {
			found(repository, f)
		}
	}
	return append(append(by[isFailed], by[isBlocked]...), by[isWarned]...)
}

// manifests returns the concerns of manifests that were not deleted or not put
// back: one for each reason.
func (r *Run) manifests(repository Repository) []concern {
	var all []concern
	at := map[string]int{}
	add := func(digest string, err error, message string) {
		i, known := at[message]
		if !known {
			i = len(all)
			at[message] = i
			all = append(all, concern{
				image: repository.Image, digest: digest, state: stateOf(err), cause: causeOfError(repository.Repository, err),
				findings: []*config.Finding{r.failure(repository, "", OutcomeOf(err), message)},
			})
		}
		all[i].manifests++
	}
	for i, o := range repository.Removed {
		if o.Err != nil {
			add(repository.DeleteManifests[i].Digest, o.Err, registry.Line(o.Err))
		}
	}
	for i, o := range repository.Ensured {
		if o.Err != nil {
			add(repository.Required[i].Digest, o.Err, whyRequired(repository.Required[i])+": "+registry.Line(o.Err))
		}
	}
	return all
}

func (r *Run) failure(of Repository, tag, id, message string) *config.Finding {
	return &config.Finding{ID: findings.ID(id), Alias: tag, Pos: r.place(of.Repository, tag), Message: message}
}

func stateOf(err error) state {
	if OutcomeOf(err) == Unsupported {
		return isBlocked
	}
	return isFailed
}

// byAlias brings together the findings of an alias, in the order of their first.
func byAlias(all []*config.Finding) []*config.Finding {
	of := map[string][]*config.Finding{}
	for _, f := range all {
		of[f.Alias] = append(of[f.Alias], f)
	}
	var sorted []*config.Finding
	for _, f := range all {
		sorted = append(sorted, of[f.Alias]...)
		delete(of, f.Alias)
	}
	return sorted
}

// count returns how many concerns have a state.
func count(all []concern, s state) int {
	n := 0
	for _, c := range all {
		if c.state == s {
			n++
		}
	}
	return n
}

// name says what a concern is about, as Markdown.
func (c concern) name() string {
	switch {
	case c.manifests > 1:
		return Count(c.manifests, "manifest") + " of " + code(c.image)
	case c.manifests == 1:
		return code(c.image + "@" + brief(c.digest))
	case c.tag != "" && c.image != "":
		return code(c.image + ":" + c.tag)
	}
	return code(cmp.Or(c.image, c.tag))
}

// items returns concerns of one state as items of a Markdown list. What many have in
// common is told once, and first.
func (r *Run) items(all []concern) []string {
	by := map[string][]concern{}
	for _, c := range all {
		if c.image != "" && c.cause.key != "" {
			by[c.cause.key] = append(by[c.cause.key], c)
		}
	}
	var common [][]concern
	var items []string
	told := map[string]bool{}
	for _, c := range all {
		switch same := by[c.cause.key]; {
		case len(same) <= fewOfCause:
			items = append(items, r.item(c))
		case !told[c.cause.key]:
			told[c.cause.key] = true
			common = append(common, same)
		}
	}
	slices.SortStableFunc(common, func(a, b []concern) int { return cmp.Compare(len(b), len(a)) })
	for i, same := range common {
		items = slices.Insert(items, i, r.inCommon(same))
	}
	return items
}

// manyNames is the highest number of names that have one cause and are listed.
const manyNames = 10

// inCommon returns concerns of one cause as one item of a list.
func (r *Run) inCommon(all []concern) string {
	f := *all[0].findings[0]
	_, f.Message, _ = strings.Cut(all[0].cause.text, ": ")
	f.Pos = config.Pos{}
	images := map[string]bool{}
	tags, manifests := 0, 0
	var names []string
	for i, c := range all {
		images[c.image] = true
		manifests += c.manifests
		if c.tag != "" {
			tags++
		}
		if i < manyNames {
			names = append(names, c.name())
		}
	}
	var what []string
	if len(images) > 1 || tags+manifests == 0 {
		what = append(what, Count(len(images), "image"))
	}
	if tags > len(images) || tags > 0 && len(images) == 1 {
		what = append(what, Count(tags, "tag"))
	}
	if manifests > 0 {
		what = append(what, Count(manifests, "manifest"))
	}
	text := fmt.Sprintf("- %s: %s<br>%s", strings.Join(what, ", "), r.told(&f), strings.Join(names, ", "))
	if more := len(all) - len(names); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text + "\n"
}

// item returns a concern as an item of a Markdown list.
func (r *Run) item(c concern) string {
	name := c.name()
	if len(c.findings) > 1 {
		lines := []string{"- " + name + ":"}
		for _, f := range c.findings {
			lines = append(lines, "  - "+r.told(f))
		}
		return strings.Join(lines, "\n") + "\n"
	}
	if name != "" {
		name += ": "
	}
	return "- " + name + r.told(c.findings[0]) + "\n"
}

// told returns a finding as Markdown: what is wrong, what to do about it, and
// where.
func (r *Run) told(f *config.Finding) string {
	text := prose(f.Message)
	if text != "" && !strings.ContainsAny(text[len(text)-1:], closing) {
		text += "."
	}
	if do := whatToDo(f); do != "" {
		text += " → " + do
	}
	var notes []string
	if at := r.at(f.Pos); at != "" {
		notes = append(notes, at)
	}
	if f.ID != findings.Failed {
		notes = append(notes, code(string(f.ID)))
	}
	if len(notes) > 0 {
		text += " (" + strings.Join(notes, ", ") + ")"
	}
	return strings.TrimSpace(text)
}

// whatToDo returns the way out of a finding, if its message names none: that
// comes after a semicolon.
func whatToDo(f *config.Finding) string {
	kind, known := findings.Explain(f.ID)
	if !known || f.ID == findings.Failed || kind.Group != findings.Outcome && strings.Contains(f.Message, "; ") {
		return ""
	}
	return kind.Do
}

// at returns the place of a finding as Markdown, with a link if there is one.
func (r *Run) at(pos config.Pos) string {
	if pos.File == "" {
		return ""
	}
	return linked(code(cmp.Or(lineOf(pos), pos.File)), r.Forge.link(pos))
}
