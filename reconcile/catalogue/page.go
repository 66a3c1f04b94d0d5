// Package catalogue makes the catalogue: one HTML file with every alias of images.yaml,
// what it is, what it was, and what to write to use it. The file needs no other, and
// asks nothing of the network.
package catalogue

import (
	"bytes"
	"cmp"
	"fmt"
	"html/template"
	"slices"
	"strings"
	"time"

	"tagline/config"
	"tagline/policies"
	"tagline/reconcile"
	"tagline/reconcile/journal"
	"tagline/reconcile/registry"
	"tagline/reconcile/report"
)

// Options are what the page says of itself.
type Options struct {
	Registry string // of images that name none, "" if each names its own
	Version  string // of tagline
	Made     time.Time
	Aliases  int            // how many there will be: a large page has less of their history
	Moves    []journal.Move // of all repositories, oldest first
	Trash    []reconcile.Record
}

// Page collects what the page has. Add the images in their order.
type Page struct {
	registry, version string
	made              time.Time
	logs              map[config.Repository]*journal.Log // by place
	deleted           deletions

	attention    []note
	images       []image
	waiting      []waits
	waitingCount int

	rows     rows
	readable bool // at least one alias could be read
}

// Bounds of the page.
const (
	historyBudget = 1000 // states of all aliases together, at least one each
	maxStates     = 10   // of one alias
	maxWaiting    = 50   // manifests of one image
)

// New returns a page without images.
func New(o Options) *Page {
	p := &Page{
		registry: o.Registry, version: clean(o.Version), made: o.Made,
		logs: map[config.Repository]*journal.Log{}, rows: newRows(min(max(historyBudget/max(o.Aliases, 1), 1), maxStates)),
	}
	moves := map[config.Repository][]journal.Move{}
	for _, m := range o.Moves {
		moves[m.Repository.Place()] = append(moves[m.Repository.Place()], m)
	}
	for place, of := range moves {
		p.logs[place] = journal.NewLog(of)
	}
	p.deleted = deletionsOf(o.Moves, o.Trash)
	return p
}

// Add adds an image with the plan that a dry run has made for it, and with what its
// aliases carry.
func (p *Page) Add(of config.Image, plan reconcile.Plan) {
	img := image{ID: clean(of.Name), Name: clean(of.Name), Repository: clean(of.Repository.String())}
	if img.Repository != img.Name && of.Repository.Host != p.registry {
		img.Where = img.Repository
	}
	for i, a := range of.Aliases {
		carried := reconcile.Carried{Tag: a.Tag}
		if i < len(plan.Carried) {
			carried = plan.Carried[i]
		}
		if a.Absent && carried.Digest == "" && carried.Err == nil {
			continue
		}
		img.Aliases = append(img.Aliases, p.alias(of, a, carried, plan))
	}
	lists := func(tag string) bool {
		return slices.ContainsFunc(img.Aliases, func(a alias) bool { return a.Tag == clean(tag) })
	}
	for _, f := range plan.Violations {
		if !lists(f.Alias) {
			p.attention = append(p.attention, note{link(img.ID), clean(cmp.Or(joined(of.Name, f.Alias), of.Name)), markBlocked, clean(f.Message)})
		}
	}
	for _, e := range plan.Errors {
		if !lists(e.Alias) {
			p.attention = append(p.attention, note{link(img.ID), clean(cmp.Or(joined(of.Name, e.Alias), of.Name)), markUnknown, clean(e.Message)})
		}
	}
	p.images = append(p.images, img)
	p.waits(of, plan)
}

func joined(image, tag string) string {
	if tag == "" {
		return ""
	}
	return image + ":" + tag
}

// alias adds the data of an alias, and returns its row.
func (p *Page) alias(of config.Image, a config.Alias, carried reconcile.Carried, plan reconcile.Plan) alias {
	h := journal.History{}
	if log := p.logs[of.Repository.Place()]; log != nil {
		h = log.History(of.Repository, a.Tag)
	}
	sources := sourcesOf(carried, h)
	row := alias{ID: clean(of.Name + ":" + a.Tag), Tag: clean(a.Tag)}
	var messages []message
	for _, m := range marksOf(a, carried, sources, plan) {
		if !slices.Contains(row.Marks, m.mark) {
			row.Marks = append(row.Marks, m.mark)
		}
		switch {
		case m.mark == markMoves:
			messages = append(messages, message{0, "The next run moves it to " + m.text + "."})
		case m.mark == markGoes:
			messages = append(messages, message{0, "The next run deletes it: " + m.text})
		case m.text != "":
			messages = append(messages, message{1, m.text})
			p.attention = append(p.attention, note{link(row.ID), row.ID, m.mark, m.text})
		}
	}
	p.readable = p.readable || carried.Err == nil
	row.Versions = words(carried, sources)
	if n := len(h.States); n > 0 && carried.Err == nil && h.States[n-1].Digest != carried.Digest {
		messages = append(messages, message{0, "Since the last move in the journal, something else has moved it."})
	}
	p.rows.add(carried, sources, h, messages)
	return row
}

// waits adds what waits for its deletion.
func (p *Page) waits(of config.Image, plan reconcile.Plan) {
	var lines []entry
	grace := policies.Grace.Of(policies.Of(of.Policies))
	for _, d := range plan.DeleteManifests {
		lines = append(lines, entry{"next run", registry.Short(d.Digest), clean(d.Reason) + " (" + report.Bytes(d.Bytes) + ")"})
	}
	waiting := slices.Clone(plan.Waiting)
	slices.SortStableFunc(waiting, func(a, b reconcile.Waiting) int { return a.Since.Compare(b.Since) })
	for _, w := range waiting {
		when := ""
		if !w.Since.IsZero() {
			when = stamp(w.Since.Add(grace))
		}
		lines = append(lines, entry{When: when, What: registry.Short(w.Digest)})
	}
	p.waitingCount += len(lines)
	if more := len(lines) - maxWaiting; more > 0 {
		lines = append(lines[:maxWaiting], entry{Text: fmt.Sprintf("and %d more", more)})
	}
	if len(lines) > 0 {
		p.waiting = append(p.waiting, waits{clean(of.Name), lines})
	}
}

// Summary counts what the page has.
func (p *Page) Summary() string {
	text := p.counts()
	if n := len(p.attention); n > 0 {
		needs := "need"
		if n == 1 {
			needs = "needs"
		}
		text += fmt.Sprintf("; %d %s attention", n, needs)
	}
	return text
}

func (p *Page) counts() string {
	return report.Count(len(p.images), "image") + ", " + report.Count(len(p.rows.all), "alias")
}

// Known reports whether any alias could be read. The page of a registry that is down
// says nothing.
func (p *Page) Known() bool { return p.readable || len(p.rows.all) == 0 }

// Deleted returns what the page would list as deleted, by repository: tags and digests.
// A registry may have refused a deletion, and what was deleted may have been put back,
// so the caller asks what is there.
func (p *Page) Deleted() map[config.Repository][]string { return p.deleted.references() }

// NotDeleted takes what is there off the list. now returns what a tag or digest of
// Deleted names, "" if it is certain that there is no such tag or digest. What is not
// known stays on the list, which says so.
func (p *Page) NotDeleted(now func(repository config.Repository, reference string) (digest string, known bool)) {
	p.deleted = p.deleted.without(now)
}

// HTML returns the page.
func (p *Page) HTML() ([]byte, error) {
	d := document{
		Title: strings.TrimSuffix("Images on "+clean(p.registry), " on "), Summary: p.counts(), Version: "tagline " + p.version, Made: "Made " + stamp(p.made),
		Style: template.CSS(style), Script: template.JS(script), StyleHash: hash(style), ScriptHash: hash(script),
		Attention: p.attention, Images: p.images, Waiting: p.waiting, WaitingCount: p.waitingCount, Gone: p.deleted.lines(), GoneCount: len(p.deleted), Legend: legend,
		Data: p.rows.data(),
	}
	var b bytes.Buffer
	err := layout.Execute(&b, d)
	return b.Bytes(), err
}
