package report

import (
	"net/url"
	"path"
	"slices"
	"strings"

	"tagline/config"
)

// The part of SARIF 2.1.0 that findings need
// (https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html).
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool struct {
			Driver sarifDriver `json:"driver"`
		} `json:"tool"`
		ColumnKind  string            `json:"columnKind"`
		Invocations []sarifInvocation `json:"invocations"`
		Results     []sarifResult     `json:"results"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"version"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID               string    `json:"id"`
		ShortDescription sarifText `json:"shortDescription"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifInvocation struct {
		ExecutionSuccessful bool          `json:"executionSuccessful"`
		Notifications       []sarifNotice `json:"toolExecutionNotifications"`
	}
	sarifNotice struct {
		Level   string    `json:"level"`
		Message sarifText `json:"message"`
	}
	sarifResult struct {
		RuleID    string          `json:"ruleId"`
		RuleIndex int             `json:"ruleIndex"`
		Level     string          `json:"level"`
		Message   sarifText       `json:"message"`
		Locations []sarifLocation `json:"locations"`
	}
	sarifLocation struct {
		PhysicalLocation sarifPlace `json:"physicalLocation"`
	}
	sarifPlace struct {
		ArtifactLocation struct {
			URI string `json:"uri"`
		} `json:"artifactLocation"`
		Region *sarifRegion `json:"region,omitempty"`
	}
	sarifRegion struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn"`
	}
)

// SARIF is the findings for code scanning. What failed is no finding: it is
// told as a notification of the tool.
func SARIF(run Run) []byte {
	out := sarifRun{ColumnKind: "unicodeCodePoints", Results: []sarifResult{}}
	out.Tool.Driver = sarifDriver{Name: "tagline", Version: run.Version, Rules: []sarifRule{}}
	all := run.judged()
	var ids []string
	for _, f := range all {
		ids = append(ids, f.ID)
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	for _, id := range ids {
		out.Tool.Driver.Rules = append(out.Tool.Driver.Rules, sarifRule{id, sarifText{strings.ReplaceAll(id, "-", " ")}})
	}
	for _, f := range all {
		var place sarifPlace
		place.ArtifactLocation.URI = fileURI(run.file(f.Pos.File))
		if f.Pos.Line > 0 {
			place.Region = &sarifRegion{f.Pos.Line, f.Pos.Column}
		}
		index, _ := slices.BinarySearch(ids, f.ID)
		out.Results = append(out.Results, sarifResult{f.ID, index, sarifLevel(f), sarifText{f.Message}, []sarifLocation{{place}}})
	}
	invocation := sarifInvocation{ExecutionSuccessful: true, Notifications: []sarifNotice{}}
	for _, f := range run.problems() {
		if !slices.Contains(all, f) {
			invocation.ExecutionSuccessful = false
			invocation.Notifications = append(invocation.Notifications, sarifNotice{"error", sarifText{f.Message}})
		}
	}
	out.Invocations = []sarifInvocation{invocation}
	return encode(sarifLog{"https://json.schemastore.org/sarif-2.1.0.json", "2.1.0", []sarifRun{out}})
}

func sarifLevel(f *config.Finding) string {
	if f.Warning {
		return "warning"
	}
	return "error"
}

// fileURI is a reference relative to the checkout, or a file: URI.
func fileURI(name string) string {
	u := url.URL{Path: name}
	if path.IsAbs(name) {
		u.Scheme = "file"
	}
	return u.String()
}
