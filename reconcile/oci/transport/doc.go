// Package transport is the HTTP below go-containerregistry, with the rules that an
// unattended run needs: which requests are retried and when, how many run at a time,
// how long to wait, which hosts may be asked, and which answers to believe.
//
// # Reading order
//
// Each file uses only files above it; a test checks that.
//
//	patience.go      how long to wait, and how often to try
//	route.go         what a request is about
//	errors.go        errors of the transport, and which of them last
//	answers.go       bodies of answers, read within limits
//	links.go         Link headers
//	lost.go          whether an answer was lost
//	certificates.go  connections, with the CAs and certificates for each host
//	proxy.go         a proxy's refusal told from a registry's
//	deadline.go      deadlines for headers and bodies
//	ping.go          one GET /v2/ per host and run
//	edge.go          which hosts may be asked, and how
//	logged.go        what the log says of a request
//	stats.go         counts
//	meter.go         counts and logs of each request
//	check.go         what a late write asks before it is sent
//	inflight.go      how many requests are sent at a time
//	pace.go          how many requests a second a host answers
//	hosts.go         what a run knows about each host; whose turn it is
//	slots.go         the limit on requests in flight, per host
//	referrers.go     lists of referrers, over all their pages
//	integrity.go     manifests are complete and match their digest
//	repeat.go        which requests may be sent again
//	retry.go         attempts, back-off, hosts that are down
//	transport.go     all of these as layers
package transport
