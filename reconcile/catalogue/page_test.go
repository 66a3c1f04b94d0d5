package catalogue

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"tagline/config"
	"tagline/config/findings"
	"tagline/policies"
	"tagline/reconcile"
	"tagline/reconcile/journal"
	"tagline/reconcile/registry"
)

func sha(text string) string { return digest.FromString(text).String() }

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// content is what a page is made of.
type content struct {
	options Options
	images  []config.Image
	plans   []reconcile.Plan
}

func render(t testing.TB, c content) []byte {
	t.Helper()
	p := New(c.options)
	for i, image := range c.images {
		p.Add(image, c.plans[i])
	}
	html, err := p.HTML()
	if err != nil {
		t.Fatal(err)
	}
	return html
}

// parse reads an images.yaml on r.test.
func parse(text string) []config.Image {
	cfg, err := config.Parse("images.yaml", []byte("registry: r.test\nimages:\n"+text), config.Options{Policies: policies.Keys()})
	if err != nil {
		panic(err)
	}
	return cfg.Images
}

func carried(tag, amd64, arm64 string) reconcile.Carried {
	return reconcile.Carried{Tag: tag, Digest: sha("index " + tag), Images: []reconcile.CarriedImage{
		{Platform: "linux/amd64", Source: amd64, Digest: sha("image " + tag + " amd64")},
		{Platform: "linux/arm64", Source: arm64, Digest: sha("image " + tag + " arm64")},
	}}
}

func moved(repository config.Repository, tag, from, to string, at time.Time) journal.Move {
	m := journal.Move{
		Time: at, Run: "run-" + to, By: journal.By{URL: "https://ci.test/7", Commit: "0123456789abcdef"}, Repository: repository, Tag: tag,
		Action: journal.Pushed, New: sha("index " + tag),
	}
	if from != "" {
		m.Old = sha("old " + tag)
	}
	for _, p := range []string{"amd64", "arm64"} {
		m.Platforms = append(m.Platforms, journal.Platform{Platform: "linux/" + p, Source: to, Digest: sha("image " + tag + " " + p), OldSource: from, OldDigest: sha("old " + p)})
	}
	return m
}

// sample has one of everything.
func sample() content {
	images := parse(`
  team/app:
    policies: {untagged: delete}
    aliases: {9: absent, 10: {amd64: 10.10, arm64: 10.20}, 11: 11.1, 12: 12.0, latest: 10}
  third: {aliases: {1: 1.0}}
  s.example/other: {aliases: {1: 1.0}}
`)
	app := images[0].Repository
	deleted := journal.Move{Time: noon.Add(-time.Hour), Run: "run-9", By: journal.By{User: "me@laptop"}, Repository: app, Tag: "9", Action: journal.Deleted, Old: sha("9"), Reason: "set to absent"}
	return content{
		options: Options{
			Registry: "r.test", Version: "v1.0", Made: noon, Aliases: 7,
			Moves: []journal.Move{moved(app, "11", "", "11.1", noon.Add(-48*time.Hour)), moved(app, "10", "10.9", "10.20", noon.Add(-24*time.Hour)), deleted},
			Trash: []reconcile.Record{{Run: "run-9", Time: noon.Add(-time.Hour), Repository: app, Kept: []reconcile.Kept{
				{Manifest: registry.RawManifest{Digest: sha("9")}, Reason: "set to absent", Tags: []reconcile.KeptTag{{Tag: "9"}}},
				{Manifest: registry.RawManifest{Digest: sha("u1")}, Reason: "it has no tag"}, {Manifest: registry.RawManifest{Digest: sha("u2")}, Reason: "it has no tag"},
			}}},
		},
		images: images,
		plans: []reconcile.Plan{
			{
				Carried: []reconcile.Carried{{Tag: "9"}, carried("10", "10.10", "10.20"), carried("11", "11.1", "11.1"), {Tag: "12"}, carried("latest", "10.10", "10.20")},
				Pushes:  []reconcile.Push{{Tag: "10", New: sha("next"), Platforms: []reconcile.PlatformChange{{Platform: "linux/amd64", Source: "10.21", Digest: sha("x")}, {Platform: "linux/arm64", Source: "10.21", Digest: sha("y")}}}},
				Violations: []*config.Finding{
					{ID: findings.MissingSource, Alias: "12", Message: `source "12.0" does not exist in r.test/team/app; push it, or change the source`},
					{ID: findings.ImmutableTag, Message: "repository r.test/team/app is locked"},
				},
				DeleteManifests: []reconcile.DeleteManifest{{Digest: sha("due"), Reason: "it has no tag, and nothing needs it", Bytes: 1234}},
				Waiting:         []reconcile.Waiting{{Digest: sha("waits"), Since: noon.Add(-time.Hour)}},
			},
			{Carried: []reconcile.Carried{{Tag: "1", Digest: sha("plain"), Images: []reconcile.CarriedImage{{Platform: "linux/amd64", Digest: sha("plain")}}}}},
			{Carried: []reconcile.Carried{{Tag: "1", Err: errors.New("401 Unauthorized")}}, Errors: []reconcile.Failure{{Alias: "1", Message: "401 Unauthorized"}}},
		},
	}
}

// hostile has text that would be HTML, a script, an address or a style elsewhere.
func hostile() content {
	const evil = "\"'></script><img src=x onerror=\"document.title='pwned'\" id=pwned>\u202e\x1b[31m{{.}}<!--"
	c := sample()
	c.options.Registry, c.options.Version = evil, evil
	c.options.Moves[1].By = journal.By{URL: "javascript:document.title='pwned'//<img src=x>", Commit: "<img src=x>"}
	for i := range c.options.Moves[1].Platforms {
		c.options.Moves[1].Platforms[i].OldSource = evil
	}
	c.options.Moves[2].Reason, c.options.Trash[0].Kept[0].Reason = evil, evil
	c.options.Trash[0].Run = evil
	plan := &c.plans[0]
	plan.Violations = append(plan.Violations, &config.Finding{Alias: "10", Message: evil}, &config.Finding{Alias: evil, Message: evil})
	plan.Errors = []reconcile.Failure{{Alias: "10", Message: evil}, {Message: evil}}
	plan.Carried[1].Images[0].Source, plan.Carried[1].Images[1].Platform = evil, evil
	plan.Pushes[0].Platforms[0].Source = evil
	plan.DeleteManifests[0].Reason = evil
	c.plans[2].Carried[0].Err = errors.New(evil)
	return c
}

// large has ten aliases for each image, none like another, and a move of each.
func large(aliases int) content {
	c := content{options: Options{Registry: "r.test", Version: "v1.0", Made: noon, Aliases: aliases}}
	for i := range aliases / 10 {
		image := config.Image{Name: fmt.Sprintf("team/service-%04d", i), Repository: config.Repository{Host: "r.test", Path: fmt.Sprintf("team/service-%04d", i)}}
		var plan reconcile.Plan
		for k := range 10 {
			tag := fmt.Sprint(k)
			image.Aliases = append(image.Aliases, config.Alias{Tag: tag})
			of := carried(tag, fmt.Sprintf("%d.2.%d", k, i%100), fmt.Sprintf("%d.2.%d", k, i%100))
			of.Digest = sha(image.Name + tag)
			for n := range of.Images {
				of.Images[n].Digest = sha(fmt.Sprint(image.Name, tag, n))
			}
			plan.Carried = append(plan.Carried, of)
			m := moved(image.Repository, tag, fmt.Sprintf("%d.2.%d", k, i%100-1), fmt.Sprintf("%d.2.%d", k, i%100), noon.Add(-time.Duration(i*10+k)*time.Minute))
			m.New, m.Old, m.By.URL = of.Digest, sha("old "+image.Name+tag), fmt.Sprint("https://github.com/team/images/actions/runs/", 1000000+i)
			c.options.Moves = append(c.options.Moves, m)
		}
		c.images, c.plans = append(c.images, image), append(c.plans, plan)
	}
	return c
}

// What the page says before its script has run.
func TestPage(t *testing.T) {
	html := string(render(t, sample()))
	_, main, _ := strings.Cut(html[:strings.Index(html, "<script")], "<header>")
	for _, want := range []string{
		"<title>Images on r.test</title>", "<p>3 images, 6 aliases</p>",
		`<li id=team/app:10><b>10</b> amd64 10.10, arm64 10.20 <i class=mixed>mixed</i> <i class=moves>moves</i>`,
		`<li id=team/app:11><b>11</b> 11.1` + "\n",
		`<li id=team/app:12><b>12</b> – <i class=blocked>blocked</i> <i class=missing>missing</i>`,
		`<li id=s.example/other:1><b>1</b> – <i class=unknown>unknown</i>`,
		`<li id=third:1><b>1</b> ` + sha("plain")[:19] + "…\n",
		`<h2>s.example/other</h2><ul>`, `<h2>team/app</h2><ul>`,
		`<a href="#team/app">team/app</a> <i class="blocked">blocked</i> repository r.test/team/app is locked`,
		`<a href="#s.example/other:1">s.example/other:1</a> <i class="unknown">unknown</i> 401 Unauthorized`,
		`<a href="#=waiting">Waiting (2)</a>`,
		`<time>next run</time> <code>` + sha("due")[:19] + `…</code> it has no tag, and nothing needs it (1.2 kB)`,
		`<time>2026-01-03 11:00</time> <code>` + sha("waits")[:19] + "…</code>",
		`<a href="#=deleted">Deleted (2)</a>`,
		`<code>r.test/team/app:9</code> set to absent, was ` + sha("9")[:19] + "… (in the trash, run run-9)",
		`<code>r.test/team/app</code> 2 manifests (in the trash, run run-9)`,
		"<p>Made 2026-01-02 12:00 by tagline v1.0. Times are in UTC.</p>",
	} {
		if !strings.Contains(html, want) {
			t.Errorf("the page lacks %q:\n%s", want, main)
		}
	}
	if strings.Contains(html, "team/app:9><b>") {
		t.Error("a tag that is absent as it should be has a row")
	}
	for _, address := range regexp.MustCompile(`(?i)(?:src|href|url|action)\s*[=(]\s*["']?([^"'>\s)]+)`).FindAllStringSubmatch(html[:strings.Index(html, `<script type`)], -1) {
		if !strings.HasPrefix(address[1], "#") && address[1] != "data:," {
			t.Errorf("the page leads to %q", address[1])
		}
	}
}

// A thousand aliases of two platforms, no digest twice, each with its last move.
func TestSize(t *testing.T) {
	html := render(t, large(1000))
	t.Logf("1,000 aliases: %d bytes", len(html))
	if len(html) >= 300_000 {
		t.Errorf("%d bytes, want less than 300,000", len(html))
	}
}

// A page of nothing but failures is not worth writing.
func TestKnown(t *testing.T) {
	c := sample()
	p := New(c.options)
	p.Add(c.images[2], c.plans[2])
	if p.Known() {
		t.Error("nothing could be read")
	}
	p.Add(c.images[1], c.plans[1])
	if !p.Known() {
		t.Error("something could be read")
	}
	if !New(Options{}).Known() {
		t.Error("an empty page is right for an empty images.yaml")
	}
}

// Tags of one version are not mixed, however they are spelled.
func TestMixed(t *testing.T) {
	pattern := "{newest: 1.x, tags: \"ubi-{version}-{arch}\"}"
	for _, test := range []struct {
		name, alias string
		sources     []string
		want        bool
	}{
		{"none", "1.0", nil, false},
		{"one", "1.0", []string{"1.0"}, false},
		{"the same", "1.0", []string{"1.0", "1.0"}, false},
		{"two", "1.0", []string{"1.0", "1.1"}, true},
		{"a moving name", "1.0", []string{"1.0", "v1.0.0"}, false},
		{"platforms in tags", "1.0", []string{"1.0-amd64", "1.0-arm64"}, false},
		{"platforms in tags of a pattern", pattern, []string{"ubi-1.0-amd64", "ubi-1.0-arm64"}, false},
		{"versions in tags of a pattern", pattern, []string{"ubi-1.0-amd64", "ubi-1.1-arm64"}, true},
		{"elsewhere", "1.0", []string{"r.test:5000/a:1.0", "1.1"}, true},
		{"unknown", "1.0", []string{"", "1.1"}, false},
		{"no versions", "1.0", []string{"main-amd64", "main-arm64"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			alias := parse("  app: {policies: {platforms: [amd64, arm64]}, aliases: {1: " + test.alias + "}}\n")[0].Aliases[0]
			if got := mixed(alias, test.sources); got != test.want {
				t.Errorf("%v, want %v", got, test.want)
			}
		})
	}
}
