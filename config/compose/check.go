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
	Findings []*config.Finding // in the order of their places; equal ones if services share a place
	Managed  int               // services with an image of a repository of images.yaml
	Fixes    []Fix             // of findings that leave one choice
}

// Check holds the images of services against images.yaml. It is the desired
// state that counts, not what a registry holds now: the change that adds an
// alias may use it. Of images of other repositories, only the name is looked at: it
// may be a misspelt one of images.yaml.
func Check(cfg *config.Config, services []Service) Result {
	c := &check{cfg: cfg, images: map[config.Repository]config.Image{}}
	for _, image := range cfg.Images {
		c.images[image.Repository.Place()] = image
	}
	for _, s := range services {
		if f := c.service(s); f != nil {
			c.result.Findings = append(c.result.Findings, f)
		}
	}
	slices.SortStableFunc(c.result.Findings, func(a, b *config.Finding) int { return comparePos(a.Pos, b.Pos) })
	return c.result
}

type check struct {
	cfg    *config.Config
	images map[config.Repository]config.Image // by place
	result Result
}

// service returns what is wrong with the image of a service, nil if nothing is.
func (c *check) service(s Service) *config.Finding {
	text := s.Image
	if text.Written == "" {
		return nil // built, or run by a provider
	}
	name, tag, digest := divide(text.marked)
	image, managed := c.find(name)
	invalid := text.invalid()
	if managed {
		c.result.Managed++
	}
	switch {
	case unsetMark.MatchString(name):
		if !s.Build {
			return warning(text.Pos, findings.UnsetVariable, "%q: %s; it can't be told which image this is", text.Written, text.missing())
		}
	case !managed && invalid != nil:
		return warning(text.Pos, findings.InvalidImage, "%s: %v", text.shown(), invalid)
	case !managed:
		if near := nearest(c.cfg.Images, name); near != "" && !s.Build && !text.Hidden && len(text.Unset) == 0 {
			return warning(text.Pos, findings.NearMiss, "%s is not an image of images.yaml, and so it is not checked; did you mean %s?", text.shown(), near)
		}
	case s.Build:
		return warning(text.Pos, findings.BuiltImage, "%s is the name under which the service is built, and an image of images.yaml: it may be either on a machine; choose another name for what is built, or remove the build section", text.shown())
	case len(text.Unset) > 0:
		return errorf(text.Pos, findings.UnsetVariable, "%q: %s; set it, put it into .env, or write a default, such as ${%s:-%s}",
			text.Written, text.missing(), text.Unset[0], append(stable(image), "TAG")[0])
	case digest != "":
		return errorf(text.Pos, findings.DigestPin, "%s is pinned to a digest, which no alias moves; write an alias of %s: %s", text.shown(), image.Name, choice(stable(image)))
	case invalid != nil:
		return errorf(text.Pos, findings.InvalidImage, "%s: %v", text.shown(), invalid)
	default:
		return c.alias(s, image, cmp.Or(tag, "latest"))
	}
	return nil
}

// invalid says why a text is not the name of an image, with a tag, a digest, both or
// neither. What depends on an unset variable is not looked at.
func (t Text) invalid() error {
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
	image, ok := c.images[repository.Place()]
	return image, ok
}

// alias checks a tag of an image that images.yaml manages.
func (c *check) alias(s Service, image config.Image, tag string) (f *config.Finding) {
	text := s.Image
	i := slices.IndexFunc(image.Aliases, func(a config.Alias) bool { return a.Tag == tag })
	if i < 0 {
		said, aliases := notAnAlias(s, image, tag)
		name, written := strings.CutSuffix(text.Written, ":"+tag)
		if len(aliases) == 1 && written && !strings.Contains(text.Written, "$") {
			c.result.Fixes = append(c.result.Fixes, Fix{text.Pos, text.Written, name + ":" + aliases[0].Tag})
		}
		return errorf(text.Pos, findings.NotAnAlias, "%s: %s", text.shown(), said)
	}
	if image.Aliases[i].Absent {
		f = errorf(text.Pos, findings.AbsentAlias, "%s: images.yaml takes alias %q away%s", text.shown(), tag, instead(image, tag))
	} else {
		f = unserved(s, image, image.Aliases[i])
	}
	if f != nil {
		f.Alias = tag
	}
	return f
}

// notAnAlias says what a tag is instead, and returns the aliases that the service may
// have in its place.
func notAnAlias(s Service, image config.Image, tag string) (said string, suitable []config.Alias) {
	named := "tag " + strconv.Quote(tag)
	if s.Image.Hidden {
		named = "the tag"
	}
	if _, written, _ := divide(s.Image.Written); written == "" && tag == "latest" {
		return fmt.Sprintf(`no tag means "latest", which is not an alias of %s%s`, image.Name, instead(image, tag)), nil
	}
	of, following := aliasesFor(image, tag)
	relation := "%s is a release that alias %s takes images from"
	switch {
	case len(of) == 0:
		return fmt.Sprintf("%s is not an alias of %s%s", named, image.Name, instead(image, tag)), nil
	case following:
		relation = "%s is a version that alias %s follows, and moves on from"
	}
	said = fmt.Sprintf(relation, named, choice(tagsOf(of)))
	suitable, where := suiting(s, image, of, tag)
	switch {
	case len(suitable) > 0:
		said += "; write " + choice(tagsOf(suitable))
	case s.Platform.Written != "":
		said += ", but images.yaml does not say so for the service's platform, " + s.Platform.shown()
	case where == (config.Platform{}):
		said += ", but no such alias has all platforms that the platforms policy requires"
	default:
		said += fmt.Sprintf(", but images.yaml does not say so for %s; if the service runs elsewhere, set its platform", where)
	}
	return said, suitable
}

func tagsOf(aliases []config.Alias) []string {
	tags := make([]string, len(aliases))
	for i, a := range aliases {
		tags[i] = a.Tag
	}
	return tags
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
	return "; expected " + choice(known)
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

// choice is "10", "11" or "latest", and not longer than a reader wants.
func choice(tags []string) string {
	const most = 8
	if len(tags) == 0 {
		return "none"
	}
	var quoted []string
	for _, tag := range tags[:min(most, len(tags))] {
		quoted = append(quoted, strconv.Quote(tag))
	}
	if more := len(tags) - most; more > 0 {
		quoted = append(quoted, fmt.Sprintf("one of %d more", more))
	}
	last := len(quoted) - 1
	if last == 0 {
		return quoted[0]
	}
	return strings.Join(quoted[:last], ", ") + " or " + quoted[last]
}
