package report

import (
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tagline/reconcile"
)

// mermaid is the real Mermaid in a real browser. Its page asks for one graph after
// another, and says what became of each.
type mermaid struct {
	graphs   chan string
	verdicts chan drawn
	gone     chan struct{} // closed when the browser has ended
}

// drawn is what Mermaid made of a graph.
type drawn struct {
	Error  string
	Labels []string // the texts that a reader sees
	Odd    string   // an element that has no place in a graph, such as a link
}

const mermaidPage = `<!doctype html><meta charset="utf-8"><div id="here"></div><script src="mermaid.js"></script><script>
(async () => {
  mermaid.initialize({startOnLoad: false})
  for (let n = 0;; n++) {
    const graph = await (await fetch('graph')).text()
    const got = {Error: '', Labels: [], Odd: ''}
    try {
      await mermaid.parse(graph)
      const here = document.getElementById('here')
      here.innerHTML = (await mermaid.render('g' + n, graph)).svg
      for (const label of here.querySelectorAll('.nodeLabel, .edgeLabel .label, .edgeLabel text')) {
        const text = label.textContent.trim()
        if (text) got.Labels.push(text)
      }
      got.Odd = here.querySelector('a, script, img, iframe, li, strong, em, i')?.outerHTML ?? ''
    } catch (e) {
      got.Error = String(e?.message ?? e)
    }
    await fetch('drawn', {method: 'POST', body: JSON.stringify(got)})
  }
})().catch(e => fetch('drawn', {method: 'POST', body: JSON.stringify({Error: 'the page: ' + e})}))
</script>`

// newMermaid starts a browser with the Mermaid of the Makefile. Where one of them is
// missing, the test is skipped, or with TAGLINE_TEST_MERMAID, which `make graphs`
// sets, it fails.
func newMermaid(t *testing.T) *mermaid {
	t.Helper()
	missing := t.Skip
	if os.Getenv("TAGLINE_TEST_MERMAID") != "" {
		missing = t.Fatal
	}
	path, err := exec.LookPath("chromium")
	if err != nil {
		missing("no chromium on PATH: install it (Debian: chromium), then `make graphs` draws every graph")
	}
	library, err := filepath.Glob("../../bin/mermaid-*.min.js")
	if err != nil || len(library) == 0 {
		missing("bin has no Mermaid: `make graphs` installs it, and draws every graph")
	}

	m := &mermaid{graphs: make(chan string), verdicts: make(chan drawn), gone: make(chan struct{})}
	done := make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, mermaidPage) })
	mux.HandleFunc("/mermaid.js", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, library[len(library)-1]) })
	mux.HandleFunc("/graph", func(w http.ResponseWriter, _ *http.Request) {
		select {
		case graph := <-m.graphs:
			_, _ = io.WriteString(w, graph)
		case <-done:
		}
	})
	mux.HandleFunc("/drawn", func(_ http.ResponseWriter, r *http.Request) {
		var got drawn
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			got.Error = err.Error()
		}
		select {
		case m.verdicts <- got:
		case <-done:
		}
	})
	server := httptest.NewServer(mux)
	browser := exec.Command(path, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--user-data-dir="+t.TempDir(), "--remote-debugging-port=0", server.URL)
	if err := browser.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = browser.Wait() // it is interrupted
		close(m.gone)
	}()
	t.Cleanup(func() {
		_ = browser.Process.Signal(os.Interrupt)
		<-m.gone
		close(done)
		server.Close()
	})
	return m
}

// draw has Mermaid draw a graph.
func (m *mermaid) draw(t *rapid.T, graph string) drawn {
	select {
	case m.graphs <- graph:
	case <-m.gone:
		t.Fatal("the browser has ended")
	}
	select {
	case got := <-m.verdicts:
		return got
	case <-m.gone:
		t.Fatal("the browser has ended")
	}
	return drawn{}
}

// Mermaid draws the graph of any plan, and shows each name as it is.
func TestMermaid(t *testing.T) {
	m := newMermaid(t)
	graphs := 0
	code := regexp.MustCompile(`#(\d+);`)
	quoted := regexp.MustCompile(`"([^"]*)"`)
	rapid.Check(t, func(t *rapid.T) {
		text := graphOf(Repository{Plan: anyPlan(t)})
		_, graph, _ := strings.Cut(text, "```mermaid\n")
		graph = strings.TrimSuffix(graph, "```\n")
		if graph == "" {
			return
		}
		graphs++
		var want []string
		for _, match := range quoted.FindAllStringSubmatch(graph, -1) {
			want = append(want, squeezed(html.UnescapeString(code.ReplaceAllString(match[1], "&#$1;"))))
		}
		got := m.draw(t, graph)
		for i := range got.Labels {
			got.Labels[i] = squeezed(got.Labels[i])
		}
		slices.Sort(want)
		slices.Sort(got.Labels)
		if got.Error != "" || got.Odd != "" || !slices.Equal(got.Labels, want) {
			t.Fatalf("error %q, odd %q, shown\n%q\nwant\n%q\nof\n%s", got.Error, got.Odd, got.Labels, want, graph)
		}
	})
	t.Logf("Mermaid has drawn %d graphs", graphs)
	if graphs == 0 {
		t.Error("no plan had a graph")
	}
}

// squeezed is a text without the spaces that HTML does not show.
func squeezed(text string) string { return strings.Join(strings.Fields(text), " ") }

// anyPlan draws a plan whose aliases share sources and follow each other, with names
// of all kinds.
func anyPlan(t *rapid.T) reconcile.Plan {
	var names []string
	for i := range rapid.IntRange(1, 6).Draw(t, "names") {
		if rapid.Bool().Draw(t, "plain") {
			names = append(names, fmt.Sprintf("%d.%d", i, i))
		} else {
			names = append(names, hostile(t, "name"))
		}
	}
	name := rapid.SampledFrom(names)
	plan := reconcile.Plan{Image: "my-image", InSync: rapid.SliceOfN(name, 0, 2).Draw(t, "in sync")}
	for range rapid.IntRange(1, 5).Draw(t, "pushes") {
		p := reconcile.Push{
			Tag: name.Draw(t, "tag"), Old: rapid.SampledFrom([]string{"", one}).Draw(t, "old"), New: two,
			Purged: rapid.SampledFrom([]int{0, 0, 0, 1}).Draw(t, "purged"),
		}
		for range rapid.IntRange(0, 4).Draw(t, "platforms") {
			digest := rapid.SampledFrom([]string{one, two, ""})
			p.Platforms = append(p.Platforms, reconcile.PlatformChange{
				Platform: rapid.OneOf(rapid.SampledFrom([]string{"linux/amd64", "linux/arm64", ""}), name).Draw(t, "platform"),
				Source:   name.Draw(t, "source"), Digest: digest.Draw(t, "digest"),
				OldSource: rapid.OneOf(rapid.Just(""), name).Draw(t, "old source"), OldDigest: digest.Draw(t, "old digest"),
				Behind: rapid.SampledFrom([]string{"", "2.0"}).Draw(t, "behind"),
			})
		}
		plan.Pushes = append(plan.Pushes, p)
	}
	return plan
}
