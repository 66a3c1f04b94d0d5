// Package config reads images.yaml: which alias tags a registry should carry,
// from which sources, under which policies.
//
// It knows the file format and the names of things, and nothing about
// registries. [Load] is its entry point, and [Parse] for one file in memory.
//
// # Reading order
//
// Each file uses only files above it; a test checks that.
//
// Mistakes and names:
//
//	finding.go          a mistake and its place
//	suggest.go          did you mean
//	scalar.go           a text as the file has it
//	tags.go             tags, and their order
//	repository.go       repositories and hosts
//	aws.go              hosts, roles and regions of AWS
//	place.go            two repositories that are the same one
//	platform.go         platforms
//	version.go          tags that are versions
//	tag_pattern.go      tags that are built from a version and a platform
//	range.go            ranges of versions
//	duration.go         durations
//	registry_kind.go    a host, and kinds of registries by host
//
// A valid images.yaml, as data:
//
//	setting.go          policies and their values
//	config.go           images, aliases and sources
//
// Files and YAML:
//
//	tree.go             which files a folder has
//	yaml.go             maps and scalars, and what is wrong with them
//	taken.go            platforms that overlap in a map or list
//	decode.go           from bytes to YAML, within bounds
//	screen.go           what of YAML is refused
//	syntax.go           errors of the YAML library, at the right line
//	document.go         the documents of a file
//
// What a file can say:
//
//	repeats.go          a mistake in a profile, told once for all images
//	walk.go             what is known of a file while it is read
//	policy.go           policies, whatever they are
//	locked.go           policies that may not become laxer
//	source.go           a tag, a digest, a reference
//	from.go             the same tag on another registry
//	link.go             an alias that follows another alias
//	newest.go           the newest version
//	alias.go            an alias, and its sources by platform
//	use.go              which profiles an image uses
//	inherit.go          what an image has from them
//	without_aliases.go  an image that only deletes
//	registries.go       what is said of a host
//	profile.go          profiles, as they are written
//
// What is read:
//
//	relate.go           what images have to do with each other
//	root.go             what the root file gives to all files
//	parse.go            one file: its keys and its images
//	load.go             from files to a Config: each file by itself, then all together
//
// And what else is made of it:
//
//	effective.go        what it all comes to, line by line
//	insert.go           images added to a file, which otherwise stays as it is
//	schema.go           the JSON Schema
package config
