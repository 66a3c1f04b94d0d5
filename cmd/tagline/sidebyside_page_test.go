package main

import (
	"fmt"
	"strings"
)

// page is BENCHMARKS.md in the making.
type page struct {
	body strings.Builder
	bars []string // rows of the table at its top
}

func (p *page) say(format string, args ...any) { fmt.Fprintf(&p.body, format+"\n", args...) }

// bar notes what was to be reached, and what was.
func (p *page) bar(what, bar, got string, reached bool) {
	verdict := "yes"
	if !reached {
		verdict = "**no**"
	}
	p.bars = append(p.bars, fmt.Sprintf("| %s | %s | %s | %s |", what, bar, got, verdict))
}

func (p *page) text() string {
	const bars = "BARS"
	table := "| case | to reach | measured | reached |\n| --- | --- | --- | --- |\n" + strings.Join(p.bars, "\n")
	return strings.Replace(p.body.String(), bars, table, 1)
}
