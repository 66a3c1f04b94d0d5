package policies

// Untagged reports whether untagged manifests that nothing needs are deleted.
var Untagged = Policy[bool]{
	Name:    "untagged",
	Doc:     "whether untagged manifests that nothing needs are deleted",
	Values:  words[bool]{{"keep", false}, {"delete", true}},
	Strict:  same[bool](),
	Deletes: "delete",
}
