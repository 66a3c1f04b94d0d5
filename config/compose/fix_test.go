package compose_test

import (
	"os"
	"testing"

	"tagline/config/compose"
)

// A fix changes its own bytes alone, or none.
func TestApply(t *testing.T) {
	for _, test := range []struct{ name, before, after string }{
		{"plain", "services: {s: {image: localhost:5000/app:11.2}}\n", "services: {s: {image: localhost:5000/app:11}}\n"},
		{"without a last newline", "services:\n  s:\n    image: localhost:5000/app:11.2", "services:\n  s:\n    image: localhost:5000/app:11"},
		{"CRLF and a byte order mark", "\ufeffservices: {s: {image: 'localhost:5000/app:11.2'}}\r\nx-a:\r\n- é\r\n", "\ufeffservices: {s: {image: 'localhost:5000/app:11'}}\r\nx-a:\r\n- é\r\n"},
		{"behind other letters", "services: {s: {command: é→, image: localhost:5000/app:11.2}}\n", "services: {s: {command: é→, image: localhost:5000/app:11}}\n"},
		{"an anchor and a tag", "services: {s: {image: &i !!str localhost:5000/app:11.2 }, t: {image: *i}}\n", "services: {s: {image: &i !!str localhost:5000/app:11 }, t: {image: *i}}\n"},
		{"two on a line", "services: {s: {image: localhost:5000/app:11.2}, t: {image: localhost:5000/app:11.2}}\n", "services: {s: {image: localhost:5000/app:11}, t: {image: localhost:5000/app:11}}\n"},
		{"one of two on a line, of two services", "services: {s: &s {image: localhost:5000/app:11.2}, u: *s, t: {image: localhost:5000/app:11.2, platform: linux/s390x}}\n", "services: {s: &s {image: localhost:5000/app:11}, u: *s, t: {image: localhost:5000/app:11.2, platform: linux/s390x}}\n"},
		{"in a second document", "services: {}\n---\nservices: {s: {image: \"localhost:5000/app:11.2\"}} # 11.2\n", "services: {}\n---\nservices: {s: {image: \"localhost:5000/app:11\"}} # 11.2\n"},
		{"on two lines", "services: {s: {image: \"localhost:5000/\\\n  app:11.2\"}}\n", ""},
		{"folded", "services:\n  s:\n    image: >-\n      localhost:5000/app:11.2\n", ""},
		{"an escaped letter", "services: {s: {image: \"localhost:5000/app\\x3a11.2\"}}\n", ""},
		{"a dollar sign", "services: {s: {image: \"localhost:5000/app:${T:-11.2}\"}}\n", ""},
		{"several aliases", "services: {s: {image: \"localhost:5000/app:10.10\"}}\n", ""},
		{"an alias that lacks the platform", "services: {s: {image: \"localhost:5000/app:11.2\", platform: linux/s390x}}\n", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			workspaceOf(t, "")
			if err := os.WriteFile("compose.yml", []byte(test.before), 0o640); err != nil {
				t.Fatal(err)
			}
			services, err := compose.Load("compose.yml", nil)
			if err != nil {
				t.Fatal(err)
			}
			if test.after == "" {
				test.after = test.before
			}
			fixes := compose.Check(parseConfig(t), services).Fixes
			applied, left, err := compose.Apply(fixes)
			got, _ := os.ReadFile("compose.yml")
			if err != nil || string(got) != test.after {
				t.Errorf("%v, got:\n%q\nwant:\n%q", err, got, test.after)
			}
			if len(left) > 0 != (test.after == test.before && len(fixes) > 0) || (len(applied) > 0) != (test.after != test.before) {
				t.Errorf("applied %v, left %v", applied, left)
			}
			files, _ := os.ReadDir(".")
			if info, _ := os.Stat("compose.yml"); len(files) != 1 || info.Mode().Perm() != 0o640 {
				t.Errorf("%v, %v", files, info.Mode())
			}
		})
	}
}

// Nothing is written if the file is another one by now.
func TestApplyToAnotherFile(t *testing.T) {
	workspaceOf(t, "-- compose.yml --\nservices: {s: {image: localhost:5000/app:11.2}}\n")
	services, err := compose.Load("compose.yml", nil)
	if err != nil {
		t.Fatal(err)
	}
	fixes := compose.Check(parseConfig(t), services).Fixes
	for _, now := range []string{"# nothing\n", "services: {s: {image: 'localhost:5000/app:11.2\n", "services: {s: {imag:  localhost:5000/app:11.2 z}}\n"} {
		if err := os.WriteFile("compose.yml", []byte(now), 0o600); err != nil {
			t.Fatal(err)
		}
		applied, left, err := compose.Apply(fixes)
		if got, _ := os.ReadFile("compose.yml"); string(got) != now || len(applied) > 0 || len(left) != 1 {
			t.Errorf("%v, %v, %v, %q", applied, left, err, got)
		}
	}
}
