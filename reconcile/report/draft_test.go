package report_test

import (
	"strings"
	"testing"

	"tagline/config"
	"tagline/policies"
	"tagline/reconcile"
	"tagline/reconcile/report"
)

// A draft is a valid images.yaml of the repository that it was made for, however
// YAML would read its names.
func TestDraftNames(t *testing.T) {
	for _, repository := range []config.Repository{
		{Host: "[::1]:5000", Path: "app"},
		{Host: "[2001:db8::1]", Path: "team/app"},
		{Host: "[::1]:5000", Path: "10.10/app"}, // the first part looks like a host
		{Host: "localhost:5000", Path: "null"},
		{Host: "127.0.0.1:5000", Path: "1"},
	} {
		t.Run(repository.String(), func(t *testing.T) {
			d := reconcile.Draft{Repository: repository, Tags: []reconcile.TagSummary{{Tag: "1.0"}, {Tag: "null"}, {Tag: "absent"}}}
			for _, tag := range []string{"1.0", "null", "absent"} {
				d.Aliases = append(d.Aliases, config.Alias{Tag: "as-" + tag, Sources: []config.Source{{Repository: repository, Tag: tag, Text: tag}}})
				d.Tags = append(d.Tags, reconcile.TagSummary{Tag: "as-" + tag})
			}
			var text strings.Builder
			if err := report.Drafts(&text, []reconcile.Draft{d}); err != nil {
				t.Fatal(err)
			}
			cfg, err := config.Parse("images.yaml", []byte(text.String()), config.Options{Policies: policies.Keys()})
			if err != nil || cfg.Images[0].Repository != repository || len(cfg.Images[0].Aliases) != 3 {
				t.Errorf("%v\n%s", err, text.String())
			}
		})
	}
}
