package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"tagline/reconcile/report"
)

// Alerts and dashboard ask for metrics and labels that -o metrics writes. The rules
// are tested by promtool, see .github/examples/prometheus-rules-test.yml.
func TestAlertsAndDashboard(t *testing.T) {
	m := report.Metrics{Costs: report.Costs{Requests: []report.Requests{{Method: "GET", Kind: "ping", Status: 200, Count: 1}}}, LastSuccess: time.Unix(1, 0)}
	known := map[string]string{} // the labels of each metric
	for line := range strings.Lines(string(m.Text())) {
		if name, rest, _ := strings.Cut(strings.TrimSpace(line), " "); name != "#" && rest != "" {
			name, labels, _ := strings.Cut(name, "{")
			known[name] += labels
		}
	}
	read := func(name string) []byte {
		data, err := os.ReadFile(filepath.Join("../../.github/examples", name))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	var rules struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	if err := yaml.Unmarshal(read("prometheus-rules.yml"), &rules); err != nil {
		t.Fatal(err)
	}
	var expressions []string
	tests := string(read("prometheus-rules-test.yml"))
	for _, group := range rules.Groups {
		for _, rule := range group.Rules {
			expressions = append(expressions, rule.Expr)
			if !strings.Contains(tests, "alertname: "+rule.Alert+"\n        exp_alerts:") {
				t.Errorf("no test of the alert %s fires it", rule.Alert)
			}
		}
	}
	var dashboard struct {
		Title  string
		Panels []struct {
			ID      int
			Title   string
			Type    string
			GridPos struct{ X, Y, W, H int }
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(read("grafana-dashboard.json"), &dashboard); err != nil {
		t.Fatal(err)
	}
	ids := map[int]bool{}
	for _, panel := range dashboard.Panels {
		at := panel.GridPos
		if ids[panel.ID] || panel.Title == "" || panel.Type == "" || at.W < 1 || at.H < 1 || at.X+at.W > 24 || len(panel.Targets) == 0 {
			t.Errorf("panel %d (%s) is not complete, or has the id of another", panel.ID, panel.Title)
		}
		ids[panel.ID] = true
		for _, target := range panel.Targets {
			expressions = append(expressions, target.Expr)
		}
	}
	metric := regexp.MustCompile(`tagline_\w+`)
	state := regexp.MustCompile(`\b(state|action)="\w+"`)
	used := map[string]bool{}
	for _, expression := range expressions {
		names := metric.FindAllString(expression, -1)
		if len(names) == 0 {
			t.Errorf("%s has no metric of tagline", expression)
		}
		for _, name := range names {
			used[name] = true
			if _, ok := known[name]; !ok {
				t.Errorf("%s: there is no metric %s", expression, name)
			}
			for _, label := range state.FindAllString(expression, -1) {
				if !strings.Contains(known[name], label) {
					t.Errorf("%s: %s never has %s", expression, name, label)
				}
			}
		}
	}
	for name := range known {
		if !used[name] {
			t.Errorf("neither an alert nor a panel uses %s", name)
		}
	}
}
