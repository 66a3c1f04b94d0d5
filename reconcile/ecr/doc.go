// Package ecr reads and writes Amazon ECR through the AWS API, a hundred images
// per call. It passes all other registries on to package oci.
//
// ECR also speaks the OCI protocol. Package ecr uses it for what the API does
// not offer: config blobs and copies. It needs an authorization token, which is
// requested at the first use, once per run.
//
// # Reading order
//
// Each file uses only files above it; a test checks that.
//
//	errors.go        what an error of the AWS API means, and what to do about it
//	counts.go        how many calls were made
//	run.go           what all connections of a run share
//	wire.go          each attempt of a call: limits, retries, the log
//	credentials.go   where credentials come from, and why there are none
//	session.go       the AWS configuration of one identity
//	roles.go         roles that images.yaml names
//	connection.go    how the API of one account in one region is called
//	token.go         what ECR takes as a login over the OCI protocol
//	descriptions.go  what ECR says of repositories
//	account.go       what the repositories of an account share
//	client.go        the accounts of a run, and the client for everything else
//	repository.go    one repository, and errors about its images
//	images.go        what ECR says of images: by id, or all of them
//	reader.go        tags, manifests, configs and referrers
//	blobs.go         which blobs there are
//	facts.go         immutable tags and lifecycle policies
//	catalog.go       all repositories of a registry
//	writer.go        tags as they are now; copies
//	push.go          pushes
//	delete.go        deletions
//	open.go          who reads and who writes a repository
package ecr
