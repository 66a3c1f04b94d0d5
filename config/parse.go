package config

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	"gopkg.in/yaml.v3"

	"tagline/config/findings"
)

// Options is what [Parse] has to know besides the file.
type Options struct {
	Registry     string      // overrides the file's registry; "" for none
	RegistryFrom string      // where Registry was given, for messages: "--registry"
	Policies     []PolicyKey // what a policies map may hold
}

// Parse reads an images.yaml. file is its name in positions.
//
// The error is a [*multierror.Error] with every problem, each a [*Finding], in
// the order of their positions.
func Parse(file string, data []byte, opts Options) (*Config, error) {
	w := &walk{file: file, policies: opts.Policies, refused: map[*yaml.Node]bool{}, used: map[*profile]bool{}, repeats: repeats{}}
	if opts.Registry != "" {
		w.hostPos = Pos{File: cmp.Or(opts.RegistryFrom, "--registry")}
		w.host = w.registry(opts.Registry, w.hostPos)
	}
	var images []Image
	if root := w.document(data); root != nil {
		images = w.images(root)
	}
	if err := join(append(w.findings, w.repeats.findings()...)); err != nil {
		return nil, err
	}
	w.warnings = append(w.warnings, unused(w.ownProfiles, w.used)...)
	sum := sha256.Sum256(data)
	return &Config{SHA256: hex.EncodeToString(sum[:]), Registry: w.host, HostPos: w.hostPos, Images: images, Registries: w.said, Warnings: w.warnings}, nil
}

// unreadHost stands in for a registry host that is missing or refused, so that
// what depends on it is not reported as well. No registry has it: RFC 2606.
const unreadHost = "registry.invalid"

func (w *walk) registry(text string, pos Pos) string {
	host, err := ParseHost(text)
	if err != nil {
		w.reportAt(pos, findings.InvalidRegistry, "%v", err)
		return unreadHost
	}
	return host
}

// images walks the file from its root.
func (w *walk) images(root *yaml.Node) []Image {
	top, ok := w.fields(root, "the file", "registry", "registries", "policies", "profiles", "use", "images")
	if !ok {
		return nil
	}
	if n := top["registry"]; n != nil {
		host := unreadHost
		if text, ok := w.scalar(n, "registry", "a host, such as ghcr.io or localhost:5000"); ok {
			host = w.registry(text, w.pos(n))
		}
		if w.host == "" {
			w.host, w.hostPos = host, w.pos(n)
		}
	}
	w.said = w.registries(top["registries"])
	defaults := w.defaults()
	maps.Copy(defaults, w.settings(top["policies"]))
	w.readProfiles(top["profiles"])
	w.useKnown = true
	if n := top["use"]; n != nil {
		w.use, w.useKnown = w.uses(n, "")
		w.marked(w.use)
	}

	const want = `expected "images:" with at least one repository`
	switch {
	case top["images"] == nil:
		w.reportFile(findings.MissingImages, "file has no images; %s", want)
		return nil
	case isEmpty(top["images"]):
		w.report(top["images"], findings.MissingImages, "images is empty; %s", want)
		return nil
	}
	var images []Image
	first := map[Repository]*yaml.Node{}
	for key, value := range w.entries(top["images"], "images", "a map from repository to its aliases") {
		image := w.image(key, value, defaults)
		if before := first[image.Repository.Place()]; before == nil {
			first[image.Repository.Place()] = key
		} else {
			w.report(key, findings.DuplicateRepository, "repository %s is the same as %s in line %d (%s); put their aliases together", quote(key.Value), quote(before.Value), before.Line, image.Repository)
		}
		images = append(images, image)
	}
	slices.SortFunc(images, func(a, b Image) int { return a.Repository.Compare(b.Repository) })
	w.relate(images)
	return images
}

// relate notes in each image which of its tags and digests are sources of any
// image. It reports sources that another image sets to absent.
func (w *walk) relate(images []Image) {
	pinned, used := map[Repository][]string{}, map[Repository]map[string]string{}
	absent := map[Repository]map[string]string{} // the image by tag
	for _, image := range images {
		at := image.Repository.Place()
		absent[at], used[at] = map[string]string{}, map[string]string{}
		for _, alias := range image.Aliases {
			if alias.Absent {
				absent[at][alias.Tag] = image.Name
			}
		}
	}
	for _, image := range images {
		for _, alias := range image.Aliases {
			for _, s := range alias.Sources {
				at := s.Repository.Place()
				if s.Digest != "" {
					pinned[at] = append(pinned[at], s.Digest)
				}
				if s.Tag == "" || used[at] == nil {
					continue
				}
				if used[at][s.Tag] == "" {
					used[at][s.Tag] = fmt.Sprintf("alias %q of %s", alias.Tag, image.Name)
				}
				if of := absent[at][s.Tag]; of != "" && s.Repository != image.Repository { // see link
					w.reportSource(image, alias, s, findings.AbsentSource, "source %q is an alias of image %q that should be absent; name a tag that stays", s.Text, of)
				}
			}
		}
	}
	for i := range images {
		at := images[i].Repository.Place()
		digests := pinned[at]
		slices.Sort(digests)
		images[i].Pinned, images[i].Used = slices.Compact(digests), used[at]
	}
}

func (w *walk) image(key, value *yaml.Node, defaults Settings) Image {
	image := Image{Name: key.Value, Repository: w.repository(key), Policies: maps.Clone(defaults), Pos: w.pos(key)}
	var parts map[string]*yaml.Node
	if !isEmpty(value) {
		var ok bool
		if parts, ok = w.fields(value, "image "+quote(key.Value), "use", "aliases", "policies"); !ok {
			return image
		}
	}
	uses, known := w.use, w.useKnown
	if n := parts["use"]; n != nil {
		uses, known = w.uses(n, "; [] is for none")
		w.marked(uses)
	}
	shared, own := w.body(uses), w.settings(parts["policies"])
	maps.Copy(image.Policies, shared.policies)
	maps.Copy(image.Policies, own)
	switch aliases := parts["aliases"]; {
	case aliases == nil && len(shared.aliases) == 0 && known:
		w.alone(key, image.Policies, shared.policies, own)
	case aliases == nil:
	case isEmpty(aliases) && len(shared.aliases) > 0:
		w.report(aliases, findings.EmptyValue, "aliases of image %s is empty; name a tag, or remove it", quote(key.Value))
	case isEmpty(aliases):
		w.report(aliases, findings.MissingAliases, `image %s has no aliases; expected "aliases:" with at least one tag`, quote(key.Value))
		return image
	default:
		for key, value := range w.entries(aliases, "aliases", "a map from alias tag to source") {
			alias := w.alias(key, value, image.Repository)
			for i := range alias.Sources {
				w.complete(&alias.Sources[i], alias, image)
			}
			image.Aliases = append(image.Aliases, alias)
		}
	}
	w.inherit(&image, shared)
	w.link(image)
	w.waitFor(image)
	slices.SortFunc(image.Aliases, func(a, b Alias) int { return CompareTags(a.Tag, b.Tag) })
	return image
}

// repository reads the key of an image.
func (w *walk) repository(key *yaml.Node) Repository {
	host := w.host
	if named, _ := splitHost(key.Value); named == "" && host == "" {
		w.report(key, findings.MissingRegistry, "%v", errNoRegistry(key.Value))
		if host = unreadHost; isRegistry(key.Value) {
			return Repository{Host: host, Path: key.Value}
		}
	}
	r, err := ParseRepository(key.Value, host)
	if err != nil {
		w.report(key, findings.InvalidRepository, "%v", err)
		return Repository{Host: unreadHost, Path: key.Value}
	}
	return r
}
