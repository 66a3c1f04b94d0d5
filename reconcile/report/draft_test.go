package report_test

import (
	"strings"
	"testing"

	"tagline/config"
	"tagline/policies"
	"tagline/reconcile"
	"tagline/reconcile/report"
)

// A draft is a valid images.yaml for its repository, however YAML would read
// its names. So is the example in a draft without aliases.
func TestDraftNames(t *testing.T) {
	for _, repository := range []config.Repository{
		{Host: "[::1]:5000", Path: "app"},
		{Host: "[2001:db8::1]", Path: "team/app"},
		{Host: "[::1]:5000", Path: "10.10/app"}, // the first part looks like a host
		{Host: "localhost:5000", Path: "null"},
		{Host: "127.0.0.1:5000", Path: "1"},
	} {
		t.Run(repository.String(), func(t *testing.T) {
			d := reconcile.Draft{Repository: repository, Provenance: policies.Keep, Tags: []reconcile.TagSummary{{Tag: "1.0"}, {Tag: "null"}, {Tag: "absent"}}}
			check := func(text string, aliases int) {
				t.Helper()
				cfg, err := config.Parse("images.yaml", []byte(text), config.Options{Policies: policies.Keys()})
				if err != nil || cfg.Images[0].Repository != repository || len(cfg.Images[0].Aliases) != aliases {
					t.Errorf("%v\n%s", err, text)
				}
			}
			var none, some strings.Builder
			if err := report.Draft(&none, d); err != nil {
				t.Fatal(err)
			}
			_, example, _ := strings.Cut(none.String(), "says is:\n#\n")
			check(strings.NewReplacer("#   ", "", "ALIAS", "latest", "TAG", "1.0").Replace(example), 1)

			for _, tag := range []string{"1.0", "null", "absent"} {
				d.Aliases = append(d.Aliases, config.Alias{Tag: "as-" + tag, Sources: []config.Source{{Repository: repository, Tag: tag, Text: tag}}})
				d.Tags = append(d.Tags, reconcile.TagSummary{Tag: "as-" + tag})
			}
			if err := report.Draft(&some, d); err != nil {
				t.Fatal(err)
			}
			check(some.String(), 3)
		})
	}
}
