package report

import (
	"fmt"
	"html"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	east "github.com/yuin/goldmark/extension/ast"
	gtext "github.com/yuin/goldmark/text"
	"pgregory.net/rapid"

	"tagline/config"
	"tagline/reconcile"
)

func TestMarkdown(t *testing.T) {
	for name, test := range map[string]struct {
		run  Run
		want string
	}{
		"dry run": {dryRun(), "<!-- tagline -->\n" + `### Plan: 3 to push, 1 tag and 0 manifests to delete, 1 blocked, 1 failed.

| | Alias | Place | Problem |
| --- | --- | --- | --- |
| :x: |  |  | ~failed~<br>~open plan.json: permission denied~ |
| :x: | ~12~ | ~images.yaml:6:7~ | ~failed~<br>~tag "12" of my-image: 503~ |
| :x: |  | ~compose.yml:9:2~ | ~unknown-field~<br>~no such field~ |
| :x: | ~11~ | ~images.yaml:3:7~ | ~missing-source~<br>~source is gone~ |
| :warning: | ~10~ | ~images.yaml:4:7~ | ~expiring-alias~<br>~a rule may delete it~ |

#### ~my-image~

| | Alias | ~artifact~ | ~linux/amd64~ | ~linux/arm64~ | ~linux/s390x~ |
| --- | --- | --- | --- | --- | --- |
| moves | ~10~ |  | ~10.10~ ~sha256:111111111111…~<br>~unchanged, behind 10.20~ | ~10.20~ ~sha256:222222222222…~<br>~10.19 -> 10.20, was sha256:111111111111…~ | ~dropped, was 10.9 sha256:111111111111…~ |
| new | ~chart~ | ~1.0~ ~sha256:222222222222…~<br>~new~ |  |  |  |
| new | ~latest~<br>copied from ~r.test/base~ |  | ~10~ ~sha256:111111111111…~<br>~new, with 2 attestations~ |  |  |
| goes | ~9~ ~set to absent~ | | | | |

1 alias in sync.

Where ~my-image~ comes from:

~~~mermaid
graph LR
  s0("10.10")
  a1["10"]
  a1 -->|"linux/amd64"| s0
  d2["sha256#58;111111111111#8230;"]
  s0 -->|"linux/amd64"| d2
  s3("10.20")
  a1 -->|"linux/arm64"| s3
  d4["sha256#58;222222222222#8230;"]
  s3 -->|"linux/arm64"| d4
  s5("1.0")
  a6["chart"]
  a6 -->|"artifact"| s5
  s5 -->|"artifact"| d4
  s7("10")
  a8["latest"]
  a8 -->|"linux/amd64"| s7
  s7 -->|"linux/amd64"| d2
~~~
`},
		"a file that is not valid": {Run{Findings: []*config.Finding{{ID: "syntax", Message: "no"}}}, "<!-- tagline -->\n" + `### Found 1 problem.

| | Alias | Place | Problem |
| --- | --- | --- | --- |
| :x: |  |  | ~syntax~<br>~no~ |
`},
		"nothing to do": {Run{Repositories: []Repository{{Plan: reconcile.Plan{Image: "a", InSync: []string{"1"}}}}}, "<!-- tagline -->\n### Nothing to do: 1 alias in sync.\n"},
	} {
		if got := strings.ReplaceAll(string(Markdown(test.run)), "`", "~"); got != test.want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, test.want)
		}
	}
	got := string(Markdown(run()))
	for _, want := range []string{"### Applied: 1 pushed", "| pushed | `10` |", "| **stale** | `chart` |", "| **failed** | `latest`<br>copied", "| **skipped** | `9` `set to absent` |"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
	if strings.Contains(got, `["chart"]`) || !strings.Contains(got, `["10"]`) {
		t.Errorf("the graph is not of what was pushed:\n%s", got)
	}
}

func TestMarkdownOfDeletions(t *testing.T) {
	r := savable()
	few := string(Markdown(r))
	r.Repositories[0].DeleteManifests = nil
	for range 11 {
		r.Repositories[0].DeleteManifests = append(r.Repositories[0].DeleteManifests, reconcile.DeleteManifest{Digest: three, Kind: reconcile.KindAttestation, Bytes: 1000})
	}
	many := string(Markdown(r))
	r.DryRun = false
	for range 11 {
		r.Repositories[0].Removed = append(r.Repositories[0].Removed, reconcile.Outcome{Tag: three, Err: reconcile.ErrSkipped})
	}
	none := string(Markdown(r))
	for _, test := range []struct{ of, want string }{
		{few, "| goes | `sha256:333333333333…` `10.10 has lost its attestations` | | | | |\n"},
		{few, "\nTo reclaim: 1 replaced index, 12 B.\n"},
		{few, "| moves | `10.10`<br>loses 1 attestation |"},
		{many, "\nTo reclaim: 11 attestations, 11.0 kB.\n"},
		{none, "| :x: |  | `images.yaml:2:3` | `skipped`<br>`manifest " + three + " of my-image: not done` |\n"},
	} {
		if strings.Count(test.of, test.want) != 1 {
			t.Errorf("%q is not there once in\n%s", test.want, test.of)
		}
	}
	if strings.Contains(many, "333333333333") || strings.Contains(none, "reclaim") {
		t.Errorf("too much is told:\n%s\n%s", many, none)
	}
	if got := string(StepOutputs(savable())); !strings.Contains(got, "\npushes=4\ndeletions=3\n") {
		t.Errorf("outputs of the step are\n%s", got)
	}
}

// hostile draws text that a registry or a file may contain.
func hostile(t *rapid.T, name string) string {
	return rapid.OneOf(
		rapid.String(),
		rapid.StringOf(rapid.SampledFrom([]rune("`|\\<>&*_[]()!#@:;~$%{}\"' \r\n-=+www.https://code"))),
		rapid.SampledFrom([]string{"@octocat", "<script>", "[a](http://b)", "\\|", "a`b|c", "www.example.com", "&lt;", "%%{init: {}}%%", "\"]; click a0 \"", "end", "```"}),
	).Draw(t, name)
}

// A renderer of GitHub's Markdown shows the text unchanged, in its own cell.
// Nothing in it links, mentions or formats.
func TestMarkdownOfHostileText(t *testing.T) {
	parser := goldmark.New(goldmark.WithExtensions(extension.GFM)).Parser()
	rapid.Check(t, func(t *rapid.T) {
		alias, message, source := hostile(t, "alias"), hostile(t, "message"), hostile(t, "source")
		markdown := Markdown(Run{DryRun: true, Repositories: []Repository{{Plan: reconcile.Plan{
			Image:      message,
			Violations: []*config.Finding{{ID: "bad", Alias: alias, Message: message, Pos: config.Pos{File: source, Line: 1}}},
			Pushes:     []reconcile.Push{{Tag: alias, Platforms: []reconcile.PlatformChange{{Platform: message, Source: source, Digest: two}}}},
		}}}})
		from := shows(source)
		if from != "" {
			from += " "
		}
		want := []string{
			"", "Alias", "Place", "Problem", ":x:", shows(alias), shows(source + ":1:0"), "bad" + shows(message),
			"", "Alias", shows(orArtifact(message)), "new", shows(alias), from + "sha256:222222222222…new",
		}
		var got []string
		err := ast.Walk(parser.Parse(gtext.NewReader(markdown)), func(n ast.Node, entering bool) (ast.WalkStatus, error) {
			switch n := n.(type) {
			case *ast.Link, *ast.AutoLink, *ast.Image, *ast.List, *ast.Blockquote:
				t.Fatalf("a %s is shown:\n%s", n.Kind(), markdown)
			case *ast.RawHTML:
				if tag := string(n.Segments.Value(markdown)); tag != "<br>" && tag != "<code>" && tag != "</code>" {
					t.Fatalf("%s is shown:\n%s", tag, markdown)
				}
			case *east.TableCell:
				if entering {
					got = append(got, shown(n, markdown))
				}
			case *ast.FencedCodeBlock:
				if entering {
					checkGraph(t, string(n.Lines().Value(markdown)))
				}
			}
			return ast.WalkContinue, nil
		})
		if err != nil || strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Fatalf("%v: got\n%q\nwant\n%q\nof\n%s", err, got, want, markdown)
		}
	})
}

func orArtifact(platform string) string {
	if platform == "" {
		return "artifact"
	}
	return platform
}

// shows returns a text as a renderer shows it in a code span.
func shows(text string) string {
	text = cut(Printable(text))
	if strings.Trim(text, " ") != "" && !strings.ContainsAny(text, "`|") && strings.HasPrefix(text, " ") && strings.HasSuffix(text, " ") {
		return text[1 : len(text)-1] // CommonMark 0.31, "Code spans"
	}
	return text
}

// shown returns the text of a cell.
func shown(n ast.Node, source []byte) string {
	var b strings.Builder
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if t, ok := n.(*ast.Text); ok && entering {
			value := string(t.Value(source))
			if n.Parent().Kind() != ast.KindCodeSpan {
				value = html.UnescapeString(value)
			}
			b.WriteString(value)
		}
		return ast.WalkContinue, nil
	})
	return b.String()
}

// graphLine matches the lines that a graph may contain: a node, whose label has
// only letters, digits and character codes, or an arrow.
var graphLine = regexp.MustCompile(`^(graph LR|  [asd]\d+(\["L"\]|\("L"\))|  [as]\d+ -->\|"L"\| [sd]\d+)$`)

func checkGraph(t *rapid.T, graph string) {
	labels := regexp.MustCompile(`"([a-zA-Z0-9 ./_-]|#\d+;)*"`)
	for line := range strings.Lines(graph) {
		if line = labels.ReplaceAllString(strings.TrimSuffix(line, "\n"), `"L"`); !graphLine.MatchString(line) {
			t.Fatalf("%q is no line of a graph:\n%s", line, graph)
		}
	}
}

// A report stays below its limit, and gives the number of what it leaves out.
func TestMarkdownHasALimit(t *testing.T) {
	var r Run
	r.DryRun = true
	const images, aliases = 30, 200
	for i := range images {
		plan := reconcile.Plan{Image: fmt.Sprintf("image-%d", i), InSync: []string{"1"}}
		for k := range aliases {
			tag := fmt.Sprintf("alias-%d", k)
			plan.Pushes = append(plan.Pushes, reconcile.Push{Tag: tag, New: two, Platforms: []reconcile.PlatformChange{{Platform: "linux/amd64", Source: "1.0", Digest: two}}})
			plan.Violations = append(plan.Violations, &config.Finding{ID: "bad", Alias: tag, Message: strings.Repeat("long ", 1000)})
		}
		r.Repositories = append(r.Repositories, Repository{Plan: plan})
	}
	got := string(Markdown(r))
	if len(got) > maxMarkdown || !utf8.ValidString(got) {
		t.Errorf("it has %d bytes", len(got))
	}
	if end := strings.Index(got, "problems more"); end > maxProblems+30 {
		t.Errorf("the problems take %d bytes", end)
	}
	for what, line := range map[string]string{"problem": "\n| :x: |", "change": "\n| new |"} {
		shown := strings.Count(got, line)
		if more := fmt.Sprintf("\n…and %d %ss more.\n", images*aliases-shown, what); shown < 10 || !strings.Contains(got, more) {
			t.Errorf("%d %ss are shown, and not the line %q", shown, what, more)
		}
	}
	if strings.Count(got, "in sync") != 1 || !strings.Contains(got, "\n30 aliases in sync.\n") {
		t.Error("what is in sync is not counted once")
	}
	r.Repositories = r.Repositories[:1]
	r.Repositories[0].Violations = nil
	if got := string(Markdown(r)); !strings.Contains(got, "Where `image-0` comes from (118 of 200 aliases):\n") || strings.Count(got, " -->") > maxEdges {
		t.Errorf("a graph of 200 aliases is\n%s", got)
	}
}
