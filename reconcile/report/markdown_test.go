package report

import (
	"fmt"
	"html"
	"regexp"
	"slices"
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
	"tagline/reconcile/registry"
)

func TestMarkdown(t *testing.T) {
	forged := dryRun()
	forged.Forge = Forge{Blob: "https://git.test/a/b/blob/c0ffee/", Folder: "deploy"}
	for name, test := range map[string]struct {
		run  Run
		want string
	}{
		"dry run": {dryRun(), `<!-- tagline -->
### 1 tag moves, 2 are new, 1 is blocked, 1 failed, 1 is deleted, 1 problem is in the files, 1 stopped the run

**Failed**

- open ~plan.json~: permission denied.
- ~my-image:12~: 503. (~images.yaml:6~)

**Blocked**

- no such field. → Correct the spelling; the message suggests the nearest key. (~compose.yml:9~, ~unknown-field~)
- ~my-image:11~: source is gone. → Push the source, or change images.yaml. (~images.yaml:3~, ~missing-source~)

**Worth a look**

- ~my-image:10~: a rule may delete it. → Leave alias tags out of the rule. (~images.yaml:4~, ~expiring-alias~)

#### ~my-image~

| Alias |  | ~artifact~ | ~linux/amd64~ | ~linux/arm64~ | ~linux/s390x~ |
| --- | --- | --- | --- | --- | --- |
| ~10~ | moves, **mixed versions** |  | ~10.10~ | **~10.19~ → ~10.20~** | **~10.9~ is dropped** |
| ~chart~ | new | ~1.0~ |  |  |  |
| ~latest~ | new, follows ~10~<br>copied from ~r.test/base~ |  | ~10.10~ |  |  |
| ~9~ | is deleted: set to absent |  |  |  |  |

What the aliases of ~my-image~ are made of: a thick arrow is a change.

~~~mermaid
graph LR
  s0(["10#46;10"])
  a1["10 #40;mixed#41;"]:::alias
  s0 -->|"amd64"| a1
  s2(["10#46;20"])
  s2 ==>|"arm64#44; was 10#46;19"| a1
  a3["latest"]:::alias
  a1 ==> a3
  classDef alias font-weight:bold
~~~

<details><summary>Digests</summary>

| Alias | | Was | Is |
| --- | --- | --- | --- |
| ~10~ | index | ~sha256:111111111111…~ | ~sha256:222222222222…~ |
| ~10~ | ~linux/amd64~ | ~sha256:111111111111…~ | ~sha256:111111111111…~ |
| ~10~ | ~linux/arm64~ | ~sha256:111111111111…~ | ~sha256:222222222222…~ |
| ~10~ | ~linux/s390x~ | ~sha256:111111111111…~ | none |
| ~chart~ | ~artifact~ | none | ~sha256:222222222222…~ |
| ~latest~ | index | none | ~sha256:222222222222…~ |
| ~latest~ | ~linux/amd64~ | none | ~sha256:111111111111…~ |

</details>

<details><summary>1 alias is in sync</summary>

- ~my-image~: ~8~

</details>
`},
		"a file that is not valid": {Run{Findings: []*config.Finding{{ID: "syntax", Message: "no"}, {ID: "odd", Warning: true, Message: "1. odd"}}}, `<!-- tagline -->
### 1 problem, 1 warning

**Problems**

- no. → Correct the line that the message names. (~syntax~)

**Worth a look**

- ~1~. odd. (~odd~)
`},
		"a file that is valid": {Run{Listed: 1, Aliases: 2}, "<!-- tagline -->\n### No problem found in 1 image, 2 aliases\n"},
		"nothing to do":        {Run{Repositories: []Repository{{Plan: reconcile.Plan{Image: "a", InSync: []string{"1"}}}}}, "<!-- tagline -->\n### Nothing to do: 1 alias in sync\n"},
		"left alone":           {Run{Repositories: []Repository{{Plan: reconcile.Plan{Image: "a", LeftAlone: []string{"1"}}}}}, "<!-- tagline -->\n### Nothing to do: 0 aliases in sync, 1 left alone\n"},
		"one more left alone": {Run{DryRun: true, Repositories: []Repository{{Plan: reconcile.Plan{Image: "a", LeftAlone: []string{"1"}, DeleteTags: []reconcile.DeleteTag{{Tag: "2", Old: one, Reason: "set to absent"}}}}}},
			"<!-- tagline -->\n### 1 tag is deleted, 1 alias is left alone\n\n#### ~a~\n\n| Alias |  |\n| --- | --- |\n| ~2~ | is deleted: set to absent |\n"},
		"nothing to do yet": {Run{Repositories: []Repository{{Plan: reconcile.Plan{Image: "a", Swept: reconcile.Swept{Waiting: 2}}}}}, "<!-- tagline -->\n### Nothing to do now: 0 aliases in sync\n\n2 manifests that nothing needs wait for grace.\n"},
	} {
		if got := strings.ReplaceAll(string(Markdown(test.run)), "`", "~"); got != test.want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, test.want)
		}
	}
	for _, test := range []struct {
		of   Run
		want string
	}{
		{run(), "### 1 tag moved, 1 is blocked, 4 failed, 1 problem is in the files, 1 stopped the run\n"},
		{run(), "| `10` | moved, **mixed versions** |"},
		{run(), "| `chart` | **stale** |"},
		{run(), "| `latest` | **failed**, follows `10`<br>copied from"},
		{run(), "| `9` | **skipped**: set to absent |"},
		{run(), "- `my-image:chart`: stale. → Run it again: the registry has changed since the plan was made. (`images.yaml:2`, `stale`)\n"},
		{forged, "\n| [`10`](https://git.test/a/b/blob/c0ffee/deploy/images.yaml#L4) | moves"},
		{forged, "\n| `latest` | new"}, // not an alias of the file
		{forged, "([`images.yaml:3`](https://git.test/a/b/blob/c0ffee/deploy/images.yaml#L3), `missing-source`)\n"},
	} {
		if got := string(Markdown(test.of)); !strings.Contains(got, test.want) {
			t.Errorf("%q is missing in\n%s", test.want, got)
		}
	}
}

func change(platform, source, digest, oldSource, oldDigest string) reconcile.PlatformChange {
	return reconcile.PlatformChange{Platform: platform, Source: source, Digest: digest, OldSource: oldSource, OldDigest: oldDigest}
}

// Each row of a table, by what the plan says of its alias.
func TestMarkdownTable(t *testing.T) {
	push := func(tag string, changes ...reconcile.PlatformChange) reconcile.Push {
		return reconcile.Push{Tag: tag, Old: one, New: two, Platforms: changes}
	}
	following := func(c reconcile.PlatformChange, origin string) reconcile.PlatformChange { c.Origin = origin; return c }
	lost := change("linux/amd64", "1.0", one, "1.0", one)
	lost.OldAttestations = 1
	moved := reconcile.Plan{Image: "a", InSync: []string{"1"}, Pushes: []reconcile.Push{
		push("2", change("linux/amd64", "2.3.3", two, "2.3.2", one), change("linux/arm64", "2.3.3", three, "2.3.2", four)),
		push("latest", following(change("linux/amd64", "2", two, "", one), "2.3.3"), following(change("linux/arm64", "2", three, "", four), "2.3.3")),
		push("odd", following(change("linux/amd64", "2", two, "2.4", three), "2.3.3"), following(change("linux/arm64", "2", three, "2.4", two), "2.3.3")),
		push("first", following(change("linux/amd64", "1", two, "", ""), "1.9"), following(change("linux/arm64", "1", three, "", ""), "1.9")),
	}}
	for name, test := range map[string]struct {
		plan reconcile.Plan
		want string
	}{
		"platforms that have the same share a column": {moved, `
| Alias |  | ~linux/amd64~, ~linux/arm64~ |
| --- | --- | --- |
| ~2~ | moves | **~2.3.2~ → ~2.3.3~** |
| ~latest~ | moves, follows ~2~ | **~2.3.2~ → ~2.3.3~** |
| ~odd~ | moves, **downgrade**, follows ~2~ | **~2.4~ → ~2.3.3~** |
| ~first~ | moves, follows ~1~ | **new: ~1.9~** |
`},
		"downgrade": {reconcile.Plan{Pushes: []reconcile.Push{push("1", change("linux/amd64", "1.9", two, "1.10", one)), push("2", change("linux/amd64", "1.9-a", two, "1.10-b", one))}}, `
| Alias |  | ~linux/amd64~ |
| --- | --- | --- |
| ~1~ | moves, **downgrade** | **~1.10~ → ~1.9~** |
| ~2~ | moves | **~1.10-b~ → ~1.9-a~** |
`},
		"a source that was pushed again, or is not known": {reconcile.Plan{Pushes: []reconcile.Push{push("1", change("linux/amd64", "1.9", two, "1.9", one), change("linux/arm64", "x@"+one, two, "", four)), push("2", lost)}}, `
| Alias |  | ~linux/amd64~ | ~linux/arm64~ |
| --- | --- | --- | --- |
| ~1~ | moves | **~1.9~, pushed again** | **another image → ~x@sha256:111111111111…~** |
| ~2~ | moves, new index | ~1.0~<br>loses 1 attestation |  |
`},
		"a purge is no row, and makes no column": {reconcile.Plan{Pushes: []reconcile.Push{push("1", change("linux/amd64", "1.9", two, "1.8", one)), {Tag: "1.9", Old: one, New: two, Purged: 1, Platforms: []reconcile.PlatformChange{change("linux/arm64", "1.9", two, "1.9", one)}}}}, `
| Alias |  | ~linux/amd64~ |
| --- | --- | --- |
| ~1~ | moves | **~1.8~ → ~1.9~** |
`},
		"what comes late": {reconcile.Plan{Pushes: []reconcile.Push{{Tag: "1", Old: one, New: one, Platforms: []reconcile.PlatformChange{change("", "x:1", one, "x:1", one)},
			Referrers: []reconcile.Referrer{{From: config.Repository{Host: "r.test", Path: "x"}, With: one, Kind: reconcile.RefersSignature}}}}}, `
| Alias |  | ~artifact~ |
| --- | --- | --- |
| ~1~ | is completed<br>gets 1 signature from ~r.test/x~ | ~x:1~ |
`},
	} {
		r := Run{DryRun: true}
		table := r.tableOf(Repository{Plan: test.plan})
		if got := "\n" + strings.ReplaceAll(table.head+strings.Join(table.rows, ""), "`", "~"); got != test.want {
			t.Errorf("%s: got%s\nwant%s", name, got, test.want)
		}
	}
}

// What a reader of the headline counts, finds in the lists and in the outputs of the
// step: a tag that two rules forbid is one.
func TestMarkdownCounts(t *testing.T) {
	r := dryRun()
	r.Findings, r.Failures = nil, nil
	plan := &r.Repositories[0].Plan
	plan.Errors = nil
	plan.Violations = append(plan.Violations,
		&config.Finding{ID: "no-candidate", Alias: "7", Message: "no tag"},
		&config.Finding{ID: "downgrade", Alias: "11", Message: "lower"},
		&config.Finding{ID: "max-deletions", Message: "too many"})
	got := string(Markdown(r))
	for _, want := range []string{
		"### 1 tag moves, 2 are new, 2 are blocked, 1 is deleted, 1 image is blocked in part\n",
		"\n**Blocked**\n\n- `my-image:11`:\n  - source is gone.", "\n  - lower. →", "\n- `my-image:7`: no tag. →", "\n- `my-image`: too many. →",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
	if got := string(StepOutputs(r)); !strings.Contains(got, "\nviolations=3\n") {
		t.Errorf("outputs of the step are\n%s", got)
	}
}

func TestMarkdownOfDeletions(t *testing.T) {
	few := dryRun()
	few.Repositories = []Repository{{Plan: cleaning(1)}}
	many := dryRun()
	many.Repositories = []Repository{{Plan: cleaning(20)}}
	for range manyTags {
		many.Repositories[0].DeleteTags = append(many.Repositories[0].DeleteTags, reconcile.DeleteTag{Tag: "8", Reason: "set to absent"})
	}
	none := many
	none.DryRun = false
	none.Repositories = []Repository{{many.Repositories[0].Plan, reconcile.Result{Removed: make([]reconcile.Outcome, 22)}}}
	for i := range none.Repositories[0].Removed {
		none.Repositories[0].Removed[i].Err = reconcile.ErrSkipped
	}
	none.Repositories[0].Deleted = make([]reconcile.Outcome, 7)
	none.Repositories[0].Deleted[0] = reconcile.Outcome{Tag: "9", Err: reconcile.ErrStale}
	none.Repositories[0].Removed[21].Err = fmt.Errorf("DELETE: %w", registry.ErrUnsupported)
	for _, test := range []struct {
		of   Run
		want string
	}{
		{few, "1 tag loses its attestations, 2 are deleted, 1 image is blocked in part, 3 manifests are deleted (1.0 MB)"},
		{few, "\n| `9` | is deleted: no longer in `images.yaml` |\n"},
		{few, "\n<details><summary>1 tag loses 2 attestations</summary>\n\n- `10.10` loses 2 attestations\n\n</details>\n"},
		{few, "\n<details><summary>1 attestation is deleted, 1.2 kB</summary>\n\n- `sha256:222222222222…`: attestation of `linux/amd64`, nothing refers to it (1.2 kB)\n\n</details>\n"},
		{few, "\n**2 digests would go that a deployment may have pinned."},
		{few, "\n3 attestations of untagged indexes stay; untagged: delete removes both.\n"},
		{many, "\n<details><summary>7 tags are deleted</summary>\n\n- `9` is deleted: no longer in `images.yaml`\n"},
		{many, "\n<details><summary>20 untagged manifests are deleted, 20.0 MB</summary>\n\n- `sha256:000000000000…`: untagged, nothing needs it (1.0 MB)\n"},
		{none, "\n<details><summary>6 tags were deleted</summary>\n\n- `sha256-"},
		{none, "\n- `my-image:9`: stale."},
		{none, "\n- 21 manifests of `my-image`: not done."},
		{none, "\n- `my-image@sha256:000000000000…`: DELETE: "},
		{none, "22 manifests could not be deleted or put back"},
	} {
		if got := string(Markdown(test.of)); strings.Count(got, test.want) != 1 {
			t.Errorf("%q is not there once in\n%s", test.want, got)
		}
	}
	r := dryRun()
	r.Repositories[0].Pushes = append(r.Repositories[0].Pushes, reconcile.Push{Tag: "10.10", Old: three, New: two, Purged: 1})
	r.Repositories[0].DeleteManifests = []reconcile.DeleteManifest{{Digest: four, Kind: reconcile.KindReplaced}, {Digest: five, Kind: reconcile.KindAttestation}}
	if got := string(StepOutputs(r)); !strings.Contains(got, "\npushes=4\ndeletions=3\n") {
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

// A renderer of GitHub's Markdown shows the text unchanged, in its own item or cell.
// Nothing in it links, mentions or formats.
func TestMarkdownOfHostileText(t *testing.T) {
	parser := goldmark.New(goldmark.WithExtensions(extension.GFM)).Parser()
	squash := strings.NewReplacer(" ", "", `"`, "", `\`, "", "->", "→", ".", "").Replace
	rapid.Check(t, func(t *rapid.T) {
		alias, message, source := hostile(t, "alias"), hostile(t, "message"), hostile(t, "source")
		markdown := Markdown(Run{DryRun: true, Repositories: []Repository{{Plan: reconcile.Plan{
			Image:      "an " + message,
			Violations: []*config.Finding{{ID: "bad", Alias: alias, Message: message, Pos: config.Pos{File: source, Line: 1}}},
			Pushes: []reconcile.Push{{Tag: alias, Platforms: []reconcile.PlatformChange{
				{Platform: "1" + message, Source: source, Digest: two}, {Platform: "2" + message, Source: "2" + source, Digest: two},
			}}},
			InSync: []string{"of " + message},
		}}}})
		name := "an " + message
		if alias != "" {
			name += ":" + alias
		}
		item := shows(name) + ":" + brief(cut(Printable(message))) + "("
		if source != "" {
			item += shows(source+":1") + ","
		}
		want := []string{item + "bad)",
			"Alias", "", shows("1" + message), shows("2" + message), shows(alias), "new", shows(brief(source)), shows(brief("2" + source)),
			shows("an "+message) + ":" + shows("of "+message)}
		var got []string
		graphs, tables := 0, 0
		err := ast.Walk(parser.Parse(gtext.NewReader(markdown)), func(n ast.Node, entering bool) (ast.WalkStatus, error) {
			switch n := n.(type) {
			case *ast.Link, *ast.AutoLink, *ast.Image, *ast.Blockquote, *ast.ThematicBreak, *ast.CodeBlock:
				t.Fatalf("a %s is shown:\n%s", n.Kind(), markdown)
			case *ast.RawHTML:
				if tag := string(n.Segments.Value(markdown)); tag != "<br>" && tag != "<code>" && tag != "</code>" {
					t.Fatalf("%s is shown:\n%s", tag, markdown)
				}
			case *ast.HTMLBlock:
				if block := string(n.Lines().Value(markdown)); entering && !ourBlock.MatchString(block) {
					t.Fatalf("%q is shown:\n%s", block, markdown)
				}
			case *east.Table:
				if entering {
					tables++
				}
			case *ast.ListItem:
				if entering {
					got = append(got, shown(n, markdown))
				}
			case *east.TableCell:
				if entering && tables == 1 {
					got = append(got, shown(n, markdown))
				}
			case *ast.FencedCodeBlock:
				if entering {
					graphs++
					checkGraph(t, string(n.Lines().Value(markdown)))
				}
			}
			return ast.WalkContinue, nil
		})
		if err != nil || squash(strings.Join(got, "\n")) != squash(strings.Join(want, "\n")) || graphs != 1 || tables != 2 {
			t.Fatalf("%v: %d graphs, %d tables, got\n%q\nwant\n%q\nof\n%s", err, graphs, tables, got, want, markdown)
		}
	})
}

var ourBlock = regexp.MustCompile(`^(<!-- tagline -->|<details><summary>(Digests|1 alias is in sync)</summary>|</details>)\n$`)

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
var graphLine = regexp.MustCompile(`^(graph LR|  s\d+\(\["L"\]\)|  a\d+\["L"\]:::alias|  [as]\d+ [-=]{2}>(\|"L"\|)? a\d+|  classDef alias font-weight:bold)$`)

func checkGraph(t *rapid.T, graph string) {
	labels := regexp.MustCompile(`"([a-zA-Z0-9 /]|#\d+;)*"`)
	for line := range strings.Lines(graph) {
		if line = labels.ReplaceAllString(strings.TrimSuffix(line, "\n"), `"L"`); !graphLine.MatchString(line) {
			t.Fatalf("%q is no line of a graph:\n%s", line, graph)
		}
	}
}

// A report stays below its limit. Lists become counts first; what is cut is counted.
func TestMarkdownHasALimit(t *testing.T) {
	many := Run{DryRun: true}
	const images, tags = 30, 200
	for i := range images {
		plan := reconcile.Plan{Image: fmt.Sprintf("image-%d", i), InSync: []string{"1"}}
		for k := range tags {
			tag := fmt.Sprintf("alias-%d", k)
			plan.Pushes = append(plan.Pushes, reconcile.Push{Tag: tag, New: two, Platforms: []reconcile.PlatformChange{{Platform: "linux/amd64", Source: "1.0", Digest: two}}})
			plan.Violations = append(plan.Violations, &config.Finding{ID: "bad", Alias: tag, Message: fmt.Sprint(i, tag, strings.Repeat(" long", 1000))})
		}
		many.Repositories = append(many.Repositories, Repository{Plan: plan})
	}
	got := string(Markdown(many))
	if len(got) > maxMarkdown || !utf8.ValidString(got) {
		t.Errorf("it has %d bytes", len(got))
	}
	if end := strings.Index(got, " problems more"); end > maxConcerns+300 {
		t.Errorf("the problems take %d bytes", end)
	}
	for what, line := range map[string]string{"problems more.": "\n- `image-", "changes more in %d images.": "` | new | `"} {
		shown := strings.Count(got, line)
		if what == "problems more." {
			shown -= strings.Count(got, "`: `1`\n") // in sync
		}
		what = strings.ReplaceAll(what, "%d", fmt.Sprint(images-shown/tags))
		if more := fmt.Sprintf("\n…and %d %s\n", images*tags-shown, what); shown < 10 || !strings.Contains(got, more) {
			t.Errorf("%d are shown, and not the line %q", shown, more)
		}
	}
	if strings.Count(got, "in sync") != 1 || !strings.Contains(got, "30 aliases are in sync") {
		t.Error("what is in sync is not counted once")
	}

	long := Run{DryRun: true, Repositories: []Repository{{Plan: cleaning(5000)}}}
	long.Repositories[0].Pushes = append(long.Repositories[0].Pushes, reconcile.Push{Tag: "10", New: two, Platforms: []reconcile.PlatformChange{{Platform: "linux/amd64", Source: "1.0", Digest: two}}})
	got = string(Markdown(long))
	for _, want := range []string{"\n| `10` | new | `1.0` |\n", "\n1 tag loses 2 attestations.\n", "\n5000 untagged manifests are deleted, 5.0 GB.\n", "<summary>Digests</summary>"} {
		if !strings.Contains(got, want) || len(got) > maxMarkdown {
			t.Errorf("%d bytes, and %q is missing in\n%s", len(got), want, got)
		}
	}

	lots := many.Repositories[0]
	for i := range tags {
		lots.Pushes[i].Platforms = nil
	}
	for i := range 2 * tags {
		lots.Pushes[i/2].Platforms = append(lots.Pushes[i/2].Platforms, reconcile.PlatformChange{Platform: fmt.Sprint(i % 2), Source: fmt.Sprint(i), Digest: one})
	}
	graph := graphOf(lots)
	if !strings.Contains(graph, "arrow is a change (20 aliases, 180 more not shown).\n") || strings.Count(graph, "==>") != maxEdges {
		t.Errorf("a graph of %d aliases is\n%s", tags, graph)
	}
}

// What many have in common is told once, and first.
func TestMarkdownOfCauses(t *testing.T) {
	r := Run{DryRun: true}
	for i := range 12 {
		image := reconcile.Plan{Image: fmt.Sprint("a", i), Repository: config.Repository{Host: "r.test", Path: fmt.Sprint("a", i)}}
		if i == 0 {
			image.Errors = []reconcile.Failure{{Alias: "7", Message: "odd"}}
		}
		image.Errors = append(image.Errors, reconcile.Failure{Alias: "1", Message: fmt.Sprintf("GET a%d: 401", i), Cause: "r.test: 401 Unauthorized"}, reconcile.Failure{Alias: "2", Message: "GET: 401", Cause: "r.test: 401 Unauthorized"})
		if i < 4 {
			image.Violations = []*config.Finding{{ID: "missing-source", Alias: "3", Source: "1.0", Message: fmt.Sprintf(`source "1.0" does not exist in r.test/a%d; push it`, i)}}
		}
		if i < 3 {
			image.Warnings = []*config.Finding{{ID: "odd", Alias: "3", Warning: true, Message: "odd"}}
		}
		r.Repositories = append(r.Repositories, Repository{Plan: image})
	}
	r.Repositories[1].Errors = append(r.Repositories[1].Errors, reconcile.Failure{Message: "odder"})
	want := `<!-- tagline -->
### 4 tags are blocked, 26 failed

**Failed**

- 12 images, 24 tags: ~r.test~: 401 Unauthorized.<br>~a0:1~, ~a0:2~, ~a1:1~, ~a1:2~, ~a2:1~, ~a2:2~, ~a3:1~, ~a3:2~, ~a4:1~, ~a4:2~ and 14 more
- ~a0:7~: odd.
- ~a1~: odder.

**Blocked**

- 4 images: source ~1.0~ does not exist in its own repository; push it. (~missing-source~)<br>~a0:3~, ~a1:3~, ~a2:3~, ~a3:3~

**Worth a look**

- ~a0:3~: odd. (~odd~)
- ~a1:3~: odd. (~odd~)
- ~a2:3~: odd. (~odd~)
`
	if got := strings.ReplaceAll(string(Markdown(r)), "`", "~"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}

	alone := Run{Repositories: []Repository{{Plan: cleaning(0)}}}
	alone.Repositories[0].Violations = nil
	alone.Repositories[0].DeleteTags = nil
	for i := range 5 {
		alone.Repositories[0].DeleteTags = append(alone.Repositories[0].DeleteTags, reconcile.DeleteTag{Tag: fmt.Sprint(i)})
		alone.Repositories[0].Deleted = append(alone.Repositories[0].Deleted, reconcile.Outcome{Tag: fmt.Sprint(i), Err: reconcile.ErrSkipped})
	}
	line := "\n- 5 tags: not done. → It relies on something that failed or is blocked; mend that first. (`skipped`)<br>`my-image:0`, "
	if got := string(Markdown(alone)); !strings.Contains(got, line) {
		t.Errorf("%q is missing in\n%s", line, got)
	}
}

// Whatever the plans, a report stays below its limit, and it ends in whole lines.
func TestMarkdownOfAnyPlans(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		run := Run{DryRun: true}
		for range rapid.IntRange(1, 3).Draw(t, "plans") {
			plan := anyPlan(t)
			for range rapid.SampledFrom([]int{0, 0, 1, 20}).Draw(t, "violations") {
				plan.Violations = append(plan.Violations, &config.Finding{ID: "bad", Alias: hostile(t, "alias"), Message: strings.Repeat(hostile(t, "message"), 20)})
			}
			run.Repositories = append(run.Repositories, slices.Repeat([]Repository{{Plan: plan}}, rapid.SampledFrom([]int{1, 1, 2, 50}).Draw(t, "times"))...)
		}
		got := Markdown(run)
		if len(got) > maxMarkdown || !utf8.Valid(got) || got[len(got)-1] != '\n' || strings.Count(string(got), "<details>") != strings.Count(string(got), "\n</details>\n") {
			t.Fatalf("%d bytes:\n%s", len(got), got)
		}
	})
}

// A graph has what the table does not say, and nothing else.
func TestGraph(t *testing.T) {
	alias := func(tag string, changes ...reconcile.PlatformChange) reconcile.Push {
		return reconcile.Push{Tag: tag, Old: one, New: two, Platforms: changes}
	}
	for name, test := range map[string]struct {
		plan   reconcile.Plan
		result reconcile.Result
		want   string // without the frame
	}{
		"nothing":                          {want: ""},
		"an alias of one source":           {plan: reconcile.Plan{Pushes: []reconcile.Push{alias("1", change("linux/amd64", "1.0", two, "", ""), change("linux/arm64", "1.0", two, "", ""))}}},
		"an alias of an alias":             {plan: reconcile.Plan{Pushes: []reconcile.Push{alias("1", change("linux/amd64", "1.0", two, "", "")), alias("2", change("linux/amd64", "1", two, "", ""))}}},
		"a purge":                          {plan: reconcile.Plan{Pushes: []reconcile.Push{{Tag: "1", Purged: 1}}}},
		"a push that failed":               {plan: reconcile.Plan{Pushes: []reconcile.Push{alias("1", change("linux/amd64", "1.0", two, "", ""), change("linux/arm64", "1.1", two, "", ""))}}, result: reconcile.Result{Pushed: []reconcile.Outcome{{Err: reconcile.ErrStale}}}},
		"a platform that an alias has not": {plan: reconcile.Plan{Pushes: []reconcile.Push{alias("1", change("linux/amd64", "1.0", two, "", ""), change("linux/arm64", "", "", "1.1", two))}}},
		"a chain": {plan: reconcile.Plan{InSync: []string{"1"}, Pushes: []reconcile.Push{alias("2", change("linux/amd64", "1", one, "1", one)), alias("3", change("linux/amd64", "2", one, "1", two))}}, want: `
  a0["1"]:::alias
  a1["2"]:::alias
  a0 --> a1
  a2["3"]:::alias
  a1 ==> a2
`},
		"some platforms come from another source than before": {plan: reconcile.Plan{Pushes: []reconcile.Push{
			alias("1", change("linux/amd64", "1.1", two, "1.1", two), change("linux/arm64", "1.1", two, "1.0", one), change("", "1.2", one, "1.1", two), change("linux/s390x", "1.2", one, "1.1", two)),
		}}, want: `
  s0(["1#46;1"])
  a1["1"]:::alias
  s0 ==>|"amd64#44; arm64 was 1#46;0"| a1
  s2(["1#46;2"])
  s2 ==>|"artifact#44; s390x#44; was 1#46;1"| a1
`},
		"an alias is one node, and a source is another": {plan: reconcile.Plan{Pushes: []reconcile.Push{
			alias("1", change("linux/amd64", "1.0", two, "", ""), change("linux/arm64", "1", two, "", ""), change("windows/amd64", "1.0", two, "", "")),
			alias("2", change("linux/amd64", "1", two, "", "")),
			alias("9", change("linux/amd64", "9.0", two, "", "")),
		}}, want: `
  s0(["1#46;0"])
  a1["1"]:::alias
  s0 ==>|"amd64#44; windows/amd64"| a1
  s2(["1"])
  s2 ==>|"arm64"| a1
  a3["2"]:::alias
  a1 ==> a3
`},
	} {
		_, graph, _ := strings.Cut(graphOf(Repository{test.plan, test.result}), "\ngraph LR")
		graph, _, _ = strings.Cut(graph, "  classDef")
		if graph != test.want {
			t.Errorf("%s: got%s\nwant%s", name, graph, test.want)
		}
	}
}

func TestForgeLink(t *testing.T) {
	forge := Forge{Blob: "https://git.test/a/blob/c0ffee/", Folder: "deploy"}
	for name, want := range map[string]string{
		"images.yaml": "deploy/images.yaml#L3", "../images.yaml": "images.yaml#L3", "../../images.yaml": "", "/etc/images.yaml": "",
		"a b/(c)#`|.yaml": "deploy/a%20b/%28c%29%23%60%7C.yaml#L3",
	} {
		if want != "" {
			want = forge.Blob + want
		}
		if got := forge.link(config.Pos{File: name, Line: 3}); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	if got := forge.link(config.Pos{File: "images.yaml"}) + (Forge{}).link(config.Pos{File: "images.yaml", Line: 1}); got != "" {
		t.Errorf("a link to no line, or of no forge: %s", got)
	}
}

func TestProse(t *testing.T) {
	for text, want := range map[string]string{
		`source "10.20" does not exist in r.test/a; push it`: "source ~10.20~ does not exist in ~r.test/a~; push it",
		`alias "a \"b\" c" (was "1.2.3"), can't be`:          "alias ~a \"b\" c~ (was ~1.2.3~), can't be",
		`it has 1.2 MB, or 12.3 kB`:                          "it has 1.2 MB, or 12.3 kB",
		`GET https://r.test/v2/: 401 Unauthorized`:           "GET ~https://r.test/v2/~: 401 Unauthorized",
		`have [linux/amd64, linux/arm64], [a](b) [c]`:        "have [~linux/amd64~, ~linux/arm64~], [~a](b~) [c]",
		`[a]: b`:   "~[a~]: b",
		`1. first`: "~1~. first",
		`GH-12 well-known deadbeef 1234567 10.10 -> 10.20`: "~GH-12~ well-known ~deadbeef~ ~1234567~ ~10.10~ → ~10.20~",
		`"unclosed and :x: <b>`:                            "~\"unclosed~ and ~:x~: ~<b>~",
		`digest ` + one:                                    "digest ~sha256:111111111111…~",
		`""`:                                               "~\"\"~",
	} {
		if got := strings.ReplaceAll(prose(text), "`", "~"); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}
