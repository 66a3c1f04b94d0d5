package reconcile

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"tagline/config"
	"tagline/policies"
)

// maxSkew is how far our clock and the registry's may be apart. The age of a
// manifest is judged by the registry's alone; clocks that differ by more mean
// that one of them is wrong.
const maxSkew = 5 * time.Minute

// sweep looks at a repository as a whole: which tags prune deletes and purge
// rewrites, and which manifests nothing needs once that is done.
type sweep struct {
	p     *planner
	stock *stock // nil where only tags are listed, and what they lead to is all that is known

	before    map[string]string // digest by tag, now
	manifests map[string]*Manifest
	after     holding
	reached   map[string]bool   // what tags other than fallback tags lead to now
	replaced  map[string]bool   // indexes that a purge replaces
	attests   map[string]string // by digest of an attestation: the platform of its image, where an index tells
	blind     string            // what is archived and may refer to anything
	pushed    map[string]time.Time
	untagged  bool // untagged: delete

	pushes   []Push
	deletes  []DeleteTag
	found    []*config.Finding
	warnings []*config.Finding
}

// sweep adds to a plan what concerns the repository as a whole. What it can't
// find out is an error of the plan, and then none of it is done; nor is it if
// the plan has errors already.
func (p *planner) sweep(plan *Plan) {
	setting := func(policy policies.Policy) string { return p.image.Policies[policy.Name].Value }
	prune, untagged := setting(policies.Prune) == "true", setting(policies.Untagged) == "delete"
	if !prune && !untagged && !p.purging() {
		return
	}
	s := &sweep{
		p: p, untagged: untagged, before: map[string]string{}, manifests: map[string]*Manifest{},
		after:   holding{tags: map[string]string{}, pinned: p.image.Pinned, manifests: map[string]held{}, purge: p.purging()},
		reached: map[string]bool{}, replaced: map[string]bool{}, attests: map[string]string{},
	}
	if err := s.look(); err != nil {
		plan.fail(err)
		return
	}
	swept := Swept{Tags: len(s.before), Manifests: len(s.after.manifests), Unlisted: untagged && s.stock == nil}
	err := s.retag(plan, prune)
	if p.purging() {
		err = errors.Join(err, s.purge())
	}
	if err != nil {
		plan.fail(err)
		return
	}
	s.judge()
	if p.purging() {
		err = s.fallbacks()
	}
	if err != nil {
		plan.fail(err)
		return
	}
	due, err := s.due()
	if err != nil {
		plan.fail(err)
		return
	}
	if len(plan.Errors) > 0 {
		return
	}
	swept.Held = s.heldAttestations()
	plan.Swept = swept
	plan.Pushes = append(plan.Pushes, s.pushes...)
	plan.DeleteTags = append(plan.DeleteTags, s.deletes...)
	plan.Violations = append(plan.Violations, s.found...)
	plan.Warnings = append(plan.Warnings, s.warnings...)
	plan.DeleteManifests = due
	if len(due) > 0 {
		for _, tag := range slices.Sorted(maps.Keys(s.after.tags)) {
			plan.Tags = append(plan.Tags, TagDigest{tag, s.after.tags[tag]})
		}
	}
}

// fail notes what could not be found out about the repository as a whole.
func (p *Plan) fail(err error) {
	p.Errors = append(p.Errors, Failure{Message: "nothing is purged or deleted: " + few(strings.Split(err.Error(), "\n"))})
}

// look reads the repository as it is now.
func (s *sweep) look() (err error) {
	p := s.p
	if s.stock, err = p.stock(); err != nil {
		return err
	}
	names, err := p.names()
	if err != nil {
		return err
	}
	errs := []error{s.compare(names)}
	if s.stock == nil {
		for _, tag := range names {
			m, err := s.tagged(tag)
			if err != nil {
				errs = append(errs, fmt.Errorf("tag %q: %w", tag, err))
				continue
			}
			s.before[tag] = m.Digest
			errs = append(errs, s.add(m), s.addIfThere(fallbackSubject(tag)))
		}
		for _, digest := range p.image.Pinned {
			errs = append(errs, s.addIfThere(digest))
		}
	} else {
		for _, stored := range s.stock.Manifests {
			errs = append(errs, s.addStored(stored))
		}
	}
	for tag, digest := range s.before {
		if fallbackSubject(tag) == "" {
			s.reach(digest)
		}
	}
	return errors.Join(errs...)
}

// compare holds the list of tags against what is known of single ones, since a
// list that is not complete would have needed manifests deleted.
func (s *sweep) compare(names []string) error {
	var errs []error
	listed := map[string]bool{}
	for _, tag := range names {
		listed[tag] = true
	}
	for _, alias := range s.p.image.Aliases {
		_, err := s.p.tag(s.p.image.Repository, alias.Tag)
		switch gone := errors.Is(err, ErrNotFound); {
		case err != nil && !gone:
			errs = append(errs, err)
		case gone && listed[alias.Tag]:
			errs = append(errs, fmt.Errorf("the list of tags has %q, but there is no such tag; somebody else may be at work, run again", alias.Tag))
		case !gone && !listed[alias.Tag]:
			errs = append(errs, fmt.Errorf("the list of tags lacks %q, which exists; somebody else may be at work, run again", alias.Tag))
		}
	}
	return errors.Join(errs...)
}

// tagged is what a tag names, by the same answer that aliases are made of.
func (s *sweep) tagged(tag string) (*Manifest, error) {
	if _, alias := s.p.aliases[tag]; !alias {
		return s.p.manifest(s.p.image.Repository, tag)
	}
	at, err := s.p.tag(s.p.image.Repository, tag)
	if err != nil {
		return nil, err
	}
	return s.p.manifest(s.p.image.Repository, at.Digest)
}

// add takes in a manifest and, where that is the only way to know of it, what
// it lists.
func (s *sweep) add(m *Manifest) error {
	if s.manifests[m.Digest] != nil {
		return nil
	}
	s.manifests[m.Digest] = m
	of, seen := s.after.manifests[m.Digest], holdingOf(m)
	of.children, of.subject, of.unknown = seen.children, cmp.Or(seen.subject, of.subject), seen.unknown
	of.attestation = of.attestation || seen.attestation
	s.after.manifests[m.Digest] = of
	var errs []error
	for _, d := range m.Children {
		digest := d.Digest.String()
		kind, below, err := s.p.child(d)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		child, known := s.after.manifests[digest]
		child.attestation = child.attestation || kind == attestation
		child.unknown = child.unknown || !known && !knownType(d.MediaType)
		if s.stock == nil || known {
			s.after.manifests[digest] = child
		}
		if kind == attestation {
			s.attests[digest] = platformOfAttestation(m, d)
		}
		if below != nil && s.stock == nil {
			errs = append(errs, s.add(below))
		}
	}
	if m.Subject != nil && s.stock == nil {
		errs = append(errs, s.addIfThere(m.Subject.Digest.String()))
	}
	return errors.Join(errs...)
}

// addIfThere takes in what is needed by its digest alone, which may not exist.
func (s *sweep) addIfThere(digest string) error {
	if digest == "" || s.manifests[digest] != nil {
		return nil
	}
	m, err := s.p.manifest(s.p.image.Repository, digest)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.add(m)
}

// platformOfAttestation is that of the image that an attestation stands beside.
func platformOfAttestation(index *Manifest, of ocispec.Descriptor) string {
	for _, d := range index.Children {
		if d.Digest.String() == of.Annotations[annotationReferenceDigest] {
			return platformOf(d.Platform).Normal().String()
		}
	}
	return ""
}

// addStored takes in a line of an inventory.
func (s *sweep) addStored(stored StoredManifest) error {
	p := s.p
	var errs []error
	for _, tag := range stored.Tags {
		s.before[tag] = stored.Digest
		at := place{p.image.Repository, tag}
		resolved, fetched := p.state.tags[at], p.state.manifests[at]
		if digest := resolved.Value.Digest; digest != "" && digest != stored.Digest {
			errs = append(errs, fmt.Errorf("tag %q is %s by the list and %s by itself; somebody else may be at work, run again", tag, stored.Digest, digest))
		}
		if m := fetched.Value; m != nil && m.Digest != stored.Digest {
			errs = append(errs, fmt.Errorf("tag %q is %s by the list and %s by itself; somebody else may be at work, run again", tag, stored.Digest, m.Digest))
		}
	}
	m, err := p.stored(stored)
	switch {
	case err != nil:
		errs = append(errs, err)
	case m != nil:
		errs = append(errs, s.add(m))
	default:
		s.after.manifests[stored.Digest] = held{unknown: true}
		if stored.Archived && (stored.ArtifactType != ocispec.MediaTypeImageConfig && stored.ArtifactType != dockerConfig) {
			s.blind = stored.Digest
		}
	}
	return errors.Join(errs...)
}

// reach marks a manifest and all that it lists.
func (s *sweep) reach(digest string) {
	if s.reached[digest] {
		return
	}
	s.reached[digest] = true
	for _, child := range s.after.manifests[digest].children {
		s.reach(child)
	}
}

// retag works out what the tags will be once the run is done, but for what a
// purge does to those that are no aliases.
func (s *sweep) retag(plan *Plan, prune bool) error {
	maps.Copy(s.after.tags, s.before)
	var errs []error
	for _, push := range plan.Pushes {
		errs = append(errs, s.push(push))
	}
	for _, d := range plan.DeleteTags {
		delete(s.after.tags, d.Tag)
	}
	for _, tag := range slices.Sorted(maps.Keys(s.before)) {
		_, alias := s.p.aliases[tag]
		m := s.manifests[s.before[tag]]
		if !prune || alias || m == nil || !m.Index || m.Annotations[AnnotationAlias] != tag {
			continue
		}
		if s.p.image.Used[tag] != "" { // it is no alias any more, but a source
			continue
		}
		last, err := s.lastTag()
		errs = append(errs, err)
		if last && slices.Contains(s.p.image.Pinned, s.before[tag]) {
			continue
		}
		s.deletes = append(s.deletes, DeleteTag{Tag: tag, Old: s.before[tag], Reason: "no longer in images.yaml"})
		delete(s.after.tags, tag)
	}
	return errors.Join(errs...)
}

// push has a tag name what is about to be pushed.
func (s *sweep) push(push Push) error {
	m, err := ParseManifest(RawManifest{Digest: push.New, MediaType: push.MediaType, Body: push.Manifest})
	if err != nil {
		return err
	}
	s.after.tags[push.Tag] = push.New
	if _, known := s.after.manifests[push.New]; !known {
		s.after.manifests[push.New] = holdingOf(m)
	}
	return nil
}

// lastTag tells whether the registry deletes a manifest with its last tag. It is
// asked only for tags that are to go.
func (s *sweep) lastTag() (bool, error) {
	facts, err := ask(s.p.state.facts, s.p.open.facts, s.p.image.Repository)
	return facts.LastTag, err
}

// fixed tells whether the registry would refuse to move a tag. It is asked only
// for tags that are to change.
func (s *sweep) fixed(tag string) (bool, error) {
	facts, err := ask(s.p.state.facts, s.p.open.facts, s.p.image.Repository)
	return err == nil && facts.Tags.Fixed(tag), err
}

// refuse notes what stands in the way of a policy.
func (s *sweep) refuse(id string, policy policies.Policy, format string, args ...any) {
	s.found = append(s.found, &config.Finding{ID: id, Pos: s.p.image.Policies[policy.Name].Pos, Message: fmt.Sprintf(format, args...)})
}

// purge rewrites every tag that is no alias without its attestations. Aliases
// are composed without; what they were is replaced all the same.
func (s *sweep) purge() error {
	var (
		errs  []error
		fixed []string
	)
	for _, tag := range slices.Sorted(maps.Keys(s.before)) {
		m := s.manifests[s.before[tag]]
		if m == nil || s.after.tags[tag] == "" {
			continue
		}
		if _, alias := s.p.aliases[tag]; alias {
			errs = append(errs, s.replace(tag, m))
			continue
		}
		change, err := s.p.purge(tag, m)
		if err != nil || change == nil {
			errs = append(errs, err)
			continue
		}
		if len(change.signed) > 0 {
			s.warnings = append(s.warnings, s.p.warnSigned(tag, change))
		}
		if !s.p.mayPurge(change) {
			continue
		}
		stays, err := s.fixed(tag)
		if stays {
			fixed = append(fixed, tag)
			continue
		}
		errs = append(errs, err, s.rewrite(tag, m, change.content, len(change.attestations)))
		for _, digest := range change.replaced {
			s.replaced[digest] = true
		}
	}
	if len(fixed) > 0 {
		s.refuse("immutable-tag", policies.Provenance, "purge can't rewrite tags of %s that are immutable: %s; exclude them from immutability, or set provenance: drop", s.p.image.Repository, few(fixed))
	}
	return errors.Join(errs...)
}

// replace notes the indexes that an alias leaves behind with attestations in
// them.
func (s *sweep) replace(tag string, m *Manifest) error {
	if !m.Index || s.after.tags[tag] == m.Digest {
		return nil
	}
	var change purged
	_, err := s.p.strip(m, &change, 0)
	for _, digest := range change.replaced {
		s.replaced[digest] = true
	}
	return err
}

// rewrite pushes an index under its tag without some attestations.
func (s *sweep) rewrite(tag string, from, to *Manifest, attestations int) error {
	push := Push{
		Tag: tag, Old: from.Digest, New: to.Digest, MediaType: to.MediaType, Manifest: to.Body, Purged: attestations,
	}
	leaves, err := s.p.leaves(s.p.image.Repository, from, descriptorOf(from), 0)
	if errors.Is(err, errUnknown) {
		return err
	}
	for _, l := range distinct(leaves) {
		if l.Kind == policies.Image {
			push.Platforms = append(push.Platforms, PlatformChange{Platform: l.Platform.Normal().String(), Digest: l.Digest, OldDigest: l.Digest})
		}
	}
	s.pushes = append(s.pushes, push)
	return s.push(push)
}

// judge decides which manifests stay for reasons of policy.
func (s *sweep) judge() {
	was := map[string]bool{}
	for _, digest := range s.before {
		was[digest] = true
	}
	for digest, m := range s.after.manifests {
		m.untagged, m.young = false, false
		switch {
		case s.purges(digest) && (s.replaced[digest] || s.reached[digest] || s.old(digest)):
		case !s.untagged:
			m.untagged = true
		case s.stock == nil: // nobody tells its age, so it goes only if this run took its tag away
			m.untagged = !s.reached[digest]
		default:
			m.young = !was[digest] && !s.old(digest)
		}
		s.after.manifests[digest] = m
	}
}

// purges tells what a purge deletes by what it is: attestations, and indexes
// that it has replaced for the sake of theirs.
func (s *sweep) purges(digest string) bool {
	return s.p.purging() && (s.replaced[digest] || s.after.manifests[digest].attestation)
}

// old tells whether a manifest is older than grace, by the registry's clock. Of
// an attestation it is believed where nobody tells: a fallback tag led to it,
// and its image is there to stay.
func (s *sweep) old(digest string) bool {
	if s.stock == nil {
		return true
	}
	if s.pushed == nil {
		s.pushed = map[string]time.Time{}
		for _, stored := range s.stock.Manifests {
			s.pushed[stored.Digest] = stored.Pushed
		}
	}
	grace, _ := time.ParseDuration(s.p.image.Policies[policies.Grace.Name].Value) // config has checked it
	pushed, listed := s.pushed[digest]
	return listed && !pushed.IsZero() && s.stock.Now.Sub(pushed) >= grace
}

// fallbacks takes out of each fallback tag the attestations that no index holds
// any more, if a tag leads to their image, and deletes the tag if nothing is
// left in it. Where none does, somebody may just be pushing the image.
func (s *sweep) fallbacks() error {
	without := s.after
	without.tags, without.manifests = maps.Clone(s.after.tags), maps.Clone(s.after.manifests)
	for tag, digest := range s.after.tags {
		m := s.manifests[digest]
		if fallbackSubject(tag) != "" && m != nil && slices.ContainsFunc(m.Children, marksAttestation) {
			delete(without.tags, tag)
			without.manifests[digest] = held{children: s.after.manifests[digest].children}
		}
	}
	if len(without.tags) == len(s.after.tags) {
		return nil
	}
	needed, led := without.needed(), without.tagged().needed()
	var errs []error
	for _, tag := range slices.Sorted(maps.Keys(s.after.tags)) {
		_, alias := s.p.aliases[tag]
		if _, kept := without.tags[tag]; kept || alias || led[fallbackSubject(tag)] == "" {
			continue
		}
		m := s.manifests[s.after.tags[tag]]
		var raw struct{ Manifests []json.RawMessage }
		if err := json.Unmarshal(m.Body, &raw); err != nil {
			errs = append(errs, err)
			continue
		}
		stay := []json.RawMessage{}
		for i, d := range m.Children {
			if !marksAttestation(d) || needed[d.Digest.String()] != "" {
				stay = append(stay, raw.Manifests[i])
			}
		}
		lost := len(m.Children) - len(stay)
		if lost == 0 {
			continue
		}
		s.replaced[m.Digest] = true
		if len(stay) == 0 {
			s.deletes = append(s.deletes, DeleteTag{Tag: tag, Old: m.Digest, Reason: "lists nothing but attestations that are purged", Emptied: true})
			delete(s.after.tags, tag)
			continue
		}
		to, err := rewritten(m, stay)
		if err == nil {
			err = s.rewrite(tag, m, to, lost)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// due are the manifests that nothing needs, parents before children. Each is
// read, and asked for its referrers, before it is believed.
func (s *sweep) due() ([]DeleteManifest, error) {
	examined := map[string]bool{}
	var errs []error
	for {
		s.judge()
		needed, again := s.after.needed(), false
		for _, digest := range slices.Sorted(maps.Keys(s.after.manifests)) {
			if needed[digest] == "" && !examined[digest] {
				examined[digest], again = true, true
				errs = append(errs, s.examine(digest))
			}
		}
		if !again {
			break
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	needed := s.after.needed()
	var due []DeleteManifest
	for _, digest := range slices.Sorted(maps.Keys(s.after.manifests)) {
		if needed[digest] == "" {
			due = append(due, s.deletion(digest))
		}
	}
	parents := map[string][]string{}
	for _, d := range due {
		for _, child := range s.after.manifests[d.Digest].children {
			parents[child] = append(parents[child], d.Digest)
		}
	}
	for i := range due {
		due[i].Parents = parents[due[i].Digest]
	}
	aged := s.aged(needed)
	switch {
	case len(due) == 0 && aged == 0:
	case s.blind != "" && len(due) > 0:
		s.warnings = append(s.warnings, &config.Finding{ID: "archived-manifest", Warning: true, Pos: s.p.image.Pos, Message: fmt.Sprintf(
			"%s of %s is archived and may refer to anything, so no manifest is deleted (%d would be); restore or delete it", s.blind, s.p.image.Repository, len(due))})
		return nil, nil
	case aged > 0 && s.skew() > maxSkew:
		s.refuse("clock-skew", policies.Untagged, "the clock of %s and this one differ by %s, more than %s, so nobody knows how old %d untagged manifests are, and none is deleted; set the clock",
			s.p.image.Repository.Host, s.skew().Round(time.Second), maxSkew, aged)
		return nil, nil
	}
	return ordered(due), nil
}

// aged counts the manifests whose age decides whether they are deleted.
func (s *sweep) aged(needed map[string]string) int {
	if s.stock == nil {
		return 0
	}
	led, n := s.after.tagged().needed(), 0
	for digest := range s.after.manifests {
		if led[digest] == "" && !s.reached[digest] && (s.untagged || needed[digest] == "") {
			n++
		}
	}
	return n
}

func (s *sweep) skew() time.Duration { return s.stock.seen.Sub(s.stock.Now).Abs() }

// examine reads a manifest that may be deleted, and what refers to it.
func (s *sweep) examine(digest string) error {
	m, err := s.p.manifest(s.p.image.Repository, digest)
	if errors.Is(err, ErrNotFound) {
		delete(s.after.manifests, digest) // gone already
		return nil
	}
	if err != nil {
		return err
	}
	if err := s.add(m); err != nil {
		return err
	}
	if s.reached[digest] {
		for _, child := range m.Children {
			s.reach(child.Digest.String())
		}
	}
	referrers, err := s.p.referrers(digest)
	if err != nil {
		return err
	}
	of := s.after.manifests[digest]
	of.signed = len(referrers) > 0 && !s.untagged && s.purges(digest) && s.p.image.Policies[policies.Signed.Name].Value != "purge"
	s.after.manifests[digest] = of
	for _, r := range referrers {
		of, known := s.after.manifests[r.Digest]
		if !known {
			of.unknown = !knownType(r.MediaType)
		}
		of.subject = cmp.Or(of.subject, digest)
		s.after.manifests[r.Digest] = of
		if s.reached[digest] || s.purges(digest) {
			s.reach(r.Digest)
		}
	}
	return nil
}

// deletion says of a manifest why it can go.
func (s *sweep) deletion(digest string) DeleteManifest {
	m := s.manifests[digest]
	d := DeleteManifest{Digest: digest, Bytes: int64(len(m.Body))}
	if !m.Index {
		d.Bytes += m.Config.Size
		for _, l := range m.Layers {
			d.Bytes += l.Size
		}
	}
	switch {
	case s.p.purging() && s.after.manifests[digest].attestation:
		d.Kind, d.Reason = KindAttestation, attestationReason(m, s.attests[digest])
	case s.purges(digest):
		d.Kind, d.Reason = KindReplaced, "index before the purge"
		if tags := s.tagsOf(digest); len(tags) > 0 {
			d.Reason = few(tags) + " before the purge"
		}
	default:
		d.Kind, d.Reason = KindUntagged, "untagged, nothing needs it"
		if tags := s.tagsOf(digest); len(tags) > 0 {
			d.Reason = "was " + few(tags) + ", nothing needs it"
		}
	}
	return d
}

// tagsOf are the tags that name a manifest now.
func (s *sweep) tagsOf(digest string) []string {
	var tags []string
	for tag, named := range s.before {
		if named == digest {
			tags = append(tags, tag)
		}
	}
	slices.SortFunc(tags, config.CompareTags)
	return tags
}

// ordered puts parents before their children, and else goes by digest.
func ordered(due []DeleteManifest) []DeleteManifest {
	var all []DeleteManifest
	for _, wave := range deletionWaves(due) {
		all = append(all, wave...)
	}
	return all
}

// deletionWaves are manifests that can be deleted together: none of them lists
// another, and what lists them is in an earlier wave.
func deletionWaves(due []DeleteManifest) [][]DeleteManifest {
	var all [][]DeleteManifest
	for rest := due; len(rest) > 0; {
		pending := map[string]bool{}
		for _, d := range rest {
			pending[d.Digest] = true
		}
		var wave, later []DeleteManifest
		for _, d := range rest {
			if slices.ContainsFunc(d.Parents, func(parent string) bool { return pending[parent] }) {
				later = append(later, d)
			} else {
				wave = append(wave, d)
			}
		}
		if len(wave) == 0 { // a cycle, which no digests can make
			return all
		}
		all, rest = append(all, wave), later
	}
	return all
}

// heldAttestations counts what a purge would delete, but for an untagged index
// that lists it.
func (s *sweep) heldAttestations() int {
	if !s.p.purging() {
		return 0
	}
	all, needed, counted := s.after.needed(), s.after.tagged().needed(), map[string]bool{}
	for index, m := range s.after.manifests {
		for _, child := range m.children {
			if all[index] == keptUntagged && s.after.manifests[child].attestation && needed[child] == "" {
				counted[child] = true
			}
		}
	}
	return len(counted)
}
