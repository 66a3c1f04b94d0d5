// Package config reads images.yaml: which alias tags a registry should carry,
// from which sources, under which policies.
//
// It knows the file format and the names of things, and nothing about
// registries. [Load] is its entry point, and [Parse] for one file in memory.
//
// # Where things are
//
// What is read:
//
//	config.go           a valid images.yaml, as data
//	load.go             from files to a Config: each file by itself, then all together
//	tree.go             which files a folder has
//	parse.go            one file: its keys and its images
//	root.go             what the root file gives to all files
//	relate.go           what images have to do with each other
//	effective.go        what it all comes to, line by line
//	scalar.go           a text as the file has it
//	insert.go           images added to a file, which otherwise stays as it is
//
// What a file can say:
//
//	alias.go            an alias, and its sources by platform
//	source.go           a tag, a digest, a reference
//	from.go             the same tag on another registry
//	newest.go           the newest version
//	link.go             an alias that follows another alias
//	without_aliases.go  an image that only deletes
//	policy.go           policies, whatever they are
//	locked.go           policies that may not become laxer
//	profile.go          profiles, as they are written
//	use.go              which profiles an image uses
//	inherit.go          what an image has from them
//	registries.go       what is said of a host
//
// Names:
//
//	repository.go       repositories and hosts
//	place.go            two repositories that are the same one
//	registry_kind.go    kinds of registries, by host
//	aws.go              hosts, roles and regions of AWS
//	platform.go         platforms
//	tags.go             tags, and their order
//	tag_pattern.go      tags that are built from a version and a platform
//	version.go          tags that are versions
//	range.go            ranges of versions
//	duration.go         durations
//
// YAML and mistakes:
//
//	walk.go             maps and scalars, and what is wrong with them
//	document.go         from bytes to YAML
//	screen.go           what of YAML is refused
//	syntax.go           errors of the YAML library, at the right line
//	finding.go          a mistake and its place
//	repeats.go          a mistake in a profile, told once for all images
//	suggest.go          did you mean
//	schema.go           the JSON Schema
package config
