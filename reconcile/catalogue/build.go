package catalogue

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/docker/go-units"

	"tagline/config"
	"tagline/policies"
	"tagline/reconcile"
	"tagline/reconcile/journal"
)

// Marks of an alias.
const (
	markBlocked = "blocked"
	markUnknown = "unknown"
	markMissing = "missing"
	markMixed   = "mixed"
	markMoves   = "moves"
	markGoes    = "goes"
)

// legend says what the marks mean.
var legend = []note{
	{Mark: markBlocked, Text: "It can't be what images.yaml says, and was left alone."},
	{Mark: markUnknown, Text: "The registry did not say."},
	{Mark: markMissing, Text: "There is no such tag yet."},
	{Mark: markMixed, Text: "Its platforms are of several versions."},
	{Mark: markMoves, Text: "The next run moves it."},
	{Mark: markGoes, Text: "The next run deletes it."},
}

// message is a sentence about an alias: whether something is wrong, and the text.
type message [2]any

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
	states            int                                // of the history of one alias
	logs              map[config.Repository]*journal.Log // by place
	deleted           []deletion

	attention    []note
	images       []image
	waiting      []waits
	waitingCount int

	digests  []byte
	sets     [][]string
	setIndex map[string]int
	by       [][2]string
	byIndex  map[[2]string]int
	rows     [][]any
	readable bool // at least one alias could be read
}

// Bounds of the page.
const (
	historyBudget = 1000 // states of all aliases together, at least one each
	maxStates     = 10   // of one alias
	maxWaiting    = 50   // manifests of one image
	maxDeleted    = 200
)

// New returns a page without images.
func New(o Options) *Page {
	p := &Page{
		registry: o.Registry, version: clean(o.Version), made: o.Made, states: min(max(historyBudget/max(o.Aliases, 1), 1), maxStates),
		logs: map[config.Repository]*journal.Log{}, setIndex: map[string]int{}, byIndex: map[[2]string]int{}, sets: [][]string{}, by: [][2]string{}, rows: [][]any{},
	}
	moves := map[config.Repository][]journal.Move{}
	for _, m := range o.Moves {
		moves[m.Repository.Place()] = append(moves[m.Repository.Place()], m)
	}
	for place, of := range moves {
		p.logs[place] = journal.NewLog(of)
	}
	p.deleted = deletions(o.Moves, o.Trash)
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
	p.row(carried, sources, h, messages)
	return row
}

// sourcesOf returns where each image came from: what the registry tells, or else what
// the journal knows of the digest.
func sourcesOf(carried reconcile.Carried, h journal.History) []string {
	var all []string
	for _, image := range carried.Images {
		source := image.Source
		for i := len(h.States) - 1; i >= 0 && source == ""; i-- {
			for _, was := range h.States[i].Images {
				if was.Digest == image.Digest {
					source = was.Version()
				}
			}
		}
		all = append(all, clean(source))
	}
	return all
}

// mixed reports whether an alias has images of several versions. Tags that are no
// versions, as far as images.yaml tells, don't count.
func mixed(a config.Alias, sources []string) bool {
	var versions []config.Version
	for _, source := range sources {
		if v, is := version(a, source); is {
			versions = append(versions, v)
		}
	}
	return slices.ContainsFunc(versions, func(v config.Version) bool { return v.Compare(versions[0]) != 0 })
}

// version reads a source as a version, as a newest source of the alias does if it has one.
func version(a config.Alias, source string) (config.Version, bool) {
	tag := source[strings.LastIndexByte(source, ':')+1:]
	for _, s := range a.Sources {
		if s.Newest != nil {
			if v, err := s.Newest.Version(tag); err == nil {
				return v, true
			}
		}
	}
	v, err := config.ParseVersion(tag)
	return v, err == nil
}

// words says in a row what an alias is: one version, or one for each platform.
func words(carried reconcile.Carried, sources []string) string {
	if carried.Digest == "" || len(sources) == 0 {
		return cmp.Or(short(carried.Digest), "–")
	}
	if one, same := only(sources); same {
		return cmp.Or(one, short(carried.Digest))
	}
	var parts []string
	for i, image := range carried.Images {
		parts = append(parts, strings.TrimPrefix(clean(image.Platform), "linux/")+" "+cmp.Or(sources[i], short(image.Digest)))
	}
	return strings.Join(parts, ", ")
}

// only returns the one text that all are.
func only(texts []string) (string, bool) {
	for _, text := range texts {
		if text != texts[0] {
			return "", false
		}
	}
	if len(texts) == 0 {
		return "", true
	}
	return texts[0], true
}

func short(digest string) string {
	const shown = len("sha256:") + 12
	if len(digest) > shown {
		return digest[:shown] + "…"
	}
	return digest
}

// next says what a push makes of an alias.
func next(push reconcile.Push) string {
	var sources []string
	var parts []string
	for _, c := range push.Platforms {
		if c.Digest == "" {
			continue
		}
		source := cmp.Or(c.Origin, c.Source)
		sources = append(sources, source)
		parts = append(parts, strings.TrimPrefix(c.Platform, "linux/")+" "+source)
	}
	if one, same := only(sources); same && one != "" {
		return one
	}
	return cmp.Or(strings.Join(parts, ", "), short(push.New))
}

// row adds the data of an alias.
func (p *Page) row(carried reconcile.Carried, sources []string, h journal.History, messages []message) {
	first := -1
	platforms := []string{}
	if carried.Digest != "" {
		first = p.digest(carried.Digest)
		for _, image := range carried.Images {
			platforms = append(platforms, clean(image.Platform))
			p.digest(image.Digest)
		}
	}
	row := []any{p.set(platforms), versions(sources), first, p.history(h), messages}
	for len(row) > 3 && (row[len(row)-1] == nil || isEmpty(row[len(row)-1])) {
		row = row[:len(row)-1]
	}
	p.rows = append(p.rows, row)
}

func isEmpty(list any) bool {
	switch list := list.(type) {
	case [][]any:
		return len(list) == 0
	case []message:
		return len(list) == 0
	}
	return false
}

// versions is one text if all are the same, else a list.
func versions(sources []string) any {
	if one, same := only(sources); same {
		return one
	}
	return sources
}

// What a move did, as page.js has it.
const (
	didMove = iota
	didMake
	didDelete
	didRestore
)

// history returns the last moves of an alias, newest first, each with what it replaced.
func (p *Page) history(h journal.History) [][]any {
	var all [][]any
	for i := len(h.States) - 1; i > 0 && len(all) < p.states; i-- {
		m := h.States[i].Began
		if m == nil {
			continue
		}
		before := h.States[i-1]
		did, old, at := didMove, any(nil), -1
		switch {
		case m.Action == journal.Deleted:
			did = didDelete
		case m.Action == journal.Restored:
			did = didRestore
		case before.Digest == "":
			did = didMake
		}
		if before.Digest != "" {
			var sources, parts []string
			for _, image := range before.Images {
				version := clean(image.Version())
				sources, parts = append(sources, version), append(parts, strings.TrimPrefix(clean(image.Platform), "linux/")+" "+version)
			}
			old = strings.Join(parts, ", ")
			if one, same := only(sources); same {
				old = one
			}
			at = p.digest(before.Digest)
		}
		all = append(all, []any{m.Time.Unix() / 60, p.doer(m.By), did, old, at})
	}
	return all
}

// digest adds a digest, and returns its place.
func (p *Page) digest(digest string) int {
	sum := make([]byte, 32)
	if _, err := hex.Decode(sum, []byte(strings.TrimPrefix(digest, "sha256:"))); err != nil {
		return -1
	}
	p.digests = append(p.digests, sum...)
	return len(p.digests)/32 - 1
}

func (p *Page) set(platforms []string) int {
	key := strings.Join(platforms, "\n")
	i, known := p.setIndex[key]
	if !known {
		i = len(p.sets)
		p.sets, p.setIndex[key] = append(p.sets, platforms), i
	}
	return i
}

// doer adds who moved an alias, and returns its place. The page may be public, so it does
// not name users.
func (p *Page) doer(by journal.By) int {
	key := [2]string{clean(by.URL), clean(by.Commit)}
	if by.URL == "" {
		key[0] = "hand"
	}
	i, known := p.byIndex[key]
	if !known {
		i = len(p.by)
		p.by, p.byIndex[key] = append(p.by, key), i
	}
	return i
}

// waits adds what waits for its deletion.
func (p *Page) waits(of config.Image, plan reconcile.Plan) {
	var lines []entry
	grace := policies.Grace.Of(policies.Of(of.Policies))
	for _, d := range plan.DeleteManifests {
		lines = append(lines, entry{"next run", short(d.Digest), clean(d.Reason) + " (" + units.CustomSize("%.1f %s", float64(d.Bytes), units.KB, []string{"B", "kB", "MB", "GB", "TB"}) + ")"})
	}
	waiting := slices.Clone(plan.Waiting)
	slices.SortStableFunc(waiting, func(a, b reconcile.Waiting) int { return a.Since.Compare(b.Since) })
	for _, w := range waiting {
		when := ""
		if !w.Since.IsZero() {
			when = stamp(w.Since.Add(grace))
		}
		lines = append(lines, entry{When: when, What: short(w.Digest)})
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
		text += "; " + count(n, "needs attention", "need attention")
	}
	return text
}

func (p *Page) counts() string {
	return count(len(p.images), "image", "images") + ", " + count(len(p.rows), "alias", "aliases")
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// Known reports whether any alias could be read. The page of a registry that is down
// says nothing.
func (p *Page) Known() bool { return p.readable || len(p.rows) == 0 }
