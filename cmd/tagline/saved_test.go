package main

import "testing"

// The command that plans again can be pasted into a shell.
func TestAgain(t *testing.T) {
	for _, test := range []struct {
		name  string
		files []string
		want  string
	}{
		{"the default file", []string{defaultFile}, "tagline apply --dry-run -o json=pq.json"},
		{"a folder", []string{"images"}, "tagline apply --dry-run -f images -o json=pq.json"},
		{"names with a blank and a quote", []string{"my images", "it's"}, `tagline apply --dry-run -f 'my images' -f 'it'\''s' -o json=pq.json`},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := (&app{files: test.files}).again("pq.json"); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}
