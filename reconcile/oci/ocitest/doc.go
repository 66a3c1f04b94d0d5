// Package ocitest supports tests of registry code: it has real registries, a
// front that asks for bearer tokens, a proxy that counts, delays and breaks
// requests, and images as BuildKit pushed them.
//
// A registry is known by its host, "127.0.0.1:PORT", which speaks plain HTTP.
// Hosts can be chained: a [Proxy] in front of a [TokenAuth] in front of a
// [Distribution] also counts the token requests. Everything that a test starts
// ends with the test.
//
// # Reading order
//
// Each file uses only files above it; a test checks that.
//
//	endpoint.go      what a path of the protocol is about
//	ocitest.go       registries on loopback, and what passes requests on
//	fault.go         requests that go wrong on purpose
//	proxy.go         a proxy that counts, delays and breaks requests
//	token.go         a registry that wants bearer tokens
//	distribution.go  CNCF distribution, and tests on each kind of registry
//	zot.go           a registry that deletes as zot does
//	crane.go         the crane command
//	logins.go        a machine with credentials
//	sample.go        which cases of many a test runs
//	fixtures.go      images as BuildKit pushed them
package ocitest
