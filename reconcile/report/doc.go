// Package report writes plans and their results, for people and for programs.
// It only formats: everything that it says is in the plan. plan.json, which is read
// again too, is in package planfile.
//
// # Reading order
//
// Each file uses only files above it; a test checks that.
//
// What all formats say:
//
//	words.go       text from elsewhere made printable; counts and sizes
//	encode.go      JSON that is safe to print
//	outcome.go     what became of an action
//	push.go        what a push does to its alias
//	totals.go      how many aliases and actions there are, and the line that sums up
//	notes.go       what the deletions of a run come to
//	forge.go       links to lines of images.yaml
//	shard.go       a part of a run, and what a run costs
//	run.go         a run, as the formats get it
//	causes.go      what many images have in common that are blocked or failed
//
// The text for a terminal or a log:
//
//	terminal.go    how it looks, and writing it
//	cells.go       rows of cells, in columns
//	width.go       how they fit the terminal
//	choice.go      how a newest source chose its tags
//	problems.go    rows of what is forbidden or could not be found out
//	deletions.go   rows of manifests that go, or are put back
//	rows.go        a row for each change and problem of a repository
//	next.go        what to do about the causes
//	after.go       what a failed run leaves behind
//	text.go        what is told in full, and what is counted
//
// A comment on a pull request:
//
//	prose.go       messages and names as Markdown
//	concerns.go    what has to be looked at, tag by tag
//	verdict.go     the headline
//	table.go       what happens to the aliases of an image
//	folds.go       long lists, folded
//	graph.go       which sources an alias is made of
//	markdown.go    the whole comment, within its limit
//
// Other formats of a run:
//
//	github.go      annotations and outputs of a step of GitHub Actions
//	gitlab.go      a code quality report
//	sarif.go       findings for code scanning
//	metrics.go     Prometheus metrics
//
// What other commands print:
//
//	inspection.go  inspect
//	draft.go       init
//	restored.go    restore, and what a trash holds
//	history.go     history
//
// And for all of them:
//
//	events.go      lines of a log, one for each action
package report
