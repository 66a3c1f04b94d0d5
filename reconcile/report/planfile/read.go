package planfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tagline/config"
	"tagline/config/findings"
	"tagline/policies"
	"tagline/reconcile"
	"tagline/reconcile/registry"
)

// MaxSize is the largest size of a saved plan, in bytes. Ten thousand aliases
// with their manifests need a third of it.
const MaxSize = 64 << 20

// Saved is a saved plan.
type Saved struct {
	ConfigSHA256 string
	Plans        []reconcile.Plan
}

var (
	sha256Pattern  = regexp.MustCompile(`^[0-9a-f]{64}$`)
	versionPattern = regexp.MustCompile(`^1\.(0|[1-9][0-9]*)$`) // see report.FormatVersion
)

// Read parses the plan.json of a dry run. It treats the file as untrusted
// input: each manifest must match its digest, and must not be ambiguous. It
// ignores fields of newer minor versions. It returns all problems at once.
func Read(data []byte) (*Saved, []error) {
	file, problems := parseFile(data)
	if len(problems) > 0 {
		return nil, problems
	}
	r := planReader{failures: map[string][]reconcile.Failure{}}
	switch {
	case !file.DryRun:
		r.problem("", "it tells what an apply did; make a plan with apply --dry-run -o json=FILE")
	case !sha256Pattern.MatchString(file.ConfigSHA256):
		r.problem("config_sha256", "%q is no SHA-256", file.ConfigSHA256)
	}
	for i, e := range file.Errors {
		if e.Repository == "" {
			r.problem(fmt.Sprintf("errors[%d]", i), "the run that made it failed: %s", e.Message)
		}
		r.failures[e.Repository] = append(r.failures[e.Repository], reconcile.Failure{Alias: e.Alias, Message: e.Message, Cause: e.Cause})
	}
	saved := &Saved{ConfigSHA256: file.ConfigSHA256}
	for i, repository := range file.Repositories {
		saved.Plans = append(saved.Plans, r.repository(fmt.Sprintf("repositories[%d]", i), repository))
	}
	r.eachOnce(saved.Plans)
	if len(r.found) > 0 {
		return nil, r.sorted()
	}
	return saved, nil
}

// parseFile parses plan.json, and checks its version.
func parseFile(data []byte) (file planFile, problems []error) {
	var version struct {
		Text string `json:"format_version"`
	}
	if len(data) > MaxSize {
		return file, []error{fmt.Errorf("it has %d bytes; at most %d are read", len(data), MaxSize)}
	}
	if err := registry.CheckKeys(data); err != nil {
		return file, []error{fmt.Errorf("it is not the JSON of a plan: %w", err)}
	}
	// The version comes first: another version may have another structure.
	if err := json.Unmarshal(data, &version); err != nil {
		return file, []error{fmt.Errorf("it is not the JSON of a plan: %w", err)}
	}
	if !versionPattern.MatchString(version.Text) {
		return file, []error{fmt.Errorf("its format_version is %q, and this version reads 1.x; make the plan with the tagline that applies it", version.Text)}
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return file, []error{fmt.Errorf("it is not the JSON of a plan: %w", err)}
	}
	return file, nil
}

// planReader turns the document into plans, and collects its problems.
type planReader struct {
	found    []error
	failures map[string][]reconcile.Failure // by repository
}

func (r *planReader) problem(at, format string, args ...any) {
	if at != "" {
		at += ": "
	}
	r.found = append(r.found, errors.New(at+fmt.Sprintf(format, args...)))
}

// eachOnce refuses a repository that is there twice, and failures of one that is not
// there.
func (r *planReader) eachOnce(plans []reconcile.Plan) {
	known := map[string]bool{"": true}
	for i, p := range plans {
		if known[p.Repository.String()] {
			r.problem(fmt.Sprintf("repositories[%d]", i), "%s is there twice", p.Repository)
		}
		known[p.Repository.String()] = true
	}
	for repository := range r.failures {
		if !known[repository] {
			r.problem("errors", "%q is not among the repositories", repository)
		}
	}
}

// sorted returns the problems.
func (r *planReader) sorted() []error {
	slices.SortStableFunc(r.found, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return r.found
}

func (r *planReader) repository(at string, from planRepository) reconcile.Plan {
	p := reconcile.Plan{
		Image: from.Image, Repository: r.name(at+".repository", from.Repository), InSync: from.InSync, LeftAlone: from.LeftAlone, Stranded: from.Stranded,
		Violations: r.findings(from.Violations, false), Warnings: r.findings(from.Warnings, true), Errors: r.failures[from.Repository],
	}
	seen := map[string]bool{}
	once := func(at, tag string) {
		if err := config.CheckTag(tag); err != nil {
			r.problem(at, "%v", err)
		}
		if seen[tag] {
			r.problem(at, "tag %q has more than one action", tag)
		}
		seen[tag] = true
	}
	for i, push := range from.Pushes {
		at := fmt.Sprintf("%s.pushes[%d]", at, i)
		once(at+".tag", push.Tag)
		p.Pushes = append(p.Pushes, r.push(at, push))
		if len(push.Candidates) > 0 {
			choice := reconcile.Choice{Alias: push.Tag}
			for _, c := range push.Candidates {
				choice.Candidates = append(choice.Candidates, reconcile.Candidate(c))
			}
			p.Choices = append(p.Choices, choice)
		}
	}
	for i, d := range from.DeleteTags {
		at := fmt.Sprintf("%s.delete_tags[%d]", at, i)
		once(at+".tag", d.Tag)
		p.DeleteTags = append(p.DeleteTags, reconcile.DeleteTag{Tag: d.Tag, Old: r.old(at+".old", d.Old), Reason: d.Reason, Emptied: d.Emptied, Last: d.Last})
		if d.Old == nil {
			r.problem(at+".old", "a tag that does not exist can't be deleted")
		}
	}
	for i, digest := range from.Stranded {
		r.digest(fmt.Sprintf("%s.stranded[%d]", at, i), digest)
	}
	r.deletions(at, from, &p)
	r.required(at, from, &p)
	return p
}

// deletions reads the manifests to delete. A tag must not need any of them.
func (r *planReader) deletions(at string, from planRepository, p *reconcile.Plan) {
	if from.Swept != nil {
		p.Swept = reconcile.Swept(*from.Swept)
	}
	needed := r.needed(at, from, p)
	seen := map[string]bool{}
	for i, d := range from.DeleteManifests {
		at := fmt.Sprintf("%s.delete_manifests[%d]", at, i)
		r.digest(at+".digest", d.Digest)
		for k, parent := range d.Parents {
			r.digest(fmt.Sprintf("%s.parents[%d]", at, k), parent)
		}
		switch tag, is := needed[d.Digest]; {
		case is:
			r.problem(at+".digest", "tag %q needs it", tag)
		case seen[d.Digest]:
			r.problem(at+".digest", "%s is there twice", d.Digest)
		case d.Bytes < 0:
			r.problem(at+".bytes", "%d is negative", d.Bytes)
		case !slices.Contains([]string{reconcile.KindAttestation, reconcile.KindReplaced, reconcile.KindReferrer, reconcile.KindUntagged}, d.Kind):
			r.problem(at+".kind", "%q is not known", d.Kind)
		}
		seen[d.Digest] = true
		p.DeleteManifests = append(p.DeleteManifests, reconcile.DeleteManifest{Digest: d.Digest, Kind: d.Kind, Reason: d.Reason, Bytes: d.Bytes, Parents: d.Parents, Tags: d.Tags})
	}
}

// needed reads the tags that stay. It returns the digests that they need, and those that
// pushes need, each with a tag.
func (r *planReader) needed(at string, from planRepository, p *reconcile.Plan) map[string]string {
	goes := map[planTag]bool{} // tags of what refers to a manifest, which go with it
	for _, d := range from.DeleteManifests {
		for _, tag := range d.Tags {
			goes[planTag{tag, d.Digest}] = d.Kind == reconcile.KindReferrer && registry.FallbackSubject(tag) != ""
		}
	}
	needed := map[string]string{}
	for i, t := range from.Tags {
		at := fmt.Sprintf("%s.tags[%d]", at, i)
		if err := config.CheckTag(t.Tag); err != nil {
			r.problem(at+".tag", "%v", err)
		}
		r.digest(at+".digest", t.Digest)
		if !goes[t] {
			needed[t.Digest] = t.Tag
		}
		p.Tags = append(p.Tags, reconcile.TagDigest(t))
	}
	for _, push := range p.Pushes {
		needed[push.New] = push.Tag
		if m, err := parse(push); err == nil {
			for _, d := range m.Children {
				needed[d.Digest.String()] = push.Tag
			}
		}
	}
	return needed
}

// required reads the manifests that must be there. Each must be left by a tag
// of the plan or be missing.
func (r *planReader) required(at string, from planRepository, p *reconcile.Plan) {
	left := map[string]string{} // tag -> the digest that it leaves
	for _, push := range p.Pushes {
		left[push.Tag] = push.Old
	}
	for _, d := range p.DeleteTags {
		left[d.Tag] = d.Old
	}
	seen := map[string]bool{}
	for _, d := range p.DeleteManifests {
		seen[d.Digest] = true
	}
	for i, k := range from.Required {
		at := fmt.Sprintf("%s.keeps[%d]", at, i)
		r.digest(at+".digest", k.Digest)
		if seen[k.Digest] {
			r.problem(at+".digest", "%s is there twice, or is deleted", k.Digest)
		}
		seen[k.Digest] = true
		for n, tag := range k.Tags {
			if left[tag] != k.Digest {
				r.problem(fmt.Sprintf("%s.tags[%d]", at, n), "no action takes tag %q away from it", tag)
			}
		}
		if len(k.Tags) == 0 && !k.Lost {
			r.problem(at+".tags", "no tag leaves it")
		}
		if k.Manifest != "" {
			r.manifest(at, reconcile.Push{New: k.Digest, MediaType: k.MediaType, Manifest: []byte(k.Manifest)})
		} else if k.Lost {
			r.problem(at+".manifest", "it is empty, so nothing can be put back")
		}
		required := reconcile.Required{Digest: k.Digest, MediaType: k.MediaType, Tags: k.Tags, Needed: k.Needed, Lost: k.Lost}
		if k.Manifest != "" {
			required.Manifest = []byte(k.Manifest)
		}
		p.Required = append(p.Required, required)
	}
}

func (r *planReader) push(at string, from planPush) reconcile.Push {
	p := reconcile.Push{
		Tag: from.Tag, Old: r.old(at+".old", from.Old), OldType: from.OldType, New: from.New, MediaType: from.MediaType,
		Manifest: []byte(from.Manifest), Follows: from.Follows, Purged: from.Purged,
	}
	r.manifest(at, p)
	sources := 0
	for i, c := range from.Platforms {
		at := fmt.Sprintf("%s.platforms[%d]", at, i)
		switch {
		case c.Digest == "" && c.Source == "" && c.SourceDigest == "": // dropped
		case c.Source == "" && from.Purged > 0: // a purge: the source is the tag itself
			r.digest(at+".digest", c.Digest)
		case c.Source == "":
			r.problem(at+".source", "it is empty, so it cannot be checked whether it has moved")
		default:
			sources++
			r.digest(at+".source_digest", c.SourceDigest)
			r.digest(at+".digest", c.Digest)
		}
		if c.OldDigest != "" {
			r.digest(at+".old_digest", c.OldDigest)
		}
		p.Platforms = append(p.Platforms, reconcile.PlatformChange(c))
	}
	if sources == 0 && from.Purged == 0 {
		r.problem(at+".platforms", "none has a source, so it cannot be checked whether it has moved")
	}
	for i, c := range from.Copies {
		at := fmt.Sprintf("%s.copies[%d]", at, i)
		r.digest(at+".digest", c.Digest)
		p.Copies = append(p.Copies, reconcile.Copy{From: r.name(at+".from", c.From), Digest: c.Digest})
	}
	for i, f := range from.Referrers {
		p.Referrers = append(p.Referrers, r.referrer(fmt.Sprintf("%s.referrers[%d]", at, i), f))
	}
	return p
}

// referrer reads what refers to a copy. Its tag can only be one of cosign's for the
// subject, and names the manifest that it says.
func (r *planReader) referrer(at string, from planReferrer) reconcile.Referrer {
	r.digest(at+".with", from.With)
	r.digest(at+".subject", from.Subject)
	r.digest(at+".digest", from.Digest)
	switch {
	case from.Tag == "":
	case !slices.Contains(registry.CosignTags(from.Subject), from.Tag):
		r.problem(at+".tag", "%q is no tag of cosign for the subject", from.Tag)
	case digest.FromString(from.Manifest).String() != from.Digest:
		r.problem(at+".manifest", "its digest is not %q; the plan was altered", from.Digest)
	case from.MediaType != ocispec.MediaTypeImageManifest && from.MediaType != policies.DockerManifest:
		r.problem(at+".media_type", "%q is not that of a signature", from.MediaType)
	}
	f := reconcile.Referrer{
		From: r.name(at+".from", from.From), With: from.With, Subject: from.Subject, Digest: from.Digest, Kind: from.Kind, Tag: from.Tag,
	}
	if from.Tag != "" {
		f.MediaType, f.Manifest = from.MediaType, []byte(from.Manifest)
	}
	return f
}

// manifest compares the bytes of a push with its digest, type and platforms.
func (r *planReader) manifest(at string, p reconcile.Push) {
	switch p.MediaType {
	case ocispec.MediaTypeImageIndex, ocispec.MediaTypeImageManifest, policies.DockerManifestList, policies.DockerManifest:
	default:
		r.problem(at+".media_type", "%q is not that of an image or an index", p.MediaType)
		return
	}
	if found := digest.FromBytes(p.Manifest).String(); found != p.New {
		r.problem(at+".manifest", "its digest is %s, and new is %q; the plan was altered", found, p.New)
		return
	}
	if _, err := parse(p); err != nil {
		r.problem(at+".manifest", "%v", err)
	}
}

func parse(p reconcile.Push) (*registry.Manifest, error) {
	return registry.ParseManifest(registry.RawManifest{Digest: p.New, MediaType: p.MediaType, Body: p.Manifest})
}

func (r *planReader) old(at string, d *string) string {
	if d == nil {
		return ""
	}
	r.digest(at, *d)
	return *d
}

func (r *planReader) digest(at, d string) {
	if hex, ok := strings.CutPrefix(d, "sha256:"); !ok || !sha256Pattern.MatchString(hex) {
		r.problem(at, "%q is no digest", d)
	}
}

// name parses a repository, which must have its canonical spelling.
func (r *planReader) name(at, text string) config.Repository {
	repository, err := config.ParseRepository(text, "")
	if err == nil && repository.String() != text {
		err = fmt.Errorf("%q is not spelled %s", text, repository)
	}
	if err != nil {
		r.problem(at, "%v", err)
	}
	return repository
}

func (*planReader) findings(from []planFinding, warning bool) []*config.Finding {
	var all []*config.Finding
	for _, f := range from {
		all = append(all, &config.Finding{
			ID: findings.ID(f.ID), Alias: f.Alias, Pos: config.Pos{File: f.File, Line: f.Line, Column: f.Column}, Warning: warning, Source: f.Source, Message: f.Message,
		})
	}
	return all
}
