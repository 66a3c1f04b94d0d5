// Package findings is the table of all that tagline reports about images.yaml,
// compose files and registries. It feeds `tagline explain`, the rules of SARIF,
// and the table of policies/README.md.
package findings

// ID names a kind of finding: kebab-case, stable, and never used again with
// another meaning. Use the constants; a test refuses any other text.
type ID string

// Group is what a finding is about, and so what it leads to.
type Group string

// The groups.
const (
	File     Group = "images.yaml"  // nothing is read or written; exit code 1
	Registry Group = "registry"     // the alias or deletion is left alone; exit code 3
	Loading  Group = "compose file" // the project is not checked; exit code 1
	Compose  Group = "compose"      // the check fails; exit code 3
	Outcome  Group = "outcome"      // of an action that was not done; exit code 1, of Unsupported 3
)

// Severity says whether a finding fails a run.
type Severity string

// The severities. What is [Either] depends on the case; the finding says which.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
	Either  Severity = "error or warning"
)

// Kind explains an ID.
type Kind struct {
	ID       ID
	Group    Group
	Severity Severity
	Means    string // a sentence
	Do       string // a sentence or two: the ways out
}
