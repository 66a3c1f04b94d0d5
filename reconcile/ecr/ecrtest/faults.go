package ecrtest

import (
	"net"
	"net/http"
	"time"
)

// Fault is one line of a script: which calls go wrong, and how.
//
//	registry.Script(
//		ecrtest.Fault{Operation: "PutImage", Times: 3, Do: ecrtest.Throttle()},
//		ecrtest.Fault{Operation: "DescribeImages", Skip: 1, Do: ecrtest.Refuse("ServerException", "try later")}, // from page 2 on
//	)
type Fault struct {
	Operation string // as in [Registry.Calls]; empty: every operation
	Skip      int    // the number of matching calls to leave alone first
	Times     int    // the number of calls to act on; 0: no limit
	Do        Action
}

// Action answers a call, with or without [Call.Serve].
type Action func(w http.ResponseWriter, c *Call)

// line is a fault and how often it has matched.
type line struct {
	fault   Fault
	matched int
}

// script is the faults of a registry, in their order.
type script []*line

func newScript(faults []Fault) script {
	s := make(script, len(faults))
	for i, f := range faults {
		s[i] = &line{fault: f}
	}
	return s
}

// action returns what a call meets: a fault, or else [Call.Serve]. It counts the call, so
// one call of action must follow another.
func (s script) action(operation string) Action {
	for _, l := range s {
		f := l.fault
		if f.Operation != "" && f.Operation != operation {
			continue
		}
		l.matched++
		if l.matched > f.Skip && (f.Times == 0 || l.matched <= f.Skip+f.Times) {
			return f.Do
		}
	}
	return func(w http.ResponseWriter, c *Call) { c.Serve(w) }
}

// Refuse answers with an error of the AWS API: HTTP 400, or 500 for a
// ServerException. Over /v2/ it is the OCI error that ECR turns it into.
func Refuse(code, message string) Action {
	return func(w http.ResponseWriter, c *Call) { c.refuse(w, refusal(code, "%s", message)) }
}

// Throttle answers as ECR does if an operation exceeds its rate.
func Throttle() Action {
	return func(w http.ResponseWriter, c *Call) { c.refuse(w, errThrottled()) }
}

// Deny answers as IAM does if no policy allows the operation.
func Deny() Action {
	return func(w http.ResponseWriter, c *Call) {
		c.refuse(w, c.denied(c.account, "identity-based"))
	}
}

// ExpireCredentials answers as AWS does when temporary credentials have ended
// (API Reference, CommonErrors).
func ExpireCredentials() Action {
	return Refuse("ExpiredTokenException", "The security token included in the request is expired")
}

// ForgetCredentials answers as AWS does to an unknown access key (API
// Reference, CommonErrors).
func ForgetCredentials() Action {
	return Refuse("UnrecognizedClientException", "The security token included in the request is invalid.")
}

// Delay waits before it serves.
func Delay(d time.Duration) Action {
	return func(w http.ResponseWriter, c *Call) {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-c.request.Context().Done():
		}
		c.Serve(w)
	}
}

// Before calls happen before the call is served. happen may call the registry
// too.
func Before(happen func()) Action {
	return func(w http.ResponseWriter, c *Call) {
		happen()
		c.Serve(w)
	}
}

// Reset resets the connection before the call is carried out.
func Reset() Action {
	return func(w http.ResponseWriter, _ *Call) { reset(w) }
}

// LoseAnswer carries out the call, then resets the connection.
func LoseAnswer() Action {
	return func(w http.ResponseWriter, c *Call) {
		c.Serve(nowhere{http.Header{}})
		reset(w)
	}
}

func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // HTTP/2 closes the stream instead
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // RST, not FIN
	}
	_ = conn.Close()
}

// nowhere is a ResponseWriter that discards the answer.
type nowhere struct{ header http.Header }

func (n nowhere) Header() http.Header       { return n.header }
func (nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (nowhere) WriteHeader(int)             {}
