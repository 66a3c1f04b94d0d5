// Package oci reads and writes registries that speak the OCI distribution
// protocol.
//
// go-containerregistry does the protocol and its authentication. Below it is
// our own HTTP transport (package transport), with the rules that an unattended
// run needs. Package logins has the credentials of this machine.
//
// # Reading order
//
// Each file uses only files above it; a test checks that.
//
//	repository.go   a repository under both of its names
//	errors.go       what went wrong, in one line, and what to do about it
//	client.go       what a run shares: connections, credentials, counts
//	reader.go       digests, manifests and configs
//	tags.go         lists of tags
//	blobs.go        which blobs there are
//	catalog.go      lists of repositories
//	api.go          requests to a registry's own API
//	writer.go       what writers share
//	unsupported.go  whether a registry deletes at all
//	referrers.go    what refers to a manifest, and that it is listed
//	push.go         pushes, each with a last look at its tag
//	delete.go       deletions of tags and manifests
//	mount.go        whether blobs may be mounted
//	foreign.go      layers that a registry may do without
//	copied.go       a manifest as it is copied, with all that it lists
//	copy.go         copies
package oci
