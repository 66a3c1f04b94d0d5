package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"tagline/config"
	"tagline/reconcile"
)

// TestAliases has what journals know of tags that were aliases.
func TestAliases(t *testing.T) {
	dir := t.TempDir()
	first, second := filepath.Join(dir, "first.jsonl"), filepath.Join(dir, "second.jsonl")
	purge := push("purged", "before", "after")
	purge.Platforms[0].Source = ""
	rewritten := push("rewritten", "1", "1 purged")
	rewritten.Platforms[0].Source = ""
	elsewhere := push("1", "", "elsewhere")
	elsewhere.Repository = other
	restored := func(tag, to string) Move {
		return Move{Repository: app, Tag: tag, Action: Restored, New: sha(to), Platforms: []Platform{{Source: to}}}
	}
	deleted := func(tag, from string) Move { return Move{Repository: app, Tag: tag, Action: Deleted, Old: sha(from)} }

	must(t, writer(second, "d", 4).Append([]Move{push("moved", "1", "2"), deleted("dropped", "1"), rewritten, restored("back", "1")}))
	must(t, writer(first, "a", 1).Append([]Move{
		push("kept", "", "1"), push("moved", "", "1"), push("dropped", "", "1"), push("rewritten", "", "1"), push("back", "", "1"), push("listed", "", "1"), purge, elsewhere,
	}))
	must(t, writer(first, "b", 2).Append([]Move{deleted("back", "1"), restored("only-restored", "1")}))
	f, err := os.OpenFile(first, os.O_APPEND|os.O_WRONLY, 0)
	must(t, err)
	_, err = f.WriteString(`{"journal":"1.0","time":"2026-`)
	must(t, err)
	must(t, f.Close())

	wanted := func(place config.Repository, tag string) bool { return place == app && tag != "listed" }
	for _, files := range [][]string{{first, second}, {second, first}} {
		got, err := Aliases(files, wanted)
		want := map[config.Repository][]reconcile.TagDigest{app: {
			{Tag: "back", Digest: sha("1")}, {Tag: "moved", Digest: sha("2")}, {Tag: "rewritten", Digest: sha("1 purged")}, {Tag: "kept", Digest: sha("1")},
		}}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%v: got %v and %v, want %v", files, got, err, want)
		}
	}
	if got, err := Aliases([]string{filepath.Join(dir, "none.jsonl")}, wanted); !errors.Is(err, fs.ErrNotExist) || got != nil {
		t.Errorf("got %v and %v", got, err)
	}
}

// However many aliases images.yaml no longer lists, none is forgotten.
func TestManyAliases(t *testing.T) {
	const n = 70_000
	moves := make([]Move, n)
	for i := range moves {
		moves[i] = Move{Repository: app, Tag: fmt.Sprint("t", i), Action: Pushed, New: sha("1"), Platforms: []Platform{{Source: "1"}}}
	}
	file := filepath.Join(t.TempDir(), "journal.jsonl")
	must(t, writer(file, "a", 1).Append(moves))
	got, err := Aliases([]string{file}, func(config.Repository, string) bool { return true })
	if err != nil || len(got[app]) != n {
		t.Errorf("%d aliases and %v, want %d", len(got[app]), err, n)
	}
}
