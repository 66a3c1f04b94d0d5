package planfile

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"tagline/config"
	"tagline/reconcile"
	"tagline/reconcile/report"
	"tagline/reconcile/report/reporttest"
)

// savable is a dry run whose plan can be applied.
func savable() report.Run {
	r := dryRun()
	r.Failures, r.Findings = nil, nil
	for i := range r.Repositories[0].Pushes {
		p := &r.Repositories[0].Pushes[i]
		p.Manifest = []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[],"annotations":{"of":"` + p.Tag + `"}}`)
		p.New = digest.FromBytes(p.Manifest).String()
	}
	plan := &r.Repositories[0].Plan
	signature := []byte(`{"schemaVersion":2,"config":{},"layers":[]}`)
	plan.Pushes[2].Referrers = []reconcile.Referrer{
		{From: config.Repository{Host: "r.test", Path: "base"}, With: one, Subject: one, Digest: two, Kind: reconcile.RefersSBOM},
		{
			From: config.Repository{Host: "r.test", Path: "base"}, With: one, Subject: two, Digest: digest.FromBytes(signature).String(), Kind: reconcile.RefersSignature,
			Tag: strings.Replace(two, ":", "-", 1) + ".sig", MediaType: "application/vnd.oci.image.manifest.v1+json", Manifest: signature,
		},
	}
	plan.DeleteTags[0].Emptied, plan.DeleteTags[0].Last = true, true
	plan.DeleteManifests = []reconcile.DeleteManifest{
		{Digest: three, Kind: reconcile.KindReplaced, Reason: "10.10 has lost its attestations", Bytes: 12},
		{Digest: five, Kind: reconcile.KindAttestation, Reason: "nothing needs it", Parents: []string{three}},
	}
	plan.Tags = []reconcile.TagDigest{{Tag: "8", Digest: four}}
	plan.Stranded = []string{six}
	plan.Swept = reconcile.Swept{Tags: 9, Manifests: 20, Unlisted: true, Held: 2, Waiting: 3, Listed: 4}
	purge := reconcile.Push{Tag: "10.10", Old: three, MediaType: plan.Pushes[0].MediaType, Manifest: []byte(`{"schemaVersion":2,"manifests":[]}`), Purged: 1,
		Platforms: []reconcile.PlatformChange{{Platform: "linux/amd64", Digest: six, OldDigest: six}}}
	purge.New = digest.FromBytes(purge.Manifest).String()
	plan.Pushes = append(plan.Pushes, purge)
	lost := []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`)
	plan.Required = []reconcile.Required{
		{Digest: one, Tags: []string{"9"}}, // its bytes could not be read
		{Digest: digest.FromBytes(lost).String(), MediaType: plan.Pushes[0].MediaType, Manifest: lost, Tags: []string{}, Needed: `alias "8" lists it`, Lost: true},
	}
	return r
}

const (
	one   = reporttest.One
	two   = reporttest.Two
	three = reporttest.Three
	four  = reporttest.Four
	five  = reporttest.Five
	six   = reporttest.Six
)

func removal(d map[string]any) map[string]any {
	return d["repositories"].([]any)[0].(map[string]any)["delete_manifests"].([]any)[0].(map[string]any)
}

// required returns one of the required manifests.
func required(d map[string]any, i int) map[string]any {
	return d["repositories"].([]any)[0].(map[string]any)["keeps"].([]any)[i].(map[string]any)
}

// referrer is what is copied along under a tag.
func referrer(d map[string]any) map[string]any {
	return d["repositories"].([]any)[0].(map[string]any)["pushes"].([]any)[2].(map[string]any)["referrers"].([]any)[1].(map[string]any)
}

// otherRequired changes one of them.
func otherRequired(i int, key string, value any) func(string) string {
	return func(s string) string { return edited(s, func(d map[string]any) { required(d, i)[key] = value }) }
}

func TestRead(t *testing.T) {
	r := savable()
	saved, problems := Read(JSON(r))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	want := r.Repositories[0].Plan
	want.Choices[0].Range = "" // not needed to apply the plan
	for i, p := range want.Pushes {
		want.Pushes[i].Follows = list(p.Follows)
	}
	if saved.ConfigSHA256 != r.ConfigSHA256 || len(saved.Plans) != 1 || !reflect.DeepEqual(saved.Plans[0], want) {
		t.Errorf("got\n%+v\nwant\n%+v", saved.Plans, want)
	}

	// A newer minor version may have more fields.
	newer := replaced(`"format_version": "1.0",`, `"format_version": "1.7", "also": {"new": [1]},`)(string(JSON(r)))
	newer = strings.ReplaceAll(newer, `"tag":`, `"colour": "red", "tag":`)
	if _, problems := Read([]byte(newer)); len(problems) > 0 {
		t.Errorf("a newer minor version: %v", problems)
	}
}

// foreign are plans that must be refused, and the reasons.
var foreign = map[string]struct {
	alter func(text string) string
	want  string
}{
	"nothing":                 {func(string) string { return "" }, "it is not the JSON of a plan: "},
	"cut short":               {func(s string) string { return s[:len(s)/2] }, "it is not the JSON of a plan: unexpected EOF"},
	"trailing data":           {func(s string) string { return s + "{}" }, "it is not the JSON of a plan: invalid character"},
	"another shape":           {func(string) string { return "[]" }, "it is not the JSON of a plan: "},
	"null":                    {func(string) string { return "null" }, `its format_version is "", and this version reads 1.x`},
	"a key twice":             {replaced(`"tag": "10",`, `"tag": "10", "tag": "latest",`), `it is not the JSON of a plan: key "tag" stands twice`},
	"a key twice, by case":    {replaced(`"tag": "10",`, `"tag": "10", "TAG": "latest",`), `it is not the JSON of a plan: key "TAG" stands twice`},
	"another type":            {replaced(`"tag": "10"`, `"tag": 10`), "it is not the JSON of a plan: json: cannot unmarshal number"},
	"another major version":   {replaced(`"1.0"`, `"2.0"`), `its format_version is "2.0", and this version reads 1.x; make the plan with the tagline that applies it`},
	"ten":                     {replaced(`"1.0"`, `"10.0"`), `its format_version is "10.0", and`},
	"what an apply did":       {replaced(`"dry_run": true`, `"dry_run": false`), "it tells what an apply did; make a plan with apply --dry-run -o json=FILE"},
	"no config":               {replaced(strings.Repeat("ab", 32), ""), `config_sha256: "" is no SHA-256`},
	"a failed run":            {replaced(`"errors": [`, `"errors": [{"message": "open images.yaml"},`), "errors[0]: the run that made it failed: open images.yaml"},
	"an error of elsewhere":   {replaced(`"errors": [`, `"errors": [{"repository": "r.test/other", "message": "503"},`), `errors: "r.test/other" is not among the repositories`},
	"no host":                 {replaced(`"r.test/my-image",`, `"my-image",`), `repositories[0].repository: repository "my-image" has no registry`},
	"another spelling":        {replaced(`"r.test/my-image",`, `"R.test/my-image",`), `repositories[0].repository: "R.test/my-image" is not spelled r.test/my-image`},
	"a repository twice":      {func(s string) string { return doubled(s, "repositories") }, "repositories[1]: r.test/my-image is there twice"},
	"altered bytes":           {replaced(`\"schemaVersion\":2`, `\"schemaVersion\": 2`), "repositories[0].pushes[0].manifest: its digest is sha256:"},
	"a manifest of two kinds": {remade(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[],"config":{}}`), "is an index, but has the config or layers of an image"},
	"a web page":              {replaced("application/vnd.oci.image.index.v1+json\",", "text/html\","), `repositories[0].pushes[0].media_type: "text/html" is not that of an image or an index`},
	"a tag that can't be":     {replaced(`"tag": "10",`, `"tag": "../../v2",`), `repositories[0].pushes[0].tag: tag "../../v2" is not valid`},
	"a tag twice":             {replaced(`"tag": "9",`, `"tag": "10",`), `repositories[0].delete_tags[0].tag: tag "10" has more than one action`},
	"old is no digest":        {replaced(`"old": "`+one, `"old": "10`), `repositories[0].pushes[0].old: "10" is no digest`},
	"nothing to delete": {func(s string) string {
		i := strings.Index(s, `"delete_tags"`)
		return s[:i] + strings.Replace(s[i:], `"`+one+`"`, "null", 1)
	}, "repositories[0].delete_tags[0].old: a tag that does not exist can't be deleted"},
	"a platform unsourced":  {replaced(`"source": "10.10"`, `"source": ""`), "repositories[0].pushes[0].platforms[0].source: it is empty, so it cannot be checked whether it has moved"},
	"no platforms":          {func(s string) string { return emptied(s, "platforms") }, "repositories[0].pushes[0].platforms: none has a source"},
	"source_digest is none": {replaced(`"source_digest": "`+two, `"source_digest": "`), `repositories[0].pushes[0].platforms[0].source_digest: "" is no digest`},
	"digest in upper case":  {replaced(`"digest": "`+one, `"digest": "sha256:`+strings.Repeat("A", 64)), `is no digest`},
	"a purge of a tag": {replaced(`"digest": "`+six+`",
              "old_digest"`, `"digest": "10", "old_digest"`), `platforms[0].digest: "10" is no digest`},
	"stranded is none": {func(s string) string {
		i := strings.Index(s, `"stranded"`)
		return s[:i] + strings.Replace(s[i:], six, "9", 1)
	}, `repositories[0].stranded[0]: "9" is no digest`},
	"old_digest is none": {replaced(`"old_digest": "`+one, `"old_digest": "x`), `repositories[0].pushes[0].platforms[0].old_digest: "x" is no digest`},
	"a copy of a URL":    {replaced(`"from": "r.test/base"`, `"from": "https://r.test/base"`), `repositories[0].pushes[2].copies[0].from: repository "https://r.test/base" is a URL`},
	"a copy of a tag": {func(s string) string {
		i := strings.Index(s, `"from"`)
		return s[:i] + strings.Replace(s[i:], two, "10", 1)
	}, `repositories[0].pushes[2].copies[0].digest: "10" is no digest`},
	"a signature under any tag": {func(s string) string {
		return edited(s, func(d map[string]any) { referrer(d)["tag"] = "10" })
	}, `repositories[0].pushes[2].referrers[1].tag: "10" is no tag of cosign for the subject`},
	"a signature of other bytes": {func(s string) string {
		return edited(s, func(d map[string]any) { referrer(d)["manifest"] = "{}" })
	}, `repositories[0].pushes[2].referrers[1].manifest: its digest is not "sha256:`},
	"a signature of another type": {func(s string) string {
		return edited(s, func(d map[string]any) { referrer(d)["media_type"] = "text/html" })
	}, `repositories[0].pushes[2].referrers[1].media_type: "text/html" is not that of a signature`},
	"a manifest that a tag needs":  {replaced(`"digest": "`+three, `"digest": "`+four), `repositories[0].delete_manifests[0].digest: tag "8" needs it`},
	"a manifest of a pushed index": {remade(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"` + three + `","size":1}]}`), `repositories[0].delete_manifests[0].digest: tag "10" needs it`},
	"a manifest that is pushed": {func(s string) string {
		return edited(s, func(d map[string]any) { removal(d)["digest"] = push(d)["new"] })
	}, `repositories[0].delete_manifests[0].digest: tag "10" needs it`},
	"a manifest twice": {func(s string) string {
		return edited(s, func(d map[string]any) {
			r := d["repositories"].([]any)[0].(map[string]any)
			r["delete_manifests"] = append(r["delete_manifests"].([]any), removal(d))
		})
	}, `repositories[0].delete_manifests[2].digest: ` + three + " is there twice"},
	"a manifest by tag":              {replaced(`"digest": "`+three, `"digest": "10`), `repositories[0].delete_manifests[0].digest: "10" is no digest`},
	"a manifest for no known reason": {replaced(`"kind": "replaced"`, `"kind": "old"`), `repositories[0].delete_manifests[0].kind: "old" is not known`},
	"bytes below zero":               {replaced(`"bytes": 12`, `"bytes": -12`), `repositories[0].delete_manifests[0].bytes: -12 is negative`},
	"a parent by tag": {func(s string) string {
		return edited(s, func(d map[string]any) { removal(d)["parents"] = []any{"10"} })
	}, `repositories[0].delete_manifests[0].parents[0]: "10" is no digest`},
	"a required manifest by tag":             {otherRequired(0, "digest", "10"), `repositories[0].keeps[0].digest: "10" is no digest`},
	"a required manifest that is deleted":    {otherRequired(1, "digest", three), "repositories[0].keeps[1].digest: " + three + " is there twice, or is deleted"},
	"a required manifest twice":              {otherRequired(1, "digest", one), "repositories[0].keeps[1].digest: " + one + " is there twice, or is deleted"},
	"a required manifest that no tag leaves": {otherRequired(0, "tags", []string{"9", "latest"}), `repositories[0].keeps[0].tags[1]: no action takes tag "latest" away from it`},
	"a required manifest without a tag":      {otherRequired(0, "tags", []string{}), "repositories[0].keeps[0].tags: no tag leaves it"},
	"a required manifest of other bytes":     {otherRequired(1, "manifest", "{}"), "repositories[0].keeps[1].manifest: its digest is sha256:"},
	"a required manifest of another type":    {otherRequired(1, "media_type", "text/html"), `repositories[0].keeps[1].media_type: "text/html" is not that of an image or an index`},
	"a lost manifest whose bytes are not in": {otherRequired(1, "manifest", ""), "repositories[0].keeps[1].manifest: it is empty, so nothing can be put back"},
	"a tag that names a tag":                 {replaced(`"digest": "`+four, `"digest": "9`), `repositories[0].tags[0].digest: "9" is no digest`},
	"a tag with a slash":                     {replaced(`"tag": "8",`, `"tag": "a/b",`), `repositories[0].tags[0].tag: tag "a/b" is not valid`},
}

func replaced(old, by string) func(string) string {
	return func(s string) string { return strings.Replace(s, old, by, 1) }
}

// remade changes the manifest of the first push, and its digest.
func remade(manifest string) func(string) string {
	return func(s string) string {
		return edited(s, func(d map[string]any) {
			push(d)["manifest"], push(d)["new"] = manifest, digest.FromString(manifest).String()
		})
	}
}

func emptied(s, key string) string {
	return edited(s, func(d map[string]any) { push(d)[key] = []any{} })
}

func doubled(s, key string) string {
	return edited(s, func(d map[string]any) { d[key] = append(d[key].([]any), d[key].([]any)...) })
}

func edited(s string, edit func(map[string]any)) string {
	var d map[string]any
	if err := json.Unmarshal([]byte(s), &d); err != nil {
		panic(err)
	}
	edit(d)
	text, _ := json.Marshal(d)
	return string(text)
}

func TestReadRefusesForeignInput(t *testing.T) {
	text := string(JSON(savable()))
	for name, test := range foreign {
		altered := test.alter(text)
		saved, problems := Read([]byte(altered))
		if altered == text || saved != nil || !strings.Contains(fmt.Sprintln(problems), test.want) {
			t.Errorf("%s: %v, want %s", name, problems, test.want)
		}
	}
	// Read reports all problems at once.
	both := foreign["altered bytes"].alter(foreign["old is no digest"].alter(text))
	if _, problems := Read([]byte(both)); len(problems) != 2 {
		t.Errorf("two problems are %v", problems)
	}
	if _, problems := Read(make([]byte, MaxSize+1)); len(problems) != 1 || !strings.Contains(problems[0].Error(), "at most 67108864 are read") {
		t.Errorf("a large file: %v", problems)
	}
}

// A plan that is read has bytes that match their digests, names nothing outside
// its repository, and is unchanged after writing and reading it again.
func FuzzRead(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		saved, problems := Read(data)
		if (saved == nil) == (len(problems) == 0) {
			t.Fatalf("%v and %v", saved, problems)
		}
		if saved == nil {
			return
		}
		again := report.Run{DryRun: true, ConfigSHA256: saved.ConfigSHA256}
		for _, p := range saved.Plans {
			for _, push := range p.Pushes {
				if digest.FromBytes(push.Manifest).String() != push.New || config.CheckTag(push.Tag) != nil {
					t.Fatalf("tag %q would get %s", push.Tag, push.Manifest)
				}
			}
			for _, d := range p.DeleteTags {
				if d.Old == "" || config.CheckTag(d.Tag) != nil {
					t.Fatalf("tag %q would be deleted", d.Tag)
				}
			}
			again.Repositories = append(again.Repositories, report.Repository{Plan: p})
		}
		twice, problems := Read(JSON(again))
		if len(problems) > 0 || !same(saved.Plans, twice.Plans) {
			t.Fatalf("%v: written again it is\n%+v, was\n%+v", problems, twice, saved)
		}
	})
}

// same compares the parts of plans that are written.
func same(a, b []reconcile.Plan) bool {
	write := func(plans []reconcile.Plan) string {
		var r report.Run
		for _, p := range plans {
			r.Repositories = append(r.Repositories, report.Repository{Plan: p})
		}
		return string(JSON(r))
	}
	return write(a) == write(b)
}
