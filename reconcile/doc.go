// Package reconcile makes a repository's alias tags what images.yaml says.
//
// [Run] is the story of one image, in four steps:
//
//	Observe   reads what the plan depends on; nothing else reads
//	Diff      works out the plan; pure
//	Guard     takes deletions out of a plan that has too many of them
//	Apply     carries the plan out; nothing else writes
//
// Registries are behind the interfaces of package registry. What they hold is a
// [State], what should be done a [Plan].
//
// # Reading order
//
// Each file uses only files above it; a test checks that. Planning is recursive
// in one place, alias.go, where an alias can follow another alias.
//
//	plan.go             what should be done to a repository, as data
//	waves.go            actions that wait for other actions
//	marks.go            the annotations of tagline's own indexes
//	words.go            how messages list things
//	problems.go         why an alias can't be decided
//	versions.go         tags as versions
//	rank.go             how much a tag looks like a version
//	parts.go            tags that may be one platform of another tag, by their names
//	state.go            what was read, and what has to be
//	read.go             reading it, in rounds
//	leaves.go           the images, attestations and artifacts of an index
//	missing.go          what an index lists and can't be pulled
//	inventory.go        everything in a repository; referrers
//	strip.go            an index without its attestations
//	purge.go            what provenance: purge makes of a tag
//	reach.go            which manifests must stay, and why: every deletion is decided here
//	dropped.go          manifests that must stay although a tag leaves them
//	last_tag.go         tags that can't be deleted, since an index lists their image
//	former.go           tags that were aliases
//	sweep_look.go       what a repository holds now
//	sweep_signed.go     what goes with what a purge deletes
//	sweep_tags.go       what its tags will be: prune, purge
//	sweep_left.go       what an interrupted purge left behind
//	sweep_grace.go      how long what nothing needs has to wait
//	sweep_manifests.go  which manifests nothing needs then
//	sweep.go            all of these in order: what a plan deletes and purges
//	index.go            the bytes of an index
//	shortcut.go         platforms without reading configs
//	source.go           what a tag or digest offers
//	declared.go         what images.yaml adds to the platform of an image
//	pick.go             which images of a source an alias takes
//	past.go             what an alias has now
//	changes.go          what an alias gets, compared with what it has
//	refused.go          why a tag is no candidate of a newest source
//	newest.go           which versions a newest source takes
//	allowed.go          what the registry forbids: immutable tags and the like
//	verdict.go          what is to become of an alias
//	referrers.go        what refers to what is copied
//	losses.go           which platforms an alias loses when it moves
//	detached.go         signatures and other referrers that an alias loses when it moves
//	intact.go           whether what it lists still exists
//	alias.go            what is to become of each alias: new bytes, or those of its source
//	deserted.go         what else lists an image that its source has moved away from
//	diff.go             Observe and Diff
//	guard.go            too many deletions: --max-deletions
//	outcome.go          what became of an action
//	write.go            every tag is read before it is written, and after
//	putback.go          what a registry has dropped
//	attach.go           what refers to copies is copied with them
//	push.go             copies and pushes
//	untag.go            deletions of tags
//	delete.go           deletions of manifests
//	apply.go            Apply
//	trash.go            what a run deletes, as it is kept
//	trash_writer.go     a writer that keeps before it deletes
//	saved_check.go      whether images.yaml asks for what a saved plan says
//	saved_recheck.go    what a saved plan relies on, read again
//	saved.go            ApplySaved
//	carried.go          what all aliases name now, for the catalogue
//	leftovers.go        looking for tags that were aliases
//	run.go              Run: the story of one image
//	lost.go             which part of a trash is asked for
//	restore.go          what a run deleted, put back
//	again.go            which deletions images.yaml asks for again after a restore
//	inspect.go          what one tag is
//	suggest.go          which aliases the names of tags suggest
//	draft.go            an images.yaml for what a repository holds
package reconcile
