package config

import (
	"maps"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"tagline/config/findings"
)

// Options is what [Load] and [Parse] have to know besides the files.
type Options struct {
	Registry     string      // overrides the file's registry; "" for none
	RegistryFrom string      // where Registry was given, for messages: "--registry"
	Policies     []PolicyKey // what a policies map may hold
	// Keep reports whether the caller needs an image; nil for all. It is called from
	// several goroutines. An image that it does not keep still counts for the others.
	Keep func(Image) bool
	// Once reads a file that can be read only once, up to one byte above [MaxBytes]:
	// [Stdin], or a pipe by its path. It is called from several goroutines; nil reads
	// pipes, and nothing for Stdin.
	Once func(name string) ([]byte, error)
}

// images walks the file from its root, and returns its images.
func (w *walk) images(root *yaml.Node) []known {
	top, ok := w.fields(root, "the file", "registry", "registries", "policies", "locked", "profiles", "use", "images")
	if !ok {
		return nil
	}
	if w.root == nil {
		w.readRoot(top)
	} else {
		w.leaveToRoot(root)
	}
	defaults := w.root.policies
	if !w.leads && top["policies"] != nil {
		defaults = maps.Clone(defaults)
		maps.Copy(defaults, w.settings(top["policies"]))
	}
	w.base = defaults
	if !w.leads {
		w.readProfiles(top["profiles"])
	}
	w.useKnown = true
	if n := top["use"]; n != nil {
		w.use, w.useKnown = w.uses(n, "")
		w.marked(w.use)
	}

	const want = `expected "images:" with at least one repository`
	switch {
	case top["images"] == nil && w.leads && !w.alone:
		return nil
	case top["images"] == nil:
		w.reportFile(findings.MissingImages, "file has no images; %s", want)
		return nil
	case isEmpty(top["images"]):
		w.report(top["images"], findings.MissingImages, "images is empty; %s", want)
		return nil
	}
	var images []known
	for key, value := range w.lastEntries(top["images"], "images", "a map from repository to its aliases") {
		images = append(images, w.know(w.image(key, value)))
	}
	return images
}

func (w *walk) image(key, value *yaml.Node) Image {
	image := Image{Name: key.Value, Repository: w.repository(key), Policies: w.base, Pos: w.pos(key)}
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
	image.Policies = shared.all
	if len(own) > 0 {
		image.Policies = maps.Clone(shared.all)
		maps.Copy(image.Policies, own)
	}
	switch aliases := parts["aliases"]; {
	case aliases == nil && len(shared.aliases) == 0 && known:
		w.withoutAliases(key, image.Policies, shared.policies, own)
	case aliases == nil:
	case isEmpty(aliases) && len(shared.aliases) > 0:
		w.report(aliases, findings.EmptyValue, "aliases of image %s is empty; name a tag, or remove it", quote(key.Value))
	case isEmpty(aliases):
		w.report(aliases, findings.MissingAliases, `image %s has no aliases; expected "aliases:" with at least one tag`, quote(key.Value))
		return image
	default:
		image.Aliases = make([]Alias, 0, len(aliases.Content)/2)
		for key, value := range w.lastEntries(aliases, "aliases", "a map from alias tag to source") {
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
		set := ""
		if w.root.file != "" {
			set = strings.Replace(inTheFile, "the file", w.root.file, 1)
		}
		if w.leads {
			set = inTheFile
		}
		w.report(key, findings.MissingRegistry, "%v", errNoRegistry(key.Value, set))
		if host = unreadHost; IsRegistry(key.Value) {
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
