package ecr_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	aws "github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"tagline/config"
	"tagline/reconcile/demo"
	"tagline/reconcile/ecr/ecrtest"
)

// A run notices what ECR would refuse before it writes anything.
func TestFacts(t *testing.T) {
	rule := func(selection, action string) string {
		return `{"rules":[{"rulePriority":3,"selection":{"tagStatus":"tagged",` + selection +
			`,"countType":"sinceImagePushed","countUnit":"days","countNumber":90},"action":{` + action + `}}]}`
	}
	const (
		expire  = `"type":"expire"`
		archive = `"type":"transition","targetStorageClass":"archive"`
	)
	expiring := "expiring-alias: lifecycle rule 3 of " + host + `/my-image may delete alias "10"`
	lifecycle := `{"rules":[{"rulePriority":2,"description":"keep ten releases","selection":` +
		`{"tagStatus":"tagged","tagPatternList":["1*"],"countType":"imageCountMoreThan","countNumber":10},"action":{"type":"expire"}},` +
		`{"rulePriority":1,"selection":{"tagStatus":"untagged","countType":"imageCountMoreThan","countNumber":1},"action":{"type":"expire"}}]}`
	for _, test := range []struct {
		name       string
		mutability types.ImageTagMutability
		except     []string
		lifecycle  string
		violation  string // its ID and part of its message
		warning    string
		aliases    string // [ten] if empty
	}{
		{name: "mutable", mutability: types.ImageTagMutabilityMutable},
		{
			name: "immutable", mutability: types.ImageTagMutabilityImmutable,
			violation: `immutable-tag: the tags of ` + host + `/my-image are immutable; an exclusion filter "10" would let this one move`,
		},
		{
			name: "immutable but for others", mutability: types.ImageTagMutabilityImmutableWithExclusion, except: []string{"latest*", "2*"},
			violation: `immutable-tag: the tags of ` + host + `/my-image are immutable, but for those that match "latest*" or "2*"; an exclusion filter "10"`,
		},
		{name: "immutable but for this one", mutability: types.ImageTagMutabilityImmutableWithExclusion, except: []string{"*0"}},
		{
			name: "mutable but for this one", mutability: types.ImageTagMutabilityMutableWithExclusion, except: []string{"1*"},
			violation: `immutable-tag: ` + host + `/my-image keeps the tags immutable that match "1*"`,
		},
		{
			name: "expiring", mutability: types.ImageTagMutabilityMutable, lifecycle: lifecycle,
			warning: "expiring-alias: lifecycle rule 2 (keep ten releases) of " + host + `/my-image may delete alias "10"`,
		},
		{name: "by a prefix", lifecycle: rule(`"tagPrefixList":["1"]`, expire), warning: expiring},
		{name: "by two prefixes", lifecycle: rule(`"tagPrefixList":["1","10"]`, expire), warning: expiring},
		{name: "by one prefix of two", lifecycle: rule(`"tagPrefixList":["1","prod"]`, expire)},
		{name: "by one pattern of two", lifecycle: rule(`"tagPatternList":["*0","prod*"]`, expire)},
		{
			name: "with a tag for each pattern", lifecycle: rule(`"tagPatternList":["1*","pr*"]`, expire), warning: expiring,
			aliases: "10: prod",
		},
		{name: "by its source's tag", lifecycle: rule(`"tagPatternList":["pr*"]`, expire), warning: expiring, aliases: "10: prod"},
		{
			name: "by the tag of a whole version", lifecycle: rule(`"tagPatternList":["10.1*"]`, expire), warning: expiring,
			aliases: `10: {newest: "10.10", whole: true, downgrade: allow}`,
		},
		{
			name: "by the tag of a version, in an index of its own", lifecycle: rule(`"tagPatternList":["10.1*"]`, expire),
			aliases: `10: {newest: "10.10", downgrade: allow}`,
		},
		{
			name: "archived", lifecycle: rule(`"tagPatternList":["1*"]`, archive),
			warning: "expiring-alias: lifecycle rule 3 of " + host + `/my-image may archive alias "10", which can't be pulled then;`,
		},
		{name: "only if archived", lifecycle: rule(`"storageClass":"archive","tagPatternList":["1*"]`, expire)},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := emulate(t, ecrtest.Options{})
			if err := server.CreateRepository("my-image", test.mutability, test.except...); err != nil {
				t.Fatal(err)
			}
			if _, err := server.Seed("my-image", time.Now(), append(demo.Samples(), demo.Image{Tag: "10", Platforms: []string{"linux/amd64"}},
				demo.Image{Tag: "prod", Platforms: []string{"linux/amd64"}, Provenance: true})...); err != nil {
				t.Fatal(err)
			}
			if test.lifecycle != "" {
				_, err := sdk(t).PutLifecyclePolicy(t.Context(), &aws.PutLifecyclePolicyInput{
					RepositoryName: &myImage.Path, LifecyclePolicyText: &test.lifecycle,
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			was := server.Tags("my-image")["10"]
			if test.aliases == "" {
				test.aliases = ten
			}
			p, err := apply(t, mine(t, test.aliases))
			if err != nil || len(p.Errors) > 0 {
				t.Fatalf("%v, %+v", err, p)
			}
			check := func(kind string, found []*config.Finding, want string) {
				switch {
				case want == "" && len(found) == 0:
				case want == "" || len(found) != 1 || !strings.HasPrefix(string(found[0].ID)+": "+found[0].Message, want):
					t.Errorf("%ss are %v, want %s", kind, found, want)
				}
			}
			check("violation", p.Violations, test.violation)
			check("warning", p.Warnings, test.warning)
			if moved := server.Tags("my-image")["10"] != was; moved != (test.violation == "") {
				t.Errorf("moved: %v", moved)
			}
		})
	}
}

// Rules are reported in the order of their priority, which is a number.
func TestOrderOfRules(t *testing.T) {
	server := seeded(t, ecrtest.Options{})
	var rules []string
	for _, priority := range []int{10, 9, 100} {
		rules = append(rules, fmt.Sprintf(`{"rulePriority":%d,"selection":{"tagStatus":"any","countType":"imageCountMoreThan","countNumber":10},"action":{"type":"expire"}}`, priority))
	}
	policy := `{"rules":[` + strings.Join(rules, ",") + `]}`
	if _, err := sdk(t).PutLifecyclePolicy(t.Context(), &aws.PutLifecyclePolicyInput{RepositoryName: &myImage.Path, LifecyclePolicyText: &policy}); err != nil {
		t.Fatal(err, server.Host)
	}
	facts, err := open(t).Reader(myImage).Facts(t.Context())
	var got []string
	for _, e := range facts.Expiries {
		got = append(got, strings.TrimPrefix(e.Rule, "lifecycle rule "))
	}
	if err != nil || !slices.Equal(got, []string{"9", "10", "100"}) {
		t.Errorf("rules %q, %v", got, err)
	}
}

// One call returns the facts of all repositories of a run. If one repository
// makes it fail, each is asked for alone.
func TestFactsTogether(t *testing.T) {
	server := emulate(t, ecrtest.Options{})
	var repositories []config.Repository
	for i := range 150 {
		r := config.Repository{Host: host, Path: fmt.Sprintf("r%03d", i)}
		if err := server.CreateRepository(r.Path, types.ImageTagMutabilityMutable); err != nil {
			t.Fatal(err)
		}
		repositories = append(repositories, r)
	}
	ask := func(repositories []config.Repository) (missing, calls int) {
		server.ResetCalls()
		c := open(t, repositories...)
		for _, r := range repositories {
			facts, err := c.Reader(r).Facts(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if facts.Missing {
				missing++
			}
		}
		return missing, server.Calls()["DescribeRepositories"]
	}
	if missing, calls := ask(repositories); missing != 0 || calls != 2 {
		t.Errorf("%d missing, %d calls; want none, 2", missing, calls)
	}
	repositories[120].Path = "typo"
	if missing, calls := ask(repositories); missing != 1 || calls != 2+50 {
		t.Errorf("%d missing, %d calls; want 1, and 50 more", missing, calls)
	}
}

// A push never creates a repository, even if ECR would.
func TestMissingRepository(t *testing.T) {
	server := seeded(t, ecrtest.Options{CreateOnPush: true})
	image := images(t, "images:\n  typo:\n    aliases: {10: 'my-image:10.10'}\n")[0]
	p, err := apply(t, image)
	if err != nil || len(p.Pushes) > 0 || len(p.Violations) != 1 || p.Violations[0].ID != "missing-repository" {
		t.Errorf("%v, plan %+v", err, p)
	}
	if server.Calls()["PutImage"] > 0 || len(server.Tags("typo")) > 0 {
		t.Error("there is a repository typo now")
	}
}
