package policies

// Signatures is what becomes of a tag that has a signature or another referrer, if
// its digest would change. The values are in order, the strictest last.
type Signatures int

// The values of the signed policy.
const (
	PurgeSigned Signatures = iota // purge rewrites the tag, and deletes what refers to it; an alias moves with a warning
	KeepSigned                    // purge leaves the tag alone; an alias moves with a warning if an image does, and else stays
	GuardSigned                   // as KeepSigned, and an alias stays in any case
)

// Signed decides on tags that have a signature or another referrer: it does not match
// another digest. What the values do is the work of package reconcile.
var Signed = Policy[Signatures]{
	Name:   "signed",
	Doc:    "what to do with a tag that has a signature or another referrer. keep: purge leaves it alone, and an alias moves away from it only for another image or for a purge; guard: neither changes it; purge: both change it",
	Values: words[Signatures]{{"keep", KeepSigned}, {"guard", GuardSigned}, {"purge", PurgeSigned}},
	Strict: Strictness[Signatures]{"guard, or keep over purge", func(least, own Signatures) bool { return own >= least }},
}
