package report

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// codeQuality is one issue of GitLab's report
// (docs.gitlab.com/ci/testing/code_quality, "Code Quality report format").
type codeQuality struct {
	Description string `json:"description"`
	CheckName   string `json:"check_name"`
	Fingerprint string `json:"fingerprint"`
	Severity    string `json:"severity"`
	Location    struct {
		Path  string `json:"path"`
		Lines struct {
			Begin int `json:"begin"`
		} `json:"lines"`
	} `json:"location"`
}

// GitLab returns the findings as a code quality report. GitLab recognizes a
// finding by its fingerprint, which does not depend on the line.
func GitLab(run Run) []byte {
	all := []codeQuality{}
	seen := map[string]int{}
	for _, f := range run.judged() {
		issue := codeQuality{Description: f.Message, CheckName: string(f.ID), Severity: "major"}
		if f.Warning {
			issue.Severity = "minor"
		}
		issue.Location.Path, issue.Location.Lines.Begin = run.file(f.Pos.File), max(1, f.Pos.Line)
		same := fmt.Sprintf("%q", []string{string(f.ID), issue.Location.Path, f.Alias, f.Message})
		sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", same, seen[same]))
		seen[same]++
		issue.Fingerprint = hex.EncodeToString(sum[:])
		all = append(all, issue)
	}
	return Encode(all)
}
