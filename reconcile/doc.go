// Package reconcile makes a registry agree with images.yaml, one image at a
// time. The story has four steps:
//
//	Observe  asks the registry what tags name now; the only step that reads
//	Diff     compares that with images.yaml and returns a [Plan]; no I/O
//	Guard    takes the deletions out of a plan that has too many
//	Apply    carries the plan out; the only step that writes
//
// A dry run ends before Apply and never holds a [registry.Writer]. A plan is
// plain data: the bytes to push, the digests that were seen, what is forbidden,
// and what could not be found out.
package reconcile
