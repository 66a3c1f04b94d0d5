package policies

// Signed reports whether a purge also rewrites tags that have a signature or
// another referrer, which then no longer match.
var Signed = Policy[bool]{
	Name:   "signed",
	Doc:    "whether purge rewrites tags that have a signature or another referrer",
	Values: words[bool]{{"keep", false}, {"purge", true}},
	Strict: orFalse("keep"),
}
