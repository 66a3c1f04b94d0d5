package policies

// Prune reports whether alias tags are deleted that tagline made and images.yaml
// no longer lists.
var Prune = Policy[bool]{
	Name:    "prune",
	Doc:     "whether alias tags that tagline made and images.yaml no longer lists are deleted",
	Values:  words[bool]{{"false", false}, {"true", true}},
	Strict:  same[bool](),
	Deletes: "true",
}
