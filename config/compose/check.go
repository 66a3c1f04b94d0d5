package compose

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"tagline/config"
	"tagline/config/findings"
)

// Result is what Check says of the services of a compose file.
type Result struct {
	Findings []*config.Finding // in the order of their places; some may be warnings
	Managed  int               // services with an image of a repository of images.yaml
}

// Check holds the images of services against images.yaml. It is the desired
// state that counts, not what a registry holds now: the change that adds an
// alias may use it. Images of other repositories are not looked at.
func Check(cfg *config.Config, services []Service) Result {
	c := &check{images: map[config.Repository]config.Image{}}
	for _, image := range cfg.Images {
		c.images[image.Repository] = image
	}
	for _, s := range services {
		c.service(s)
	}
	c.result.Findings = sorted(c.result.Findings)
	return c.result
}

type check struct {
	images map[config.Repository]config.Image
	result Result
}

func (c *check) report(pos config.Pos, alias string, id findings.ID, format string, args ...any) {
	f := errorf(pos, id, format, args...)
	f.Alias = alias
	c.result.Findings = append(c.result.Findings, f)
}

func (c *check) warn(pos config.Pos, alias string, id findings.ID, format string, args ...any) {
	c.report(pos, alias, id, format, args...)
	c.result.Findings[len(c.result.Findings)-1].Warning = true
}

func (c *check) service(s Service) {
	text := s.Image
	if text.Written == "" {
		return // built, or run by a provider
	}
	name, tag, digest := divide(text.marked)
	image, managed := c.find(name)
	unset := strings.Contains(name, "\x00")
	switch {
	case unset && c.mayBe(name):
		c.result.Managed++
		c.warn(text.Pos, "", findings.UnsetVariable, "%s: %s; it can't be told which image this is", quote(text.Written), text.missing())
		return
	case !managed && !unset && text.isReference() != nil:
		c.warn(text.Pos, "", findings.InvalidImage, "%s: %v", text.shown(), text.isReference())
		return
	case !managed:
		return
	}
	c.result.Managed++
	switch {
	case s.Build:
		c.warn(text.Pos, "", findings.BuiltImage, "%s is the name under which the service is built, and an image of images.yaml: it may be either on a machine; choose another name for what is built, or remove the build section", text.shown())
	case len(text.Unset) > 0:
		c.report(text.Pos, "", findings.UnsetVariable, "%s: %s; set it, put it into .env, or write a default, such as ${%s:-%s}",
			quote(text.Written), text.missing(), text.Unset[0], example(image))
	case digest != "":
		c.report(text.Pos, "", findings.DigestPin, "%s is pinned to a digest, which no alias moves; write an alias of %s: %s", text.shown(), image.Name, list(stable(image)))
	case text.isReference() != nil:
		c.report(text.Pos, "", findings.InvalidImage, "%s: %v", text.shown(), text.isReference())
	default:
		c.alias(s, image, cmp.Or(tag, "latest"))
	}
}

// missing says of which variables the text has no value.
func (t Text) missing() string {
	switch {
	case t.Problem != "":
		return t.Problem
	case len(t.Unset) == 1:
		return "variable " + t.Unset[0] + " is not set"
	}
	return "variables " + strings.Join(t.Unset, ", ") + " are not set"
}

// isReference is nil for the name of an image, with a tag, a digest, both or
// neither; what depends on an unset variable is not looked at.
func (t Text) isReference() error {
	name, tag, digest := divide(t.Value)
	_, err := config.ParseRepository(name, dockerHub)
	switch {
	case err != nil || len(t.Unset) > 0:
	case strings.HasSuffix(t.Value, ":"):
		err = errors.New("the tag after the colon is empty")
	case digest != "":
		_, err = config.ParseReference(name+"@"+digest, dockerHub)
	default:
		_, err = config.ParseReference(name+":"+cmp.Or(tag, "latest"), dockerHub)
	}
	if err != nil && t.Hidden {
		err = errors.New("not the name of an image, with the variables as they are set")
	}
	return err
}

// dockerHub is where docker compose looks for an image that names no registry.
const dockerHub = "docker.io"

// divide takes the name, the tag and the digest out of an image. Either may be
// missing.
func divide(text string) (name, tag, digest string) {
	name, digest, _ = strings.Cut(text, "@")
	if colon := strings.LastIndexByte(name, ':'); colon > strings.LastIndexByte(name, '/') {
		name, tag = name[:colon], name[colon+1:]
	}
	return name, tag, digest
}

func (c *check) find(name string) (config.Image, bool) {
	repository, err := config.ParseRepository(name, dockerHub)
	if err != nil {
		return config.Image{}, false
	}
	image, ok := c.images[repository]
	return image, ok
}

// mayBe reports whether a name with unset variables in it could be one of
// images.yaml: whether all that is around them fits.
func (c *check) mayBe(name string) bool {
	var parts []string
	for i, part := range strings.Split(name, "\x00") {
		if i%2 == 0 { // the others are the names of variables
			parts = append(parts, part)
		}
	}
	for repository := range c.images {
		for _, spelling := range []string{repository.String(), repository.Path, strings.TrimPrefix(repository.Path, "library/")} {
			if spelling == repository.Path && repository.Host != dockerHub {
				continue
			}
			if around(spelling, parts) {
				return true
			}
		}
	}
	return false
}

// around reports whether the text begins with the first part, ends with the last,
// and has the others between them in order.
func around(text string, parts []string) bool {
	last := len(parts) - 1
	text, ok := strings.CutPrefix(text, parts[0])
	if !ok {
		return false
	}
	for _, part := range parts[1:last] {
		if _, text, ok = strings.Cut(text, part); !ok {
			return false
		}
	}
	return strings.HasSuffix(text, parts[last])
}

// alias checks a tag of an image that images.yaml manages.
func (c *check) alias(s Service, image config.Image, tag string) {
	text := s.Image
	i := slices.IndexFunc(image.Aliases, func(a config.Alias) bool { return a.Tag == tag })
	switch {
	case i < 0:
		c.report(text.Pos, "", findings.NotAnAlias, "%s: %s", text.shown(), notAnAlias(image, tag, text))
	case image.Aliases[i].Absent:
		c.report(text.Pos, tag, findings.AbsentAlias, "%s: images.yaml takes alias %q away%s", text.shown(), tag, instead(image, tag))
	default:
		c.platforms(s, image, image.Aliases[i])
	}
}

// notAnAlias says what a tag is instead, and which alias is nearest.
func notAnAlias(image config.Image, tag string, text Text) string {
	named := "tag " + quote(tag)
	if text.Hidden {
		named = "the tag"
	}
	if _, written, _ := divide(text.Written); written == "" && tag == "latest" {
		named = `no tag means "latest", which`
	} else if of := sourceOf(image, tag); len(of) > 0 {
		return fmt.Sprintf("%s is a source of alias %s, which moves on when images.yaml does; write %s", named, list(of), list(of))
	} else if in := inRange(image, tag); len(in) > 0 {
		return fmt.Sprintf("%s is a version that alias %s follows, and moves on from; write %s", named, list(in), list(in))
	}
	return fmt.Sprintf("%s is not an alias of %s%s", named, image.Name, instead(image, tag))
}

// sourceOf are the aliases of which the tag is a source.
func sourceOf(image config.Image, tag string) []string {
	var of []string
	for _, a := range image.Aliases {
		if slices.ContainsFunc(a.Sources, func(s config.Source) bool { return s.Tag == tag && s.Repository == image.Repository }) {
			of = append(of, a.Tag)
		}
	}
	return of
}

// inRange are the aliases that follow a range of versions in which the tag is.
func inRange(image config.Image, tag string) []string {
	var in []string
	for _, a := range image.Aliases {
		if slices.ContainsFunc(a.Sources, func(s config.Source) bool { return s.Newest != nil && s.Newest.Takes(tag) }) {
			in = append(in, a.Tag)
		}
	}
	return in
}

// instead proposes the alias that is nearest to the tag, or else names all.
func instead(image config.Image, tag string) string {
	known := stable(image)
	nearest := ""
	for _, alias := range known {
		for _, sep := range []string{".", "-"} {
			if strings.HasPrefix(tag, alias+sep) && len(alias) > len(nearest) {
				nearest = alias
			}
		}
	}
	switch nearest = cmp.Or(nearest, config.Closest(tag, known)); {
	case nearest != "":
		return "; did you mean " + strconv.Quote(nearest) + "?"
	case len(known) == 0:
		return ", which has none"
	}
	return "; expected " + list(known)
}

// stable are the aliases that should exist.
func stable(image config.Image) []string {
	var tags []string
	for _, a := range image.Aliases {
		if !a.Absent {
			tags = append(tags, a.Tag)
		}
	}
	return tags
}

func example(image config.Image) string {
	if tags := stable(image); len(tags) > 0 {
		return tags[0]
	}
	return "TAG"
}

// list is "10", "11" or "latest", and not longer than a reader wants.
func list(tags []string) string {
	const most = 8
	if len(tags) == 0 {
		return "none"
	}
	quoted := make([]string, 0, most+1)
	for i, tag := range tags {
		if i == most {
			quoted = append(quoted, fmt.Sprintf("one of %d more", len(tags)-most))
			break
		}
		quoted = append(quoted, strconv.Quote(tag))
	}
	if n := len(quoted); n > 1 {
		return strings.Join(quoted[:n-1], ", ") + " or " + quoted[n-1]
	}
	return quoted[0]
}

// platforms checks that the alias offers what the service needs: the platform
// it names or, as it may run anywhere, all that the policy requires. A system
// alone, such as "linux", is any architecture of it.
func (c *check) platforms(s Service, image config.Image, alias config.Alias) {
	has, known := offers(image, alias)
	required := image.Policies["platforms"].Platforms
	text := s.Platform
	system := strings.ToLower(text.Value)
	if text.Written == "" || config.IsSystem(system) {
		of := func(p config.Platform) bool { return text.Written == "" || p.OS == system }
		if known && text.Written != "" && !slices.ContainsFunc(has, of) {
			c.report(s.Image.Pos, alias.Tag, findings.MissingPlatform, "%s: alias %q has %s, and the service's platform is %s", s.Image.shown(), alias.Tag, platforms(has), text.shown())
			return
		}
		for _, want := range required {
			if known && of(want) && !slices.ContainsFunc(has, func(p config.Platform) bool { return p.Is(want) }) {
				c.report(s.Image.Pos, alias.Tag, findings.MissingPlatform, "%s: alias %q has %s; the platforms policy requires %s", s.Image.shown(), alias.Tag, platforms(has), want)
			}
		}
		return
	}
	if len(text.Unset) > 0 {
		c.report(text.Pos, alias.Tag, findings.UnsetVariable, "platform %s: %s", quote(text.Written), text.missing())
		return
	}
	want, err := config.ParseLoosePlatform(text.Value)
	switch {
	case err != nil && text.Hidden:
		c.report(text.Pos, alias.Tag, findings.InvalidPlatform, "platform %s is unknown, with the variables as they are set", quote(text.Written))
	case err != nil:
		c.report(text.Pos, alias.Tag, findings.InvalidPlatform, "%v", err)
	case known && !slices.ContainsFunc(has, func(p config.Platform) bool { return p.RunsOn(want) }):
		c.report(s.Image.Pos, alias.Tag, findings.MissingPlatform, "%s: alias %q has %s, and the service's platform is %s", s.Image.shown(), alias.Tag, platforms(has), platformShown(text, want))
	case !known && !slices.ContainsFunc(required, func(p config.Platform) bool { return p.RunsOn(want) }):
		c.warn(s.Image.Pos, alias.Tag, findings.UnknownPlatforms, "%s: images.yaml does not say whether alias %q has %s, the service's platform; name it in the platforms policy, or its source in the alias", s.Image.shown(), alias.Tag, platformShown(text, want))
	}
}

func platformShown(t Text, p config.Platform) string {
	if t.Hidden {
		return quote(t.Written)
	}
	return p.String()
}

func platforms(all []config.Platform) string {
	names := make([]string, len(all))
	for i, p := range all {
		names[i] = p.String()
	}
	return strings.Join(names, ", ")
}

// offers are the platforms that an alias is going to have, if images.yaml alone
// tells: it does where it names them, and for newest versions, which are taken
// for the platforms that the policy requires. What a tag has, a registry knows.
func offers(image config.Image, alias config.Alias) (has []config.Platform, known bool) {
	for range image.Aliases { // as many steps as there are aliases at most: Parse refuses cycles
		if len(alias.Sources) != 1 || !alias.Sources[0].Alias || alias.Sources[0].Platform != (config.Platform{}) {
			break
		}
		i := slices.IndexFunc(image.Aliases, func(a config.Alias) bool { return a.Tag == alias.Sources[0].Tag })
		alias = image.Aliases[i]
	}
	for _, s := range alias.Sources {
		switch {
		case s.Platform != (config.Platform{}):
			has = append(has, s.Platform)
		case s.Newest != nil:
			has = image.Policies["platforms"].Platforms
		}
	}
	return has, len(has) > 0
}
