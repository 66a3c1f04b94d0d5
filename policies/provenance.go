package policies

// Attestations is what becomes of attestation manifests.
type Attestations int

// The values of the provenance policy.
const (
	Keep  Attestations = iota // an alias has those of its images
	Drop                      // an alias has none
	Purge                     // as Drop, and every tag of the repository loses its own
)

var attestations = words[Attestations]{{"keep", Keep}, {"drop", Drop}, {"purge", Purge}}

// String returns the word that images.yaml has for the value.
func (a Attestations) String() string { return attestations[a].text }

// Provenance decides on the attestation manifests that BuildKit puts beside
// every image (since buildx 0.10 by default, docker/build-push-action#1339). For
// an alias, Purge is Drop. What it does to other tags is the work of package
// reconcile.
var Provenance = Policy[Attestations]{
	Name:    "provenance",
	Doc:     "whether aliases carry the attestation manifests of their sources, or with purge any tag",
	Values:  attestations,
	Strict:  same[Attestations](),
	Deletes: "purge",
	Apply: func(value Attestations, a Alias) (Alias, []Finding) {
		if value == Keep {
			return a, nil
		}
		return a.without(Attestation), nil
	},
}
