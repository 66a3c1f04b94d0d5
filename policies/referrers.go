package policies

// Referrers reports whether what refers to an image is copied with it from another
// repository: signatures, attestations and SBOMs of cosign, and referrers.
var Referrers = Policy[bool]{
	Name:   "referrers",
	Doc:    "whether signatures, SBOMs and other referrers are copied with an image from another repository",
	Values: words[bool]{{"copy", true}, {"leave", false}},
	Strict: same[bool](),
}
