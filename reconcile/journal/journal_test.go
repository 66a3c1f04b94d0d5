package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/rogpeppe/go-internal/lockedfile"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"tagline/config"
	"tagline/reconcile"
	"tagline/reconcile/registry"
)

var (
	app   = config.Repository{Host: "r.test", Path: "app"}
	other = config.Repository{Host: "r.test", Path: "other/app"}
	clock = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
)

func sha(text string) string { return digest.FromString(text).String() }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func all(Move) bool { return true }

// writer returns a writer whose clock stands at the time of day.
func writer(path, run string, hour int) *Writer {
	w := NewWriter(path, run, By{URL: "https://ci.test/" + run, Commit: "c0ffee"})
	w.now = func() time.Time { return clock.Add(time.Duration(hour) * time.Hour) }
	return w
}

func read(t *testing.T, files ...string) ([]Move, []Skipped) {
	t.Helper()
	moves, skipped, err := Read(files, all)
	must(t, err)
	return moves, skipped
}

func push(tag, from, to string) Move {
	m := Move{Repository: app, Tag: tag, Action: Pushed, New: sha(to), Platforms: []Platform{{
		Platform: "linux/amd64", Source: to, SourceDigest: sha("source " + to), Digest: sha("image " + to),
	}}}
	if from != "" {
		m.Old, m.Platforms[0].OldSource, m.Platforms[0].OldDigest = sha(from), from, sha("image "+from)
	}
	return m
}

// A run's moves are those that the registry confirmed and that no other run had made.
func TestMoves(t *testing.T) {
	plan := reconcile.Plan{
		Repository: app,
		Pushes: []reconcile.Push{
			{Tag: "1", New: sha("1"), Platforms: []reconcile.PlatformChange{{Platform: "linux/amd64", Source: "2", Origin: "1.1", SourceDigest: sha("s"), Digest: sha("d"), OldSource: "1.0", OldDigest: sha("o")}}},
			{Tag: "failed"}, {Tag: "stale"}, {Tag: "already"},
		},
		DeleteTags: []reconcile.DeleteTag{{Tag: "9", Old: sha("9"), Reason: "set to absent"}, {Tag: "kept"}},
	}
	result := reconcile.Result{
		Pushed:  []reconcile.Outcome{{}, {Err: errors.New("no")}, {Err: reconcile.ErrStale}, {Already: true}},
		Deleted: []reconcile.Outcome{{}, {Err: reconcile.ErrSkipped}},
	}
	want := []Move{
		{Repository: app, Tag: "1", Action: Pushed, New: sha("1"), Platforms: []Platform{{"linux/amd64", "2", "1.1", sha("s"), sha("d"), "1.0", sha("o")}}},
		{Repository: app, Tag: "9", Action: Deleted, Old: sha("9"), Reason: "set to absent"},
	}
	if got := Moves(plan, result); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got := Moves(plan, reconcile.Result{}); got != nil {
		t.Errorf("of a dry run: %+v", got)
	}
}

// What was restored has the images that its index lists.
func TestRestores(t *testing.T) {
	index := fmt.Sprintf(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[
		{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":%q,"size":2,"platform":{"os":"linux","architecture":"arm64","variant":"v8"},"annotations":{"dev.tagline.source":"1.2"}},
		{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":%q,"size":2,"platform":{"os":"unknown","architecture":"unknown"},"annotations":{"vnd.docker.reference.type":"attestation-manifest","vnd.docker.reference.digest":%q}}]}`,
		sha("arm"), sha("attestation"), sha("arm"))
	raw := registry.RawManifest{Digest: sha(index), MediaType: "application/vnd.oci.image.index.v1+json", Body: []byte(index)}
	found, _ := reconcile.Choose([]reconcile.Record{{Run: "r", Time: clock, Repository: app, Kept: []reconcile.Kept{{Manifest: raw, Tags: []reconcile.KeptTag{{Tag: "9"}}}}}}, nil, "", time.Time{})
	restored := reconcile.Restored{Repository: app, Tags: []reconcile.RestoredOne{
		{Tag: "9", Digest: raw.Digest, Was: sha("x")}, {Tag: "a", Already: true}, {Tag: "b", Blocked: "gone"}, {Tag: "c", Err: errors.New("no")}, {Tag: "d", Digest: sha("unknown")},
	}}
	want := []Move{
		{Repository: app, Tag: "9", Action: Restored, Old: sha("x"), New: raw.Digest, Platforms: []Platform{{Platform: "linux/arm64", Source: "1.2", Digest: sha("arm")}}},
		{Repository: app, Tag: "d", Action: Restored, New: sha("unknown")},
	}
	if got := Restores(found[0], restored); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// What is appended is read back unchanged, oldest first, and is what the schema says.
func TestAppendAndRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	if err := Check(path); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Check made a file: %v", err)
	}
	must(t, writer(path, "late", 2).Append([]Move{{Repository: other, Tag: "9", Action: Deleted, Old: sha("9"), Reason: "set to absent <&>"}}))
	must(t, writer(path, "early", 1).Append([]Move{push("1", "", "1.0"), push("2", "1.0", "1.1")}))
	must(t, writer(path, "none", 3).Append(nil))
	must(t, Check(path))
	got, skipped := read(t, path)
	if len(got) != 3 || len(skipped) > 0 {
		t.Fatalf("%+v, %v", got, skipped)
	}
	for i, want := range []Move{push("1", "", "1.0"), push("2", "1.0", "1.1"), {Repository: other, Tag: "9", Action: Deleted, Old: sha("9"), Reason: "set to absent <&>"}} {
		want.Run = []string{"early", "early", "late"}[i]
		want.Time, want.By = clock.Add(time.Duration([]int{1, 1, 2}[i])*time.Hour), By{URL: "https://ci.test/" + want.Run, Commit: "c0ffee"}
		if !reflect.DeepEqual(got[i], want) {
			t.Errorf("got  %+v\nwant %+v", got[i], want)
		}
	}
	only, _, err := Read([]string{path}, func(m Move) bool { return m.Repository == other })
	if err != nil || len(only) != 1 {
		t.Errorf("of one repository: %+v, %v", only, err)
	}
	format, err := jsonschema.NewCompiler().Compile("journal.schema.json")
	must(t, err)
	data, err := os.ReadFile(path)
	must(t, err)
	for text := range bytes.Lines(data) {
		document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		must(t, err)
		if err := format.Validate(document); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// The schema has every field that a line has, and no other.
func TestSchemaIsComplete(t *testing.T) {
	data, err := os.ReadFile("journal.schema.json")
	must(t, err)
	var schema struct {
		Properties map[string]struct{ Properties, Items map[string]any }
	}
	must(t, json.Unmarshal(data, &schema))
	for name, of := range map[string]any{"": line{}, "by": By{}, "platforms": Platform{}} {
		has := map[string]bool{}
		switch name {
		case "":
			for field := range schema.Properties {
				has[field] = true
			}
		case "by":
			for field := range schema.Properties[name].Properties {
				has[field] = true
			}
		default:
			for field := range schema.Properties[name].Items["properties"].(map[string]any) {
				has[field] = true
			}
		}
		kind := reflect.TypeOf(of)
		for i := range kind.NumField() {
			field, _, _ := strings.Cut(kind.Field(i).Tag.Get("json"), ",")
			if !has[field] {
				t.Errorf("the schema lacks %s of %q", field, name)
			}
			delete(has, field)
		}
		if len(has) > 0 {
			t.Errorf("the schema has %v of %q, too", has, name)
		}
	}
}

// Many writers of one file lose no line, and tear none.
func TestConcurrentWriters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	var long []Platform // more than a pipe or a page takes at once
	for i := range 40 {
		long = append(long, Platform{Platform: fmt.Sprint("linux/", i), Source: "1.0", Digest: sha(fmt.Sprint(i))})
	}
	var wg sync.WaitGroup
	const writers, runs = 8, 25
	for w := range writers {
		wg.Go(func() {
			for run := range runs {
				m := push("1", "", "1.0")
				m.Platforms = long
				if err := writer(path, fmt.Sprint(w, "-", run), run).Append([]Move{m, {Repository: other, Tag: "9", Action: Deleted, Old: sha("9")}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	got, skipped := read(t, path)
	if len(got) != 2*writers*runs || len(skipped) > 0 {
		t.Errorf("%d moves, %v, want %d", len(got), skipped, 2*writers*runs)
	}
}

// A writer that was killed leaves the beginning of a line, wherever it was cut. The
// next one loses nothing by it, and neither do parts that are joined.
func TestTornLine(t *testing.T) {
	dir := t.TempDir()
	whole := filepath.Join(dir, "whole")
	must(t, writer(whole, "one", 1).Append([]Move{push("1", "", "1.0")}))
	first, err := os.ReadFile(whole)
	must(t, err)
	must(t, writer(whole, "two", 2).Append([]Move{push("1", "1.0", "1.1")}))
	data, err := os.ReadFile(whole)
	must(t, err)
	near := func(cut, end int) bool { return cut >= end-2 && cut <= end+2 }
	for cut := range len(data) + 1 {
		if cut%13 > 0 && !near(cut, len(first)) && !near(cut, len(data)) && !near(cut, len(beginning)) {
			continue
		}
		path := filepath.Join(dir, "cut")
		must(t, os.WriteFile(path, data[:cut], 0o600))
		must(t, writer(path, "three", 3).Append([]Move{push("1", "1.1", "1.2")}))
		moves, skipped := read(t, path)
		joined := filepath.Join(dir, "joined")
		must(t, os.WriteFile(joined, append(bytes.Clone(data[:cut]), data...), 0o600))
		both, skippedToo := read(t, joined)

		want, torn := 1, 0
		switch {
		case cut >= len(data)-1:
			want = 3
		case cut >= len(first)-1:
			want = 2
		}
		if cut != 0 && cut != len(first)-1 && cut != len(first) && cut < len(data)-1 {
			torn = 1
		}
		if len(moves) != want || len(skipped) != torn {
			t.Fatalf("cut at %d of %d: %d moves, skipped %v, want %d and %d", cut, len(data), len(moves), skipped, want, torn)
		}
		if len(both) != 2 || len(skippedToo) != torn {
			t.Fatalf("cut at %d and joined: %d moves, skipped %v, want 2 and %d", cut, len(both), skippedToo, torn)
		}
	}
}

// Lines that are none of a journal are skipped and told, with their place.
func TestForeignLines(t *testing.T) {
	good := func(change func(*line)) string {
		l := line{Journal: Version, Time: clock, Run: "r", Repository: "r.test/app", Tag: "1", Action: Pushed, New: pointer(sha("1"))}
		change(&l)
		data, err := json.Marshal(l)
		must(t, err)
		return string(data)
	}
	for _, test := range []struct{ name, text, want string }{
		{"good", good(func(*line) {}), ""},
		{"newer", strings.Replace(good(func(l *line) { l.Journal = "1.7" }), `"run"`, `"more":[1],"run"`, 1), ""},
		{"empty", "", ""},
		{"carriage return", good(func(*line) {}) + "\r", ""},
		{"text", "hello", "torn, or not a line of a journal"},
		{"other JSON", `{"format_version": "1.0"}`, "it is not a line of a journal"},
		{"a number", "7", "it is not a line of a journal"},
		{"other type", `{"journal": 7}`, "it is not a line of a journal"},
		{"conflict marker", "<<<<<<< HEAD", "torn, or not a line of a journal"},
		{"no version", good(func(l *line) { l.Journal = "new" }), `its format is "new"`},
		{"no time", good(func(l *line) { l.Time = time.Time{} }), "no time"},
		{"no run", good(func(l *line) { l.Run = "" }), "no run"},
		{"no host", good(func(l *line) { l.Repository = "app" }), "is no repository"},
		{"credentials", good(func(l *line) { l.Repository = "me:secret@r.test/app" }), "is no repository"},
		{"no tag", good(func(l *line) { l.Tag = "../x" }), "is no tag"},
		{"action", good(func(l *line) { l.Action = "eat" }), `its action is "eat"`},
		{"no digest", good(func(l *line) { l.New = nil }), "no new digest"},
		{"bad digest", good(func(l *line) { l.Old = pointer("sha256:x") }), "is no digest"},
		{"bad digest of a platform", good(func(l *line) { l.Platforms = []Platform{{Digest: "x"}} }), "is no digest"},
		{"too long", `"` + strings.Repeat("x", maxLine) + `"`, "longer than 16 MiB"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "journal.jsonl")
			before, after := good(func(l *line) { l.Tag = "before" }), good(func(l *line) { l.Tag = "after" })
			must(t, os.WriteFile(path, []byte(before+"\n"+test.text+"\n"+after), 0o600))
			moves, skipped := read(t, path)
			if moves[0].Tag != "before" || moves[len(moves)-1].Tag != "after" {
				t.Errorf("the lines around it: %+v", moves)
			}
			switch {
			case test.want == "" && len(skipped) > 0, test.want != "" && len(moves) != 2:
				t.Errorf("%d moves, skipped %v", len(moves), skipped)
			case test.want != "" && (len(skipped) != 1 || skipped[0].Line != 2 || !strings.Contains(skipped[0].String(), test.want)):
				t.Errorf("skipped %v, want line 2: %q", skipped, test.want)
			}
		})
	}
}

// A line of a major version that is not known may be a move, whatever else it has.
func TestUnknownVersion(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	must(t, writer(path, "one", 1).Append([]Move{push("1", "", "1.0")}))
	known, err := os.ReadFile(path)
	must(t, err)
	for _, text := range []string{`{"journal":"2.0"}`, `{"journal":"2.0","time":[7]}`, `{"journal":"12","tag":7}`, `{"journal":"1.0","ti{"journal":"2.1"}`} {
		t.Run(text, func(t *testing.T) {
			must(t, os.WriteFile(path, []byte(string(known)+text+"\n"+string(known)), 0o600))
			moves, _, err := Read([]string{path}, func(Move) bool { return true })
			if !errors.Is(err, errVersion) || !strings.HasPrefix(err.Error(), "journal "+path+": line 2: its format is ") || len(moves) > 0 {
				t.Errorf("%v, %v", moves, err)
			}
		})
	}
}

// Parts that have lines in common count them once.
func TestParts(t *testing.T) {
	dir := t.TempDir()
	one, two := filepath.Join(dir, "one.jsonl"), filepath.Join(dir, "more", "two.jsonl")
	must(t, os.Mkdir(filepath.Dir(two), 0o700))
	must(t, writer(two, "b", 2).Append([]Move{push("1", "1.0", "1.1")}))
	must(t, writer(one, "a", 1).Append([]Move{push("1", "", "1.0"), push("2", "", "1.0")}))
	data, err := os.ReadFile(two)
	must(t, err)
	f, err := os.OpenFile(one, os.O_APPEND|os.O_WRONLY, 0)
	must(t, err)
	_, err = f.Write(data)
	must(t, errors.Join(err, f.Close()))
	must(t, os.WriteFile(filepath.Join(dir, "note.txt"), []byte("no journal"), 0o600))

	files, err := Files([]string{dir, one})
	if err != nil || len(files) != 3 {
		t.Fatalf("%q, %v", files, err)
	}
	moves, skipped := read(t, files...)
	if len(moves) != 3 || moves[2].Run != "b" || len(skipped) > 0 {
		t.Errorf("%+v, %v", moves, skipped)
	}
	if _, err := Files([]string{filepath.Join(dir, "none")}); !errors.Is(err, os.ErrNotExist) || !strings.HasPrefix(err.Error(), "journal ") {
		t.Error(err)
	}
}

// What is no journal is left as it is.
func TestOtherFiles(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "images.yaml")
	must(t, os.WriteFile(file, []byte("images: {}\n"), 0o600))
	for _, test := range []struct{ name, path, want string }{
		{"other content", file, "it is not a journal; name another file"},
		{"folder", dir, "it is not a regular file"},
		{"device", os.DevNull, "it is not a regular file"},
		{"below a file", filepath.Join(file, "x"), "not a directory"},
		{"in no folder", filepath.Join(dir, "none", "x"), "no such file"},
	} {
		t.Run(test.name, func(t *testing.T) {
			for what, err := range map[string]error{"Check": Check(test.path), "Append": writer(test.path, "r", 1).Append([]Move{push("1", "", "1.0")})} {
				if err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), "journal "+test.path+": ") {
					t.Errorf("%s: %v, want %q", what, err, test.want)
				}
			}
		})
	}
	if data, _ := os.ReadFile(file); string(data) != "images: {}\n" {
		t.Errorf("it is now %q", data)
	}
}

// A writer does not wait for ever for the lock.
func TestLocked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	f, err := lockedfile.Create(path)
	must(t, err)
	defer func(was time.Duration) { patience = was }(patience)
	patience = time.Millisecond
	w := writer(path, "r", 1)
	for range 2 {
		if err := w.Append([]Move{push("1", "", "1.0")}); !errors.Is(err, errLocked) {
			t.Error(err)
		}
		patience = time.Hour // it does not wait again
	}
	must(t, f.Close())
}

// What a tag named, as far as the journal tells.
func TestHistory(t *testing.T) {
	moved := func(hour int, m Move) Move {
		m.Time, m.Run = clock.Add(time.Duration(hour)*time.Hour), fmt.Sprint(hour)
		return m
	}
	deleted := Move{Repository: app, Tag: "1", Action: Deleted, Old: sha("1.1")}
	restored := Move{Repository: app, Tag: "1", Action: Restored, New: sha("1.1")}
	for _, test := range []struct {
		name  string
		moves []Move
		want  string // states: what it is, and from which hour to which
	}{
		{"new", []Move{moved(1, push("1", "", "1.0"))}, "none ?-1, 1.0 1-"},
		{"of others", []Move{moved(1, push("2", "", "1.0"))}, ""},
		{"moved", []Move{moved(1, push("1", "1.0", "1.1")), moved(2, push("1", "1.1", "1.2"))}, "1.0 ?-1, 1.1 1-2, 1.2 2-"},
		{"deleted and restored", []Move{moved(1, push("1", "", "1.1")), moved(2, deleted), moved(3, restored)}, "none ?-1, 1.1 1-2, none 2-3, 1.1 3-"},
		{"gap", []Move{moved(1, push("1", "", "1.0")), moved(5, push("1", "1.1", "1.2"))}, "none ?-1, 1.0 1-5, 1.1 ?-5 gap, 1.2 5-"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := NewLog(test.moves).History(app, "1")
			var got []string
			for _, s := range h.States {
				from, to, what := "?", "", "none"
				if !s.From.IsZero() && !s.Gap {
					from = fmt.Sprint(int(s.From.Sub(clock).Hours()))
				}
				if !s.To.IsZero() {
					to = fmt.Sprint(int(s.To.Sub(clock).Hours()))
				}
				if s.Digest != "" {
					what = "unknown"
					if len(s.Images) == 1 {
						what = s.Images[0].Source
					}
				}
				text := fmt.Sprintf("%s %s-%s", what, from, to)
				if s.Gap {
					text += " gap"
				}
				got = append(got, text)
			}
			if text := strings.Join(got, ", "); text != test.want {
				t.Errorf("got  %s\nwant %s", text, test.want)
			}
		})
	}
	h := NewLog([]Move{moved(1, push("1", "", "1.0")), moved(5, push("1", "1.1", "1.2"))}).History(app, "1")
	for _, test := range []struct{ from, to, want int }{{0, 0, 1}, {1, 1, 2}, {4, 4, 2}, {5, 5, 1}, {0, 9, 4}, {9, 9, 1}} {
		if got := h.During(clock.Add(time.Duration(test.from)*time.Hour), clock.Add(time.Duration(test.to)*time.Hour)); len(got.States) != test.want {
			t.Errorf("from %d to %d: %d states, want %d: %+v", test.from, test.to, len(got.States), test.want, got.States)
		}
	}
}

// What is written for images.yaml is valid there and means what it should, whatever a
// journal says.
func TestSources(t *testing.T) {
	h := History{Repository: app, Tag: "1"}
	image := func(platform, source, origin string) Platform {
		return Platform{Platform: platform, Source: source, Origin: origin, SourceDigest: sha("source"), Digest: sha("image")}
	}
	for _, test := range []struct {
		name              string
		images            []Platform
		byVersion, digest string
	}{
		{"unknown", nil, "", sha("index")},
		{"platforms", []Platform{image("linux/amd64", "1.0", ""), image("linux/arm/v6", "1.1", "")}, "{amd64: 1.0, arm/v6: 1.1}", "{amd64: " + sha("image") + ", arm/v6: " + sha("image") + "}"},
		{"one source", []Platform{{Platform: "linux/amd64", Source: "1.0", SourceDigest: sha("index"), Digest: sha("x")}, {Platform: "linux/arm64", Source: "1.0", SourceDigest: sha("index"), Digest: sha("y")}}, "1.0", "{amd64: " + sha("x") + ", arm64: " + sha("y") + "}"},
		{"one plain source", []Platform{{Platform: "linux/amd64", Source: "1.0", SourceDigest: sha("index"), Digest: sha("index")}}, "1.0", sha("index")},
		{"through an alias", []Platform{image("linux/amd64", "10", "1.0")}, "{amd64: 1.0}", "{amd64: " + sha("image") + "}"},
		{"elsewhere", []Platform{image("linux/amd64", "r.test/b:1.0", "")}, "{amd64: r.test/b:1.0}", "{amd64: " + sha("image") + "}"},
		{"IPv6", []Platform{image("linux/amd64", "[::1]:5000/b:1.0", "")}, `{amd64: "[::1]:5000/b:1.0"}`, "{amd64: " + sha("image") + "}"},
		{"null", []Platform{image("linux/amd64", "null", "")}, `{amd64: "null"}`, "{amd64: " + sha("image") + "}"},
		{"no source", []Platform{image("linux/amd64", "1.0", ""), {Platform: "linux/arm64", Digest: sha("image")}}, "", "{amd64: " + sha("image") + ", arm64: " + sha("image") + "}"},
		{"itself", []Platform{image("linux/amd64", "1", "")}, "", "{amd64: " + sha("image") + "}"},
		{"hostile", []Platform{image("linux/amd64", "1.0}\nx: {y: z", "")}, "", "{amd64: " + sha("image") + "}"},
		{"comment", []Platform{image("linux/amd64", "1.0 # x", "")}, "", "{amd64: " + sha("image") + "}"},
		{"with a feature", []Platform{image("linux/amd64 (nydus.v1)", "1.0", "")}, "", sha("index")},
		{"Windows", []Platform{image("windows(10.0.17763)/amd64", "1.0", "")}, "{windows(10.0.17763)/amd64: 1.0}", "{windows(10.0.17763)/amd64: " + sha("image") + "}"},
	} {
		t.Run(test.name, func(t *testing.T) {
			byVersion, byDigest := h.Sources(State{Digest: sha("index"), Images: test.images})
			if byVersion != test.byVersion || byDigest != test.digest {
				t.Errorf("got  %q, %q\nwant %q, %q", byVersion, byDigest, test.byVersion, test.digest)
			}
			for _, text := range []string{byVersion, byDigest} {
				if text == "" {
					continue
				}
				cfg, err := config.Parse("images.yaml", []byte("registry: r.test\nimages: {app: {aliases: {1: "+text+"}}}\n"), config.Options{})
				if err != nil || len(cfg.Images[0].Aliases) != 1 || cfg.Images[0].Aliases[0].Tag != "1" {
					t.Errorf("%s: %v", text, err)
				}
			}
		})
	}
	if byVersion, byDigest := h.Sources(State{}); byVersion != "absent" || byDigest != "" {
		t.Errorf("of no tag: %q, %q", byVersion, byDigest)
	}
}

// BenchmarkHistory reads a journal of 10,000 moves, for the history of one tag.
func BenchmarkHistory(b *testing.B) {
	path := filepath.Join(b.TempDir(), "journal.jsonl")
	var moves []Move
	for i := range 10_000 {
		m := push(fmt.Sprint(i%100), fmt.Sprint("1.", i), fmt.Sprint("1.", i+100))
		m.Platforms = append(m.Platforms, m.Platforms[0])
		moves = append(moves, m)
	}
	if err := writer(path, "r", 1).Append(moves); err != nil {
		b.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(info.Size())
	b.ReportAllocs()
	for b.Loop() {
		moves, _, err := Read([]string{path}, all)
		if err != nil || len(NewLog(moves).History(app, "1").States) != 101 {
			b.Fatal(len(moves), err)
		}
	}
}
