package policies

import "slices"

// Companions reports whether an alias has the companions of its images: artifacts
// of the same index that belong to one of them, such as the SOCI indexes by which
// AWS Fargate starts a container before its image is there. Attestations are the
// business of [Provenance].
var Companions = Policy[bool]{
	Name:   "companions",
	Doc:    "whether aliases carry the artifacts that belong to their images, such as SOCI indexes",
	Values: words[bool]{{"keep", true}, {"drop", false}},
	Strict: same[bool](),
	Apply: func(keep bool, a Alias) (Alias, []Finding) {
		if keep {
			return a, nil
		}
		return a.without(Companion), nil
	},
}

// without returns an alias without the entries of a kind.
func (a Alias) without(kind Kind) Alias {
	had := len(a.Entries)
	a.Entries = slices.DeleteFunc(slices.Clone(a.Entries), func(e Entry) bool { return e.Kind == kind })
	a.Filtered = a.Filtered || len(a.Entries) < had
	return a
}
