// Package ecrtest is an Amazon ECR in memory: one store with two APIs, AWS JSON
// 1.1 (POST /) and OCI distribution (/v2/), on one HTTP handler. The demo
// command and the tests both use it.
//
// It refuses what AWS refuses. Each rule names its source: a page of the API
// Reference ("API_PutImage"), a page of the user guide ("archive-image"), the
// SDK's own documentation, or a public issue. A rule without a source is marked
// "assumed". A client that passes here may still be wrong about AWS; a client
// that fails here is wrong.
//
// # Reading order
//
// Each file uses only files above it; a test checks that.
//
//	wire.go          the JSON of the AWS API
//	errors.go        what is refused, over both APIs
//	pages.go         listings in pages
//	call.go          a request that has arrived
//	faults.go        calls that go wrong on purpose
//	rates.go         how many calls may come now
//	store.go         what a repository holds
//	registry.go      a registry, and what tests ask of it
//	tokens.go        passwords for /v2/
//	repositories.go  repositories, immutable tags, lifecycle policies
//	images.go        pushes of manifests
//	batches.go       images read and deleted by id
//	listings.go      lists of images and referrers
//	layers.go        uploads, and downloads by signed URLs
//	api.go           the operations of the AWS API
//	distribution.go  the requests to /v2/
//	seed.go          contents without requests
//	serve.go         which API a request is for
//	server.go        a registry on loopback
//	sts.go           roles, and credentials for them
//	cloud.go         an STS and the registries of several accounts
package ecrtest
