package catalogue

import (
	"tagline/config"
	"tagline/reconcile"
	"tagline/reconcile/registry"
)

// Marks of an alias.
const (
	markBlocked = "blocked"
	markUnknown = "unknown"
	markMissing = "missing"
	markMixed   = "mixed"
	markLeft    = "left-alone"
	markMoves   = "moves"
	markGoes    = "goes"
)

// legend says what the marks mean.
var legend = []note{
	{Mark: markBlocked, Text: "It can't be what images.yaml says, and was left alone."},
	{Mark: markUnknown, Text: "The registry did not say."},
	{Mark: markMissing, Text: "There is no such tag yet."},
	{Mark: markMixed, Text: "Its platforms are of several versions."},
	{Mark: markLeft, Text: "It has the images it should have, and keeps its digest for what refers to it."},
	{Mark: markMoves, Text: "The next run moves it."},
	{Mark: markGoes, Text: "The next run deletes it."},
}

// marked is a mark of an alias with what it is about, "" if the mark says all.
type marked struct{ mark, text string }

// marksOf returns the marks of an alias, without those of its history.
func marksOf(a config.Alias, carried reconcile.Carried, sources []string, plan reconcile.Plan) (marks []marked) {
	for _, f := range plan.Violations {
		if f.Alias == a.Tag {
			marks = append(marks, marked{markBlocked, clean(f.Message)})
		}
	}
	unknown := false
	for _, e := range plan.Errors {
		if e.Alias == a.Tag {
			unknown = true
			marks = append(marks, marked{markUnknown, clean(e.Message)})
		}
	}
	switch {
	case carried.Err != nil && !unknown:
		marks = append(marks, marked{markUnknown, clean(registry.Line(carried.Err))})
	case carried.Err == nil && carried.Digest == "":
		marks = append(marks, marked{markMissing, ""})
	}
	if mixed(a, sources) {
		marks = append(marks, marked{markMixed, ""})
	}
	for _, push := range plan.Pushes {
		if push.Tag == a.Tag {
			marks = append(marks, marked{markMoves, clean(next(push))})
		}
	}
	if why := plan.WhyLeftAlone(a.Tag); why != "" {
		marks = append(marks, marked{markLeft, clean(why)})
	}
	for _, d := range plan.DeleteTags {
		if d.Tag == a.Tag {
			marks = append(marks, marked{markGoes, clean(d.Reason)})
		}
	}
	return marks
}
