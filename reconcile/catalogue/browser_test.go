package catalogue

import (
	"bytes"
	"context"
	"encoding/json"
	"html"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// browser opens a page in Debian's chromium. The tests that need it run in `make test`,
// where it is installed: it takes a second to start.
type browser struct{ path string }

func chromium(t *testing.T) browser {
	t.Helper()
	if os.Getenv("TAGLINE_TEST_TOOLS") == "" {
		t.Skip("a browser is started by `make test`, and with TAGLINE_TEST_TOOLS=1")
	}
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("chromium is missing: apt-get install chromium")
	}
	return browser{path}
}

// run calls chromium with a profile of its own, and returns what it prints.
func (b browser) run(t *testing.T, args ...string) (stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, b.path, append([]string{
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--hide-scrollbars", "--disable-dev-shm-usage", "--user-data-dir=" + t.TempDir(),
		"--enable-logging=stderr", "--timeout=120000", "--virtual-time-budget=5000",
	}, args...)...)
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &out, &log, 10*time.Second
	if err := cmd.Run(); err != nil {
		t.Fatalf("chromium: %v\n%s", err, &log)
	}
	return out.String(), log.String()
}

// dom returns a page as it is after its script has run. The browser must have no
// complaint, such as one of the Content-Security-Policy.
func (b browser) dom(t *testing.T, url string) string {
	t.Helper()
	dom, log := b.run(t, "--dump-dom", url)
	for line := range strings.Lines(log) {
		if strings.Contains(line, ":CONSOLE") {
			t.Errorf("the browser says: %s", line)
		}
	}
	if !strings.Contains(dom, `data-ready=""`) {
		t.Fatalf("the script of the page did not run to its end:\n%.2000s\n%s", dom, log)
	}
	return dom
}

// result decodes what the script of a page puts into the attribute data-result.
func (b browser) result(t *testing.T, url string, to any) {
	t.Helper()
	_, result, _ := strings.Cut(b.dom(t, url), `data-result="`)
	result, _, _ = strings.Cut(result, `"`)
	if err := json.Unmarshal([]byte(html.UnescapeString(result)), to); err != nil {
		t.Fatalf("%q: %v", result, err)
	}
}

// served serves a page, and returns its address and what has been asked for.
func served(t *testing.T, content []byte) (url string, asked func() []string) {
	var mu sync.Mutex
	var paths []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		paths = append(paths, r.URL.Path)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(content)
	}))
	t.Cleanup(server.Close)
	return server.URL + "/pages/", func() []string {
		mu.Lock()
		defer mu.Unlock()
		return paths
	}
}

// An alias that the address names is open, and nothing else is asked for than the page.
func TestAnchor(t *testing.T) {
	b := chromium(t)
	url, asked := served(t, render(t, sample()))
	dom := b.dom(t, url+"#team/app:10")
	for _, want := range []string{
		"image: r.test/team/app:10</code>",
		"image: r.test/team/app:10@" + sha("index 10") + "</code>",
		"<td>linux/arm64</td><td class=\"v\">10.20</td>",
		`<a href="https://ci.test/7" rel="noreferrer noopener">run</a>`,
		`<code>0123456789ab</code>`,
		`It was <span class="v">10.9</span>`,
		"The next run moves it to 10.21.",
	} {
		if !strings.Contains(dom, want) {
			t.Errorf("the page lacks %q:\n%s", want, opened(dom))
		}
	}
	if n := strings.Count(dom, `class="body"`); n != 1 {
		t.Errorf("%d aliases are open, want one", n)
	}
	if paths := asked(); len(paths) != 1 {
		t.Errorf("asked for %q, want the page alone", paths)
	}
}

// A move that no journal has shows in what the next one replaced.
func TestGaps(t *testing.T) {
	b := chromium(t)
	of := sample()
	app := of.options.Moves[0].Repository
	of.options.Moves = append(of.options.Moves, moved(app, "10", "10.19", "10.21", noon), moved(app, "11", "", "11.2", noon))
	was := script
	defer func() { script = was }()
	script += `
		const rows = ["team/app:10", "team/app:11"].map(id => document.getElementById(id));
		rows.forEach(row => row.querySelector("button").click());
		document.body.dataset.result = JSON.stringify(rows.map(row => row.outerHTML));`
	path := filepath.Join(t.TempDir(), "index.html")
	write(t, path, render(t, of))
	var rows []string
	b.result(t, "file://"+path, &rows)
	for i, want := range []string{", brought by a move that is in no journal</li>", ", after a deletion that is in no journal</li>"} {
		if len(rows) != 2 || strings.Count(rows[i], want) != 1 || strings.Count(rows[i], "in no journal</li>") != 1 {
			t.Fatalf("row %d of %q lacks %q", i, rows, want)
		}
	}
}

// opened is the part of a page that tells of the alias that is open.
func opened(dom string) string {
	_, after, _ := strings.Cut(dom, `class="body"`)
	return after[:min(len(after), 3000)]
}

// The page works from a disk, and a search leaves what fits, whether the address has
// it or it is typed.
func TestSearch(t *testing.T) {
	b := chromium(t)
	tests := []struct{ query, want string }{
		{"app 10.20", "2 of 6"}, // by the address
		{"MIXED", "2 of 6"},
		{"team " + sha("image 10 arm64")[:20], "1 of 6"},
		{"nothing like it", "0 of 6"},
		{"", ""},
	}
	var typed []string
	for _, test := range tests[1:] {
		typed = append(typed, test.query)
	}
	queries, err := json.Marshal(typed)
	if err != nil {
		t.Fatal(err)
	}
	was := script
	defer func() { script = was }()
	script += `
		const input = document.querySelector("input"), status = () => document.querySelector("[role=status]").textContent, found = [status()];
		const next = queries => {
			if (queries.length == 0) {
				document.body.dataset.result = JSON.stringify(found);
				return;
			}
			input.value = queries[0];
			input.dispatchEvent(new Event("input"));
			setTimeout(() => { found.push(status()); next(queries.slice(1)); }, 500);
		};
		next(` + string(queries) + `);`
	path := filepath.Join(t.TempDir(), "index.html")
	write(t, path, render(t, sample()))
	var found []string
	b.result(t, "file://"+path+"?q="+strings.ReplaceAll(tests[0].query, " ", "+"), &found)
	for i, test := range tests {
		if len(found) != len(tests) || found[i] != test.want {
			t.Fatalf("found %q, want %q for %q", found, test.want, test.query)
		}
	}
}

// A click opens a row and closes it, the buttons copy what they stand beside, and what
// is typed searches.
func TestClicks(t *testing.T) {
	b := chromium(t)
	was := script
	defer func() { script = was }()
	script += `
		const copied = [], row = id => document.getElementById(id), click = e => e.click();
		Object.defineProperty(navigator, "clipboard", {value: {writeText: async text => { copied.push(text); }}});
		click(row("team/app:10").querySelector("button"));
		row("team/app:10").querySelectorAll(".c").forEach(click);
		click(row("team/app:11").querySelector("button"));
		click(row("team/app:11").querySelector("button"));
		const input = document.querySelector("input");
		input.value = "latest";
		input.dispatchEvent(new Event("input"));
		setTimeout(() => {
			document.body.dataset.result = JSON.stringify({copied, open: document.querySelectorAll(".open").length, expanded: row("team/app:10").querySelector("button").ariaExpanded,
				shown: document.querySelectorAll("section[data-r] ul>li:not([hidden])").length, says: row("team/app:10").querySelector(".c").textContent});
		}, 500);`
	path := filepath.Join(t.TempDir(), "index.html")
	write(t, path, render(t, sample()))
	var got struct {
		Copied         []string
		Open, Shown    int
		Expanded, Says string
	}
	b.result(t, "file://"+path, &got)
	want := []string{
		"image: r.test/team/app:10", "image: r.test/team/app:10@" + sha("index 10"), sha("image 10 amd64"), sha("image 10 arm64"), sha("old 10"),
	}
	if !slices.Equal(got.Copied, want) || got.Open != 1 || got.Expanded != "true" || got.Shown != 1 || got.Says != "Copied" {
		t.Errorf("got %+v, copied want %q", got, want)
	}
}

// Whatever registries, journals and images.yaml say stays text.
func TestHostileText(t *testing.T) {
	b := chromium(t)
	url, asked := served(t, render(t, hostile()))
	dom := b.dom(t, url+"#team/app:10")
	if strings.Contains(dom, "<img") || strings.Contains(dom, `href="javascript:`) || strings.Contains(dom, `id="pwned"`) || !strings.Contains(dom, "<title>Images") {
		t.Errorf("text has become HTML:\n%s", dom)
	}
	if n := strings.Count(dom, "<script"); n != 2 {
		t.Errorf("%d scripts, want 2", n)
	}
	if n := strings.Count(opened(dom), "&lt;img src=x"); n < 4 {
		t.Errorf("hostile text is shown %d times:\n%s", n, opened(dom))
	}
	if strings.ContainsAny(dom, "\u202e\x1b") {
		t.Error("text can be reordered")
	}
	if paths := asked(); len(paths) != 1 {
		t.Errorf("asked for %q, want the page alone", paths)
	}
}

// Ten thousand aliases can be searched and opened.
func TestLargePage(t *testing.T) {
	content := render(t, large(10_000))
	t.Logf("10,000 aliases: %d bytes", len(content))
	b := chromium(t)
	path := filepath.Join(t.TempDir(), "index.html")
	write(t, path, content)
	began := time.Now()
	dom := b.dom(t, "file://"+path+"?q=service-0999#team/service-0999:9")
	t.Logf("searched in %v", time.Since(began))
	if !strings.Contains(dom, "10 of 10000") || !strings.Contains(opened(dom), "image: r.test/team/service-0999:9") {
		t.Errorf("not found, or not open:\n%s", opened(dom))
	}
}
