package config

import (
	"strings"
	"testing"
)

func TestAddImages(t *testing.T) {
	const entries = "# web has 2 tags.\nweb:\n  aliases:\n    1: 1.0\n"
	for _, test := range []struct{ name, before, after, refused string }{
		{name: "at the end", before: `registry: r.test # ours
images:
  # the app
  app:
    aliases: {latest: 1.0}   # a note
`, after: `registry: r.test # ours
images:
  # the app
  app:
    aliases: {latest: 1.0}   # a note

  # web has 2 tags.
  web:
    aliases:
      1: 1.0
`},
		{name: "before other keys, with an indentation of four", before: `images:
    app:
        aliases:
            latest: 1.0
            # 2: 2.0

# The registry of all.
registry: r.test
`, after: `images:
    app:
        aliases:
            latest: 1.0
            # 2: 2.0

    # web has 2 tags.
    web:
      aliases:
        1: 1.0

# The registry of all.
registry: r.test
`},
		{name: "an image over several lines", before: `registry: r.test
images:
  app: {
    aliases: {latest: 1.0,
      2: 2.0}
    }
`, after: `registry: r.test
images:
  app: {
    aliases: {latest: 1.0,
      2: 2.0}
    }

  # web has 2 tags.
  web:
    aliases:
      1: 1.0
`},
		{name: "no end of line", before: "registry: r.test\nimages:\n  app: {aliases: {latest: 1.0}}", after: "registry: r.test\nimages:\n  app: {aliases: {latest: 1.0}}\n\n  # web has 2 tags.\n  web:\n    aliases:\n      1: 1.0\n"},
		{name: "CRLF", before: "registry: r.test\r\nimages:\r\n  app: {aliases: {latest: 1.0}}\r\n", after: "registry: r.test\r\nimages:\r\n  app: {aliases: {latest: 1.0}}\r\n\r\n  # web has 2 tags.\r\n  web:\r\n    aliases:\r\n      1: 1.0\r\n"},
		{name: "no images", before: "registry: r.test\n", after: "registry: r.test\n\nimages:\n  # web has 2 tags.\n  web:\n    aliases:\n      1: 1.0\n"},
		{name: "images without a value", before: "images: # none yet\nregistry: r.test\n", after: "images: # none yet\n  # web has 2 tags.\n  web:\n    aliases:\n      1: 1.0\nregistry: r.test\n"},
		{name: "an empty map of images", before: "images: {} # none yet\nregistry: r.test\n", after: "images: # none yet\n  # web has 2 tags.\n  web:\n    aliases:\n      1: 1.0\nregistry: r.test\n"},
		{name: "one line of images", before: "registry: r.test\nimages: {app: {aliases: {latest: 1.0}}}\n", refused: `its images in line 2 are a map in braces; write each on a line of its own below "images:"`},
		{name: "one line", before: "{registry: r.test, images: {app: {aliases: {latest: 1.0}}}}\n", refused: "it is a map in braces; write each key on a line of its own"},
		{name: "comments alone", before: "# nothing\n", refused: "no map"},
		{name: "no YAML", before: "images: [\n", refused: "yaml: "},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := AddImages([]byte(test.before), entries)
			if test.refused != "" {
				if err == nil || !strings.Contains(err.Error(), test.refused) || got != nil {
					t.Fatalf("%v, want %q", err, test.refused)
				}
				return
			}
			if err != nil || string(got) != test.after {
				t.Fatalf("%v\n%s", err, got)
			}
			cfg, err := Parse("images.yaml", got, Options{Policies: nil})
			if err != nil || cfg.Listed[len(cfg.Listed)-1].Name != "web" {
				t.Error(err)
			}
		})
	}
}
