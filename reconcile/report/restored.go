package report

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"tagline/config"
	"tagline/reconcile"
	"tagline/reconcile/registry"
)

// Restored writes what was put back into one repository. Only a verbose report
// includes what was already there.
func (t *Text) Restored(r reconcile.Restored) {
	var rows []row
	many := len(r.Manifests) > manyManifests && !t.opts.Verbose
	done := map[string]amount{} // by kind
	for _, o := range r.Manifests {
		name := t.opts.digest(o.Digest)
		switch {
		case o.Err != nil:
			rows = append(rows, row{mark: "!", cells: []string{name + "  error: " + registry.Line(o.Err)}})
		case o.Blocked != "":
			rows = append(rows, row{mark: "!", cells: []string{name + "  " + o.Blocked}})
		case o.Already && t.opts.Verbose:
			rows = append(rows, row{mark: "=", cells: []string{name + "  is there"}})
		case o.Already || t.opts.Quiet:
		case many:
			sum := done[o.Kind]
			done[o.Kind] = amount{sum.n + 1, sum.bytes + o.Bytes}
		default:
			rows = append(rows, row{mark: "+", cells: []string{fmt.Sprintf("%s  %s (%s)", name, o.Kind, Bytes(o.Bytes))}})
		}
	}
	for _, kind := range []string{"index", "image", "attestation", "artifact"} {
		if got := done[kind]; got.n > 0 {
			rows = append(rows, row{mark: "+", cells: []string{fmt.Sprintf("%s (%s)", Count(got.n, kind), Bytes(got.bytes))}})
		}
	}
	for _, o := range r.Tags {
		switch {
		case o.Err != nil:
			rows = append(rows, row{mark: "!", cells: []string{o.Tag, "error: " + registry.Line(o.Err)}})
		case o.Blocked != "":
			rows = append(rows, row{mark: "!", cells: []string{o.Tag, o.Blocked}})
		case o.Already && t.opts.Verbose:
			rows = append(rows, row{mark: "=", cells: []string{o.Tag, t.opts.digest(o.Digest)}})
		case o.Already || t.opts.Quiet:
		case o.Was != "":
			rows = append(rows, row{mark: "~", cells: []string{o.Tag, t.opts.digest(o.Digest) + "  (was " + t.opts.digest(o.Was) + ")"}})
		default:
			rows = append(rows, row{mark: "+", cells: []string{o.Tag, t.opts.digest(o.Digest)}})
		}
	}
	if len(rows) == 0 {
		return
	}
	t.printf("%s\n", Printable(r.Repository.String()))
	for _, r := range align(rows) {
		t.printf("  %s %s\n", t.opts.paint(r.mark), r.line())
	}
}

// RestoredSummary writes the last lines, and returns the first error of all
// writes. If anything is put back, next is the last one, which says what the next
// run makes of it; "" is no line.
func (t *Text) RestoredSummary(all []reconcile.Restored, next string) error {
	if t.opts.Quiet {
		return t.err
	}
	n := countRestored(all)
	if n == (restoredCounts{}) {
		t.printf("Nothing to do: all of it is there.\n")
		return t.err
	}
	line := "Restored: "
	if t.opts.DryRun {
		line = "To restore: "
	}
	line += fmt.Sprintf("%s and %s, %d blocked", Count(n.manifests, "manifest"), Count(n.tags, "tag"), n.blocked)
	if n.failed > 0 {
		line += fmt.Sprintf(", %d failed", n.failed)
	}
	t.printf("%s.\n", line)
	if n.manifests+n.tags > 0 && next != "" {
		t.printf("%s\n", Printable(next))
	}
	return t.err
}

// restoredCounts are what restore did, or would do in a dry run.
type restoredCounts struct{ manifests, tags, blocked, failed int }

func countRestored(all []reconcile.Restored) (n restoredCounts) {
	for _, r := range all {
		for _, o := range slices.Concat(r.Manifests, r.Tags) {
			switch {
			case o.Err != nil:
				n.failed++
			case o.Blocked != "":
				n.blocked++
			case o.Already:
			case o.Tag != "":
				n.tags++
			default:
				n.manifests++
			}
		}
	}
	return n
}

// restored is the format of [RestoredJSON].
type restored struct {
	FormatVersion string               `json:"format_version"`
	DryRun        bool                 `json:"dry_run"`
	Repositories  []restoredRepository `json:"repositories"`
}

type restoredRepository struct {
	Repository string             `json:"repository"`
	Manifests  []restoredManifest `json:"manifests"`
	Tags       []restoredTag      `json:"tags"`
}

type restoredManifest struct {
	Digest string `json:"digest"`
	Kind   string `json:"kind"`
	Bytes  int64  `json:"bytes"`
	fate
}

type restoredTag struct {
	Tag    string  `json:"tag"`
	Digest string  `json:"digest"`
	Was    *string `json:"was"`
	fate
}

// fate is "restored", "present", "blocked" or "failed", with the reason.
type fate struct {
	Outcome string `json:"outcome"`
	Reason  string `json:"reason,omitempty"`
}

func fateOf(o reconcile.RestoredOne) fate {
	switch {
	case o.Err != nil:
		return fate{"failed", registry.Line(o.Err)}
	case o.Blocked != "":
		return fate{"blocked", o.Blocked}
	case o.Already:
		return fate{Outcome: "present"}
	}
	return fate{Outcome: "restored"}
}

// RestoredJSON returns the results as JSON. Minor versions of the format only
// add fields.
func RestoredJSON(all []reconcile.Restored, dryRun bool) []byte {
	out := restored{FormatVersion: FormatVersion, DryRun: dryRun, Repositories: []restoredRepository{}}
	for _, r := range all {
		of := restoredRepository{Repository: r.Repository.String(), Manifests: []restoredManifest{}, Tags: []restoredTag{}}
		for _, o := range r.Manifests {
			of.Manifests = append(of.Manifests, restoredManifest{o.Digest, o.Kind, o.Bytes, fateOf(o)})
		}
		for _, o := range r.Tags {
			of.Tags = append(of.Tags, restoredTag{o.Tag, o.Digest, OrNull(o.Was), fateOf(o)})
		}
		out.Repositories = append(out.Repositories, of)
	}
	return Encode(out)
}

// Trash writes what the trash in a folder holds: runs, oldest first, and what each
// has deleted.
func (t *Text) Trash(dir string, records []reconcile.Record) error {
	if t.opts.Quiet {
		return t.err
	}
	for i := 0; i < len(records); {
		run := records[i].Run
		line := "run " + run + "  " + records[i].Time.UTC().Format(time.DateTime) + " UTC"
		if job := records[i].Job; job != "" {
			line += "  " + job
		}
		t.printf("%s\n", Printable(line))
		kept := map[config.Repository][]reconcile.Kept{}
		for ; i < len(records) && records[i].Run == run; i++ {
			kept[records[i].Repository] = append(kept[records[i].Repository], records[i].Kept...)
		}
		for _, repository := range slices.SortedFunc(maps.Keys(kept), config.Repository.Compare) {
			t.printf("  %s\n", Printable(repository.String()))
			for _, r := range align(t.kept(kept[repository])) {
				t.printf("    %s %s\n", t.opts.paint(r.mark), r.line())
			}
		}
	}
	if len(records) == 0 {
		t.printf("The trash %s is empty.\n", Printable(dir))
	}
	return t.err
}

// kept returns the rows of one run and repository: tags, then manifests without
// tags.
func (t *Text) kept(all []reconcile.Kept) []row {
	var rows []row
	tagged := map[string]bool{}
	for _, k := range all {
		for _, tag := range k.Tags {
			tagged[k.Manifest.Digest] = true
			rows = append(rows, row{mark: "-", cells: []string{tag.Tag, fmt.Sprintf("%s  %s", t.opts.digest(k.Manifest.Digest), k.Reason)}})
		}
	}
	untagged := slices.DeleteFunc(slices.Clone(all), func(k reconcile.Kept) bool { return tagged[k.Manifest.Digest] })
	var size int64
	for _, k := range untagged {
		of := registry.SizeOf(k.Manifest)
		size += of
		if len(untagged) <= manyManifests || t.opts.Verbose {
			rows = append(rows, row{mark: "-", cells: []string{fmt.Sprintf("%s  %s (%s)", t.opts.digest(k.Manifest.Digest), k.Reason, Bytes(of))}})
		}
	}
	if len(untagged) > manyManifests && !t.opts.Verbose {
		rows = append(rows, row{mark: "-", cells: []string{fmt.Sprintf("%s without a tag (%s)", Count(len(untagged), "manifest"), Bytes(size))}})
	}
	return rows
}

// trash is the format of [TrashJSON].
type trash struct {
	FormatVersion string        `json:"format_version"`
	Records       []trashRecord `json:"records"`
}

type trashRecord struct {
	Run        string          `json:"run"`
	Job        *string         `json:"job"`
	Time       time.Time       `json:"time"`
	Repository string          `json:"repository"`
	Manifests  []trashManifest `json:"manifests"`
}

type trashManifest struct {
	Digest    string     `json:"digest"`
	MediaType string     `json:"media_type"`
	Bytes     int64      `json:"bytes"`
	Reason    string     `json:"reason"`
	Tags      []trashTag `json:"tags"`
}

type trashTag struct {
	Tag string  `json:"tag"`
	New *string `json:"new"`
}

// TrashJSON returns the content of a trash as JSON. new is the digest that the
// run gave to a tag, or null if it deleted the tag. Minor versions of the
// format only add fields.
func TrashJSON(records []reconcile.Record) []byte {
	out := trash{FormatVersion: FormatVersion, Records: []trashRecord{}}
	for _, r := range records {
		of := trashRecord{Run: r.Run, Job: OrNull(r.Job), Time: r.Time, Repository: r.Repository.String(), Manifests: []trashManifest{}}
		for _, k := range r.Kept {
			m := trashManifest{k.Manifest.Digest, k.Manifest.MediaType, registry.SizeOf(k.Manifest), k.Reason, []trashTag{}}
			for _, tag := range k.Tags {
				m.Tags = append(m.Tags, trashTag{tag.Tag, OrNull(tag.New)})
			}
			of.Manifests = append(of.Manifests, m)
		}
		out.Records = append(out.Records, of)
	}
	return Encode(out)
}
